"""Matrix instructions (CDNA3 ISA, "Matrix Arithmetic Instructions"). They ignore EXEC, so it has to be full."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from rocfuse.diagnostics import UsageError
from rocfuse.sim import kernels_matrix as kernels
from rocfuse.sim.decode import Instruction
from rocfuse.sim.machine import Machine
from rocfuse.sim.operands import Operand, constant_bits, parse_operand
from rocfuse.sim.state import State
from rocfuse.sim.step import Context, Step, ids_of, unsupported

_NAME = re.compile(
    r"v_mfma_(f32|i32)_(\d+)x(\d+)x(\d+)(?:_?(\d+)b)?_?(f32|xf32|f16|bf16(?:_1k)?|i8|[bf][fp]8_[bf][fp]8)$"
)
# [CDNA3] "Matrix Core" pass counts, times 4 cycles, for forms that the target table does not plan with
_CYCLES = {
    "32x32x2_f32": 64,
    "16x16x4_f32": 32,
    "32x32x4_xf32": 32,
    "16x16x8_xf32": 16,
    "32x32x16_i8": 32,
    "16x16x32_i8": 16,
    "32x32x16_fp8": 32,
    "16x16x32_fp8": 16,
    "4x4x4_f16": 8,
    "4x4x4_bf16": 8,
    "4x4x1_f32": 8,
    "32x32x4_f16": 64,
    "16x16x4_f16": 32,
    "32x32x4_bf16": 64,
    "16x16x4_bf16": 32,
    "32x32x1_f32": 64,
    "16x16x1_f32": 32,
}
_TABLES: dict[str, np.ndarray] = {}


def _table(kind: str) -> np.ndarray:
    """Every bit pattern of a small type as f32; denormals are kept, as the CDNA3 matrix core does."""
    if kind not in _TABLES:
        dtype = {
            "f16": np.float16,
            "bf16": ml_dtypes.bfloat16,
            "fp8": ml_dtypes.float8_e4m3fnuz,
            "bf8": ml_dtypes.float8_e5m2fnuz,
        }[kind]
        bits = np.arange(256, dtype=np.uint8) if kind.endswith("8") else np.arange(65536, dtype=np.uint16)
        with np.errstate(all="ignore"):
            _TABLES[kind] = bits.view(dtype).astype(np.float32)
    return _TABLES[kind]


def matrix_cycles(context: Context, size: int, depth: int, kind: str) -> int:
    """Cycles that the matrix core is busy, from the target table."""
    try:
        row = context.target.matrix_instruction(f"{size}x{size}x{depth}")
        if kind in row.element_types:
            return row.cycles
    except UsageError:
        pass
    family = "fp8" if kind.endswith("8") and kind != "i8" else kind
    return _CYCLES.get(f"{size}x{size}x{depth}_{family}", 0)


def compile_matrix(instruction: Instruction, context: Context) -> Step | None:
    """Compile v_mfma."""
    match = _NAME.match(instruction.mnemonic)
    if match is None:
        return None
    _, m, n, k, blocks, types = match.groups()
    if any(int(value or "0", 0) for value in instruction.modifiers.values()) or m != n:
        raise unsupported(instruction, context.kernel.name, "broadcast modifiers")
    target, a, b, c = (parse_operand(text) for text in instruction.operands)
    kinds = re.sub("_1k$", "", types).split("_")
    size, depth = int(m), int(k)
    run = _runner(context, target, a, b, c, size, depth, kinds, bool(blocks))
    cycles = matrix_cycles(context, size, depth, kinds[0])

    def checked(state: Machine) -> None:
        if not state.full:
            state.report_lanes("exec-not-full", "a matrix instruction ignores EXEC, which is not full", ~state.active)
        run(state)

    def tainted(state: Machine) -> None:
        bits = _shadow(state, target, a, b, c, size, bool(blocks))
        checked(state)
        active, full = state.active, state.full
        state.active, state.full = np.ones_like(active), True
        for row, shadow in bits:
            state.write_vector_shadow(row, shadow)
        state.active, state.full = active, full

    step = Step(instruction, "matrix", checked, tainted, ids_of(a, b, c), target.ids())
    step.detail = cycles
    return step


def _runner(
    context: Context,
    target: Operand,
    a: Operand,
    b: Operand,
    c: Operand,
    size: int,
    depth: int,
    kinds: list[str],
    blocks: bool,
) -> Callable[[Machine], None]:
    backward = context.mfma_order == "decreasing"
    c_row = c.row if c.bank == "v" else -1
    kind = kinds[0].removeprefix("x")
    if kind == "i8":
        start = int(c.text, 0) if c_row < 0 else 0

        def run_i32(state: Machine) -> None:
            kernels.matrix_i32(state.vector, target.row, a.row, b.row, c_row, start, state.members, size, depth)

        return run_i32
    constant = 0.0
    if c_row < 0:
        constant = float(np.array(constant_bits(c.text, "f32"), np.uint32).view(np.float32))
    bits = {"f32": 32, "f16": 16, "bf16": 16, "fp8": 8, "bf8": 8}[kind]
    left = _table(kind) if bits < 32 else np.zeros(1, np.float32)
    right = _table(kinds[-1]) if bits < 32 else left
    rows = (target.row, a.row, b.row, c_row)
    if blocks:

        def run_blocks(state: Machine) -> None:
            kernels.matrix_blocks(
                state.vector_f32, state.vector, *rows, constant, state.members, size, depth, bits, left, backward
            )

        return run_blocks

    def run(state: Machine) -> None:
        kernels.matrix_f32(
            state.vector_f32, state.vector, *rows, constant, state.members, size, depth, bits, left, right, backward
        )

    return run


def _shadow(
    state: State, target: Operand, a: Operand, b: Operand, c: Operand, size: int, blocks: bool
) -> list[tuple[int, np.ndarray]]:
    """An undefined A element spoils its row, B its column, C its own element; blocks are treated as one."""
    waves = len(state.members)

    def lines(operand: Operand) -> np.ndarray:
        bad: Any = np.zeros((waves, 64), bool)
        for row in range(operand.row, operand.row + operand.count):
            bad = bad | np.broadcast_to(state.read_vector_shadow(row) != 0, bad.shape)
        result: np.ndarray = bad.reshape(waves, 64 // size, size).any(axis=1)
        return result

    bad_rows, bad_columns = lines(a), lines(b)
    lane = np.arange(64)
    part = lane // size
    results = []
    for register in range(target.count):
        local = register % max(size * size // 64, 1) if blocks and size > 4 else register
        m = 8 * (local // 4) + 4 * part + local % 4 if size == 32 else 4 * part * (size == 16) + local
        bad = bad_rows[:, m] | bad_columns[:, lane % size]
        if c.bank == "v":
            bad |= np.broadcast_to(state.read_vector_shadow(c.row + register) != 0, bad.shape)
        results.append((target.row + register, np.where(bad, np.uint32(0xFFFFFFFF), np.uint32(0))))
    return results
