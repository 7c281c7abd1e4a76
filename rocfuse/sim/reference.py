"""What a program should compute: the input IR itself, evaluated on the CPU.

Two answers. `rounded` (u) is the unfused program with the IR's own types, casts and accumulation order; `exact` (r) is
the same program with every float widened to f64 (see retype.py for what a constant is then). Small programs are run by
upstream's CPU lowering and execution engine (cpu.py), so that nobody can say that we misread linalg; large ones, and
bands of large ones, by the numpy evaluator (interpret.py), which the tests hold against the execution engine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from mlir import ir

from rocfuse.diagnostics import CompileError, count
from rocfuse.sim import cpu, interpret, retype

# The execution engine runs plain loops, about 2 s for 10^9 multiply-adds; beyond this many loop steps numpy does it.
ENGINE_STEPS = 1 << 27


@dataclass(frozen=True)
class References:
    """One array for each result: `rounded` in the IR's types, `exact` in float64."""

    rounded: list[np.ndarray]
    exact: list[np.ndarray]


def evaluate(
    text: str, arrays: Sequence[np.ndarray], *, band: Sequence[tuple[int, int]] | None = None, name: str = ""
) -> References:
    """Evaluate a linalg/tensor/tosa program with the IR's roundings and in float64.

    `arrays` are the function's arguments in order, in its element types (bf16 as ml_dtypes.bfloat16 or uint16 bit
    patterns). `band` is a (start, stop) for each dim of the results, of which only that box is then evaluated and
    returned. `name` picks a function; without it, where there are several that no other calls, each is evaluated in
    turn: `arrays` and results of all follow each other. Raises CompileError when the program cannot be evaluated or an
    array does not fit.
    """
    with ir.Context(), ir.Location.unknown():
        found = References([], [])
        for part, one, own in _programs(cpu.parse_program(text), arrays, name):
            rounded, exact = _evaluate(part, one, own, band)
            found.rounded.extend(rounded)
            found.exact.extend(exact)
    return found


def _programs(
    module: ir.Module, arrays: Sequence[np.ndarray], name: str
) -> list[tuple[ir.Module, str, Sequence[np.ndarray]]]:
    """The functions to evaluate, each in a module to lower in place, and its arrays."""
    names = [] if name else cpu.programs(module)
    if len(names) < 2:
        return [(module, name or "".join(names), arrays)]
    ends = [0]
    for one in names:
        ends.append(ends[-1] + len(cpu.signature(cpu.entry_function(module, one))[0]))
    if ends[-1] != len(arrays):
        raise CompileError(f"need {count(ends[-1], 'array')} for {len(names)} functions, have {len(arrays)}")
    return [(cpu.alone(module, one), one, arrays[a:b]) for one, (a, b) in zip(names, pairwise(ends), strict=True)]


def _evaluate(
    module: ir.Module, name: str, arrays: Sequence[np.ndarray], band: Sequence[tuple[int, int]] | None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """One function with the IR's roundings and in float64; the module is lowered in place."""
    arguments = cpu.check_arguments(cpu.entry_function(module, name), arrays)
    wide = retype.to_float64(module)
    cpu.run_passes(wide, interpret.GENERALIZE)  # so that its loops can be counted
    box = None if band is None else tuple((start, stop) for start, stop in band)
    engine = box is None and loop_steps(wide) <= ENGINE_STEPS
    rounded, exact = (
        cpu.execute(one, inputs, name) if engine else interpret.evaluate(one, inputs, box, name)
        for one, inputs in ((module, arguments), (wide, [_widen(array) for array in arguments]))
    )
    return rounded, exact


def evaluate_module_text(text: str, arrays: Sequence[np.ndarray], *, name: str = "") -> list[np.ndarray]:
    """The results of a program with the IR's own roundings only: for running IR before and after a pass.

    Always by the execution engine. Raises CompileError as evaluate.
    """
    with ir.Context(), ir.Location.unknown():
        parts = _programs(cpu.parse_program(text), arrays, name)
        return [result for part, one, own in parts for result in cpu.execute(part, own, one)]


def _widen(array: np.ndarray) -> np.ndarray:
    return array if array.dtype.kind in "iub" else array.astype(np.float64)


def loop_steps(module: ir.Module) -> int:
    """The loop steps of every linalg.generic in a module, summed: what the execution engine would run."""
    steps = 0

    def visit(op: ir.Operation) -> ir.WalkResult:
        nonlocal steps
        if op.name == "linalg.generic":
            sizes: dict[int, int] = {}
            for operand, one in zip(op.operands, ir.ArrayAttr(op.attributes["indexing_maps"]), strict=True):
                for position, expression in enumerate(ir.AffineMapAttr(one).value.results):
                    if isinstance(expression, ir.AffineDimExpr):
                        sizes[expression.position] = ir.RankedTensorType(operand.type).shape[position]
            steps += math.prod(sizes.values())
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return steps
