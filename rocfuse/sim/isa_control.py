"""Branches, waits, barriers and the instructions that move values between lanes and scalar registers."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from rocfuse.sim.decode import Instruction
from rocfuse.sim.operands import parse_operand, row_reader
from rocfuse.sim.state import EXEC, LANES, SCALAR_ID, SCC, VCC, State
from rocfuse.sim.step import Context, Step, ids_of, unsupported

Array = np.ndarray


def _pair_is_zero(row: int) -> Callable[[State], Array]:
    return lambda state: (state.scalar[row, state.select] | state.scalar[row + 1, state.select]) == 0


_CONDITIONS: dict[str, tuple[Callable[[State], Array], tuple[int, ...]]] = {
    "scc0": (lambda state: state.scalar[SCC, state.select] == 0, (SCC,)),
    "scc1": (lambda state: state.scalar[SCC, state.select] != 0, (SCC,)),
    "vccz": (_pair_is_zero(VCC), (VCC, VCC + 1)),
    "vccnz": (lambda state: ~_pair_is_zero(VCC)(state), (VCC, VCC + 1)),
    "execz": (_pair_is_zero(EXEC), (EXEC, EXEC + 1)),
    "execnz": (lambda state: ~_pair_is_zero(EXEC)(state), (EXEC, EXEC + 1)),
}
# no effect on what this machine computes: time, caches, priorities, traps
_NO_EFFECT = {
    "s_nop": "other",
    "s_setprio": "other",
    "s_sleep": "other",
    "s_sethalt": "other",
    "s_inst_prefetch": "other",
    "s_icache_inv": "other",
    "s_dcache_inv": "other",
    "s_dcache_wb": "other",
    "s_sendmsg": "other",
    "s_clause": "other",
    "s_code_end": "other",
    "s_ttracedata": "other",
    "buffer_wbl2": "other",
    "buffer_inv": "other",
    "buffer_wbinvl1": "other",
    "buffer_wbinvl1_vol": "other",
    "v_nop": "other",
    "s_decperflevel": "other",
    "s_incperflevel": "other",
    "s_set_gpr_idx_off": "other",
    "s_endpgm_saved": "other",
    "s_setkill": "other",
    "s_wakeup": "other",
}


def wait_counts(instruction: Instruction) -> tuple[int, int]:
    """(vmcnt, lgkmcnt) that s_waitcnt waits for; -1 where it does not."""
    text = " ".join(instruction.operands)
    counts = {name: int(value, 0) for name, value in re.findall(r"(\w+cnt)\((\w+)\)", text)}
    if not counts and text.strip():
        bits = int(text, 0)
        counts = {"vmcnt": bits & 15 | (bits >> 14 & 3) << 4, "lgkmcnt": bits >> 8 & 15}
        counts = {name: value for name, value in counts.items() if value < (63 if name == "vmcnt" else 15)}
    return counts.get("vmcnt", -1), counts.get("lgkmcnt", -1)


def _nothing(state: State) -> None:
    """Run nothing."""


def compile_control(instruction: Instruction, context: Context) -> Step | None:
    """Compile an instruction that the scheduler acts on, or that has no effect."""
    name = instruction.mnemonic
    if name in _NO_EFFECT:
        return Step(instruction, _NO_EFFECT[name], _nothing, _nothing)
    if name == "s_waitcnt":
        return Step(instruction, "wait", _nothing, _nothing, control="wait", detail=wait_counts(instruction))
    if name == "s_barrier":
        return Step(instruction, "barrier", _nothing, _nothing, control="barrier")
    if name == "s_endpgm":
        return Step(instruction, "branch", _nothing, _nothing, control="end")
    if name == "s_branch":
        return Step(instruction, "branch", _nothing, _nothing, control="branch", detail=None)
    if name.startswith("s_cbranch_"):
        condition = _CONDITIONS.get(name.removeprefix("s_cbranch_"))
        if condition is None:
            return None
        return _conditional(instruction, *condition)
    if name in ("s_setreg_imm32_b32", "s_setreg_b32", "s_getreg_b32"):
        raise unsupported(instruction, context.kernel.name, "hardware registers")
    return _compile_lane(instruction, context)


def _conditional(instruction: Instruction, condition: Callable[[State], Array], rows: tuple[int, ...]) -> Step:
    def tainted(state: State) -> None:
        wrong = np.zeros((len(state.members), 1), bool)
        for row in rows:
            wrong |= (state.scalar_shadow[row, state.select] != 0)[:, None]
        state.report_lanes("undefined", "an undefined value decides a branch", wrong)

    reads = frozenset(SCALAR_ID + row for row in rows)
    return Step(instruction, "branch", _nothing, tainted, reads, control="branch", detail=condition)


def _first_active(state: State) -> Array:
    """The lowest active lane; lane 0 when none is."""
    return np.argmax(state.active, axis=1)


def _compile_lane(instruction: Instruction, context: Context) -> Step | None:
    name = instruction.mnemonic
    if name in ("v_readfirstlane_b32", "v_readlane_b32"):
        return _read_lane(instruction)
    if name == "v_writelane_b32":
        return _write_lane(instruction)
    if name == "v_swap_b32":
        return _swap(instruction)
    return None


def _read_lane(instruction: Instruction) -> Step:
    target, source, *which = [parse_operand(text) for text in instruction.operands]

    def pick(state: State, plane: bool) -> Array:
        values = row_reader(source.bank, source.row, plane)(state)
        values = np.broadcast_to(values, state.active.shape)
        if not which:
            lane = _first_active(state)
        elif which[0].bank == "c":
            lane = np.full(len(state.members), int(which[0].text, 0) % LANES)
        else:
            lane = (state.scalar[which[0].row, state.select] % LANES).astype(np.int64)
        return values[np.arange(len(values)), lane]

    def run(state: State) -> None:
        state.write_scalar(target.row, pick(state, False))

    def tainted(state: State) -> None:
        bits = pick(state, True)
        run(state)
        state.write_scalar_shadow(target.row, bits)

    return Step(instruction, "valu", run, tainted, ids_of(source, *which), target.ids())


def _write_lane(instruction: Instruction) -> Step:
    target, source, which = [parse_operand(text) for text in instruction.operands]
    read = row_reader("s", source.row, False)
    if source.bank == "c":
        constant = np.full((1, 1), int(source.text, 0) & 0xFFFFFFFF, np.uint32)
        read = lambda state: constant  # noqa: E731

    def place(state: State) -> Array:
        if which.bank == "c":
            lane = np.full((len(state.members), 1), int(which.text, 0) % LANES)
        else:
            lane = (state.scalar[which.row, state.select] % LANES)[:, None]
        return np.arange(LANES)[None, :] == lane

    def run(state: State) -> None:
        old = state.vector[target.row, state.select]
        state.vector[target.row, state.select] = np.where(place(state), read(state), old)

    def tainted(state: State) -> None:
        bits = state.scalar_shadow[source.row, state.select][:, None] if source.bank == "s" else np.uint32(0)
        old = np.broadcast_to(state.read_vector_shadow(target.row), state.active.shape)
        new = np.where(place(state), bits, old)
        run(state)
        active, full = state.active, state.full
        state.active, state.full = np.ones_like(active), True  # v_writelane ignores EXEC
        state.write_vector_shadow(target.row, new)
        state.active, state.full = active, full

    return Step(instruction, "valu", run, tainted, ids_of(source, which, target), target.ids())


def _swap(instruction: Instruction) -> Step:
    first, second = [parse_operand(text) for text in instruction.operands]

    def run(state: State) -> None:
        a, b = state.read_vector(first.row).copy(), state.read_vector(second.row).copy()
        state.write_vector(first.row, b)
        state.write_vector(second.row, a)

    def tainted(state: State) -> None:
        a, b = (np.array(state.read_vector_shadow(operand.row)) for operand in (first, second))
        run(state)
        state.write_vector_shadow(first.row, b)
        state.write_vector_shadow(second.row, a)

    ids = ids_of(first, second)
    return Step(instruction, "valu", run, tainted, ids, tuple(ids))
