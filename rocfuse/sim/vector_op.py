"""Compile a row of a vector instruction table: operands, modifiers, SDWA and DPP forms, results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rocfuse.sim import shadow as rules
from rocfuse.sim.arith import flush
from rocfuse.sim.decode import Instruction
from rocfuse.sim.lanes import dpp_permutation
from rocfuse.sim.operands import Operand, Reader, Writer, parse_operand, vector_reader, vector_writer
from rocfuse.sim.state import EXEC, SCALAR_ID, State
from rocfuse.sim.step import Context, Step, ids_of, unsupported


@dataclass(frozen=True)
class VectorOp:
    """One row: kinds of the results and of the sources, and the function from sources to results."""

    results: tuple[str, ...]
    sources: tuple[str, ...]
    function: Callable[..., Any]
    rule: rules.Rule = rules.any_bit
    keep: bool = False  # a 16-bit result leaves the other half alone
    accumulate: bool = False  # the destination is the last source
    implicit: str = ""  # a source that the text does not name
    exact: bool = False  # moves bits: no denormal flush, no output modifiers
    writes_exec: bool = False  # v_cmpx
    saturating: Callable[..., Any] | None = None  # the function under clamp, for integers


def row(signature: str, function: Callable[..., Any], rule: rules.Rule = rules.any_bit, **more: Any) -> VectorOp:
    """A row from a signature such as "f32 = f32 f32"."""
    results, _, sources = signature.partition("=")
    return VectorOp(tuple(results.split()), tuple(sources.split()), function, rule, **more)


@dataclass
class _Form:
    """What the modifiers of an instruction say."""

    selects: list[str]
    halves: list[int]
    result_half: int
    result_select: str
    unused: str
    permutation: Callable[[State, np.ndarray], np.ndarray] | None
    enabled: Callable[[State], np.ndarray] | None
    clamp: bool
    scale: float


def _flags(text: str) -> list[int]:
    return [int(part) for part in text.strip("[]").split(",")]


def _form(instruction: Instruction, sources: int) -> _Form:
    modifiers = instruction.modifiers
    selects = [modifiers.get(f"src{at}_sel", "") for at in range(sources)]
    op_sel = _flags(modifiers["op_sel"]) if "op_sel" in modifiers else []
    halves = [op_sel[at] if at < len(op_sel) else 0 for at in range(sources)]
    result_half = op_sel[-1] if len(op_sel) > sources else 0
    permutation = enabled = None
    if instruction.encoding.endswith("dpp"):
        permutation, enabled = dpp_permutation(modifiers)
    scale = {"": 1.0, "mul:2": 2.0, "mul:4": 4.0, "div:2": 0.5}[
        next((f"{name}:{modifiers[name]}" for name in ("mul", "div") if name in modifiers), "")
    ]
    return _Form(
        selects,
        halves,
        result_half,
        modifiers.get("dst_sel", ""),
        modifiers.get("dst_unused", ""),
        permutation,
        enabled,
        "clamp" in modifiers,
        scale,
    )


_DPP_MODIFIERS = {"quad_perm", "row_mask", "bank_mask", "bound_ctrl", "fi"} | {
    *(f"row_{name}" for name in ("shl", "shr", "ror", "mirror", "half_mirror", "bcast", "newbcast")),
    *(f"wave_{name}" for name in ("shl", "shr", "rol", "ror")),
}
_SDWA_MODIFIERS = {"dst_sel", "dst_unused", "src0_sel", "src1_sel"}
_KNOWN_MODIFIERS = {"op_sel", "clamp", "mul", "div"} | _DPP_MODIFIERS | _SDWA_MODIFIERS


def compile_vector(instruction: Instruction, context: Context, table: Mapping[str, VectorOp]) -> Step | None:
    """Compile `instruction` from `table`; None when the table does not have it."""
    op = table.get(instruction.mnemonic)
    if op is None:
        return None
    unknown = set(instruction.modifiers) - _KNOWN_MODIFIERS
    if unknown:
        raise unsupported(instruction, context.kernel.name, "modifier " + ", ".join(sorted(unknown)))
    operands = [parse_operand(text) for text in instruction.operands]
    if op.implicit:
        operands.append(parse_operand(op.implicit))
    targets = operands[: len(op.results)]
    sources = operands[len(op.results) :]
    if op.accumulate:
        sources = [*sources, targets[0]]
    if len(sources) != len(op.sources):
        raise unsupported(instruction, context.kernel.name, f"{len(operands)} operands")
    form = _form(instruction, len(sources))
    return _build(instruction, context, op, form, targets, sources)


def _build(
    instruction: Instruction,
    context: Context,
    op: VectorOp,
    form: _Form,
    targets: list[Operand],
    sources: list[Operand],
) -> Step:
    keeps = (op.keep and op.results[0].endswith("16")) or form.result_half == 1 or form.unused == "UNUSED_PRESERVE"
    readers, shadows = (_readers(op, form, sources, plane) for plane in (False, True))
    writers, shadow_writers = (_writers(op, form, targets, plane) for plane in (False, True))
    function = _with_modes(op, form, context, instruction)
    if op.writes_exec:
        exec_writer = vector_writer(parse_operand("exec"), "mask")
        writers = [_both(writers[0], exec_writer)]
    run = _runner(function, readers, writers)
    tainted = _tainted(op, function, readers, shadows, writers, shadow_writers)
    if form.enabled is not None:
        run, tainted = _partial(run, form.enabled), _partial(tainted, form.enabled)
    reads = set(ids_of(*sources))
    written: list[int] = []
    for kind, target in zip(op.results, targets, strict=True):
        count = 2 if kind.endswith("64") or kind == "mask" else 1
        written += target.ids()[:count] if target.count >= count else target.ids()
    if keeps or form.enabled is not None:
        reads |= set(written)
    if op.writes_exec:
        written += [SCALAR_ID + EXEC, SCALAR_ID + EXEC + 1]
    return Step(instruction, "valu", run, tainted, frozenset(reads), tuple(written))


def _both(first: Writer, second: Writer) -> Writer:
    def write(state: State, value: np.ndarray) -> None:
        first(state, value)
        second(state, value)

    return write


def _readers(op: VectorOp, form: _Form, sources: list[Operand], plane: bool) -> list[Reader]:
    readers = []
    for at, (kind, operand) in enumerate(zip(op.sources, sources, strict=True)):
        permute = form.permutation if at == 0 else None
        select = form.selects[at] if at < len(form.selects) else ""
        half = form.halves[at] if kind.endswith("16") else 0
        readers.append(vector_reader(operand, kind, plane, half, select, permute))
    return readers


def _writers(op: VectorOp, form: _Form, targets: list[Operand], plane: bool) -> list[Writer]:
    writers = []
    for kind, target in zip(op.results, targets, strict=True):
        if form.result_select and form.result_select != "DWORD":
            writers.append(_sub_dword_writer(target, kind, form, plane))
        else:
            half = form.result_half if kind.endswith("16") else 0
            writers.append(vector_writer(target, kind, plane, half, op.keep))
    return writers


def _sub_dword_writer(target: Operand, kind: str, form: _Form, plane: bool) -> Writer:
    width = 8 if form.result_select.startswith("BYTE") else 16
    shift = np.uint32(width * int(form.result_select[-1]))
    mask = np.uint32((1 << width) - 1)
    whole = vector_writer(Operand("v", target.row, 1, target.text), "u32", plane)
    old = vector_reader(Operand("v", target.row, 1, target.text), "u32", plane)

    def write(state: State, value: np.ndarray) -> None:
        rest: Any
        bits = value.view(np.uint16 if kind.endswith("16") else np.uint32).astype(np.uint32) & mask
        if form.unused == "UNUSED_PRESERVE":
            rest = old(state) & ~(mask << shift)
        elif form.unused == "UNUSED_SEXT" and not plane:
            sign = np.uint32(1 << (width - 1))
            rest = ((bits ^ sign) - sign) & ~mask
        else:
            rest = np.uint32(0)
        whole(state, (bits << shift) | rest)

    return write


def _with_modes(op: VectorOp, form: _Form, context: Context, instruction: Instruction) -> Callable[..., Any]:
    function = op.function
    if form.clamp and op.saturating is not None:
        return op.saturating
    if op.exact:
        if form.clamp or form.scale != 1.0:
            raise unsupported(instruction, context.kernel.name, "an output modifier")
        return function
    flushed = {"f32"} if context.flush_f32 else set()
    flushed |= {"f16", "f64"} if context.flush_f16 else set()
    if flushed & set(op.results + op.sources):
        plain = function

        def function(*values: np.ndarray) -> Any:
            inputs = [
                flush(value) if kind in flushed else value for kind, value in zip(op.sources, values, strict=True)
            ]
            result = plain(*inputs)
            return flush(result) if op.results[0] in flushed else result

    if form.scale == 1.0 and not form.clamp:
        return function
    if not op.results[0].startswith("f"):
        raise unsupported(instruction, context.kernel.name, "an output modifier")
    unclamped = function

    def modified(*values: np.ndarray) -> np.ndarray:
        result = unclamped(*values)
        result = result * result.dtype.type(form.scale)
        return np.clip(np.nan_to_num(result, nan=0.0), 0, 1).astype(result.dtype) if form.clamp else result

    return modified


def _runner(function: Callable[..., Any], readers: list[Reader], writers: list[Writer]) -> Callable[[State], None]:
    if len(writers) == 2:
        first, second = writers

        def run_two(state: State) -> None:
            value, mask = function(*[read(state) for read in readers])
            first(state, value)
            second(state, mask)

        return run_two
    write = writers[0]
    if len(readers) == 1:
        read = readers[0]
        return lambda state: write(state, function(read(state)))
    if len(readers) == 2:
        left, right = readers
        return lambda state: write(state, function(left(state), right(state)))
    if len(readers) == 3:
        one, two, three = readers
        return lambda state: write(state, function(one(state), two(state), three(state)))
    return lambda state: write(state, function(*[read(state) for read in readers]))


def _tainted(
    op: VectorOp,
    function: Callable[..., Any],
    readers: list[Reader],
    shadows: list[Reader],
    writers: list[Writer],
    shadow_writers: list[Writer],
) -> Callable[[State], None]:
    def run(state: State) -> None:
        values = tuple(read(state) for read in readers)
        undefined = tuple(read(state) for read in shadows)
        results = function(*values)
        results = results if isinstance(results, tuple) else (results,)
        bits = op.rule(values, undefined, function)
        for kind, result, write, write_shadow in zip(op.results, results, writers, shadow_writers, strict=True):
            if kind == "mask":
                mask = bits.astype(bool) & state.active
                write(state, result)
                write_shadow(state, mask)
                if op.writes_exec:
                    state.report_lanes("undefined", "an undefined value reaches EXEC", mask)
            else:
                write(state, result)
                write_shadow(state, _widen(bits, kind))

    return run


def _widen(bits: np.ndarray, kind: str) -> np.ndarray:
    unsigned: Any = {16: np.uint16, 32: np.uint32, 64: np.uint64}[int(kind[1:])]
    if bits.dtype == unsigned:
        return bits
    return np.where(bits != 0, ~unsigned(0), unsigned(0))


def _partial(run: Callable[[State], None], enabled: Callable[[State], np.ndarray]) -> Callable[[State], None]:
    """DPP: lanes without a source keep their destination."""

    def partial(state: State) -> None:
        active, full = state.active, state.full
        lanes = enabled(state)
        state.active = active & lanes
        state.full = full and bool(lanes.all())
        try:
            run(state)
        finally:
            state.active, state.full = active, full

    return partial
