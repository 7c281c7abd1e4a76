"""The combine: operands by way of LDS, wide stores of whole rows, on shapes that tiles divide and on others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from harness import Program, Value, arguments, assert_right, build, check, run

from rocfuse.compiler import CodeObject
from rocfuse.sim import SimulationResult

TILE = {"tile-m": 64, "tile-n": 64, "tile-k": 32, "waves-m": 2, "waves-n": 1}
FORMS = {"row": "n", "column": "m", "full": "mn", "turned": "nm", "one": ""}


def program(
    m: int,
    n: int,
    *,
    extras: Sequence[str] = (),
    element: str = "f16",
    outputs: Sequence[str] = ("mn",),
    result: str = "",
    gemms: int = 2,
    batch: int = 0,
    k: int = 64,
) -> str:
    """max(p0, 0) * p1… + extras, and p0 + extras for each further output; small integers give exact results."""
    sizes = {"b": batch, "m": m, "n": n, "k": k}
    lead = "b" if batch else ""
    one, result = Program(), result or element

    def argument(letters: str) -> Value:
        return one.argument(element, *(sizes[letter] for letter in letters))

    x = argument(f"{lead}mk")
    inputs = [one.product(f"{lead}mk,nk->{lead}mn", x, argument("nk")) for _ in range(gemms)]
    specs = [f"{lead}mn"] * gemms + [FORMS[form] for form in extras]
    inputs += [argument(FORMS[form]) for form in extras]
    returned = []
    for number, spec in enumerate(outputs):
        lines = ["%zero = arith.constant 0.0 : f32", "%s0 = arith.maximumf %x0, %zero : f32"]
        last = "%s0"
        for at in range(1, gemms):
            lines.append(f"%s{at} = arith.{'mulf' if number == 0 else 'addf'} {last}, %x{at} : f32")
            last = f"%s{at}"
        for at in range(gemms, len(inputs)):
            lines.append(f"%e{at} = arith.extf %x{at} : {element} to f32")
            lines.append(f"%s{at} = arith.addf {last}, %e{at} : f32")
            last = f"%s{at}"
        cast = last if result == "f32" else "%y"
        lines += [] if result == "f32" else [f"%y = arith.truncf {last} : f32 to {result}"]
        body = "\n".join([*lines, f"linalg.yield {cast} : {result}"])
        returned.append(one.apply(f"{','.join(specs)}->{lead}{spec}", inputs, body, result))
    return one.text(*returned)


def moved(result: SimulationResult, kind: str) -> int:
    """Bytes that lanes loaded from, or stored to, arguments of the kernel."""
    (stats,) = result.stats["kernels"].values()
    arguments_ = [row for row in stats["global"] if row["kind"] == kind and re.match(r"arg|out", row["argument"])]
    return sum(row["bytes"] for row in arguments_)


def conflicts(result: SimulationResult) -> int:
    """Bank-conflict cycles of the whole kernel."""
    (stats,) = result.stats["kernels"].values()
    return int(stats["lds"]["bank_conflict_cycles"])


def executed(text: str, plan: Mapping[str, Any] = TILE, exact: bool = True) -> tuple[CodeObject, SimulationResult]:
    """Compile, run, compare; the whole kernel is free of bank conflicts."""
    arrays = arguments(text, integers=exact)
    code = build(text, plan)
    result = run(code, arrays)
    assert_right(text, arrays, result.outputs, exact)
    assert conflicts(result) == 0
    return code, result


def stores(code: CodeObject) -> set[str]:
    """The store instructions of a kernel."""
    return set(re.findall(r"^\s+(buffer_store_\w+)", code.isa, re.MULTILINE))


def staged(code: CodeObject) -> list[str]:
    """The LDS buffers of the combine."""
    return [buffer["name"] for buffer in code.plan["lds_buffers"] if buffer["live"] == "combine"]


@pytest.mark.parametrize("element", ["f16", "bf16"])
@pytest.mark.parametrize("matrix_op", ["32x32x8", "16x16x16"])
def test_each_byte_is_moved_once_and_wide(matrix_op: str, element: str) -> None:
    m, n, k = 128, 128, 64
    text = program(m, n, extras=("row", "full", "column", "one"), element=element)
    # LDS of this tile leaves registers for what comes through it without a wave less on a SIMD
    code, result = executed(text, TILE | {"tile-k": 64, "matrix-op": matrix_op})
    assert stores(code) == {"buffer_store_dwordx4"}
    assert "buffer_load_dwordx2" not in code.isa
    assert staged(code) == ["extra0", "extra2", "extra3", "result0"]
    tiles = (m // 64) * (n // 64)
    necessary = tiles * 2 * (64 * k + 2 * 64 * k + 64 * 64 + 64 + 64 + 1)
    assert moved(result, "vmem_load") == necessary
    assert moved(result, "vmem_store") == 2 * m * n


@pytest.mark.parametrize(
    ("extras", "gemms"),
    [(("row",), 1), (("column",), 2), (("one",), 1), (("full",), 3), (("column", "row", "one", "full"), 2)],
)
@pytest.mark.parametrize("shape", [(64, 64), (70, 72), (33, 37), (5, 200)])
def test_operands_and_tails(shape: tuple[int, int], extras: Sequence[str], gemms: int) -> None:
    executed(program(*shape, extras=extras, gemms=gemms))


@pytest.mark.parametrize("n", [64, 72, 37])
@pytest.mark.parametrize(("element", "result"), [("f16", "f32"), ("bf16", "bf16")])
def test_element_types(n: int, element: str, result: str) -> None:
    code, _ = executed(program(70, n, extras=("row", "column"), element=element, result=result))
    assert ("buffer_store_dwordx4" in stores(code)) == (n != 37)


@pytest.mark.parametrize("shape", [(64, 128), (72, 40)])
def test_a_transposed_output_is_staged_along_m(shape: tuple[int, int]) -> None:
    code, _ = executed(program(*shape, extras=("row", "column", "turned", "full"), outputs=("nm",)))
    assert stores(code) == {"buffer_store_dwordx4"}


def test_outputs_have_scratches_of_their_own_and_one_across_is_direct() -> None:
    code, _ = executed(program(72, 64, extras=("row",), outputs=("mn", "mn", "nm")), TILE | {"tile-k": 64})
    assert staged(code) == ["extra0", "result0", "result1"]
    assert stores(code) == {"buffer_store_dwordx4", "buffer_store_short"}


def test_batches() -> None:
    executed(program(40, 72, extras=("row", "full", "column"), batch=3))


@pytest.mark.parametrize(
    "plan",
    [
        {"tile-m": 128, "tile-n": 64, "waves-m": 2, "waves-n": 2, "matrix-op": "16x16x16"},
        {"tile-m": 64, "tile-n": 128, "waves-m": 4, "waves-n": 2, "matrix-op": "16x16x16"},
        {"tile-m": 64, "tile-n": 16, "waves-m": 1, "waves-n": 1, "matrix-op": "16x16x16"},
        {"tile-m": 32, "tile-n": 64, "waves-m": 1, "waves-n": 1, "matrix-op": "32x32x8"},
        {"tile-m": 16, "tile-n": 16, "waves-m": 1, "waves-n": 1, "matrix-op": "16x16x16"},
        {"tile-m": 64, "tile-n": 64, "waves-m": 2, "waves-n": 2, "schedule": "plain"},
        {"tile-m": 64, "tile-n": 64, "waves-m": 2, "waves-n": 2, "loop-form": "sequential"},
        {"tile-m": 64, "tile-n": 64, "waves-m": 2, "waves-n": 2, "stages": 2, "schedule": "prefetch"},
    ],
)
def test_plans(plan: Mapping[str, object]) -> None:
    executed(program(96, 136, extras=("row", "full", "column", "full"), k=96), {"tile-k": 32, **plan})


def test_floats() -> None:
    check(program(100, 136, extras=("row", "full")), plan=TILE)


def test_a_line_is_loaded_before_the_loop_ends() -> None:
    code = build(program(128, 128, extras=("row", "column"), k=256), TILE)
    lines = code.isa.splitlines()
    labels = {line.partition(":")[0]: at for at, line in enumerate(lines) if line.startswith(".LBB")}
    backward = [
        at
        for at, line in enumerate(lines)
        if (match := re.match(r"\s+s_cbranch\w*\s+(\.LBB\w+)", line)) and labels[match[1]] < at
    ]
    narrow = [at for at, line in enumerate(lines) if re.match(r"\s+buffer_load_(dword|ushort|short_d16)\s", line)]
    assert len(narrow) == 2
    assert max(narrow) < min(backward)
