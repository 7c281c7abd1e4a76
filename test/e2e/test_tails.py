"""What lies beside the data never counts and is never written: NaN and infinities around every operand, canaries after
every buffer, and each byte of a result written by one workgroup."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pytest
from harness import (
    Program,
    Value,
    arguments,
    assert_right,
    build,
    cast,
    check,
    run,
    silu_times,
    slices_of,
    two_products,
)
from mlir import ir

from rocfuse.gen import GenOptions
from rocfuse.gen import build as generate
from rocfuse.sim import cpu, simulate

PLANS: list[dict[str, object]] = [
    {},
    {"tile-m": 64, "tile-n": 64, "tile-k": 64, "matrix-op": "32x32x8"},
    {"tile-m": 64, "tile-n": 64, "tile-k": 32, "matrix-op": "16x16x16"},
]


def poisoned(shape: Sequence[int], inside: Sequence[slice], dtype: np.dtype, seed: int) -> np.ndarray:
    """NaN, inf and -inf everywhere but in the box `inside`."""
    random = np.random.default_rng(seed)
    data = random.choice(np.array([np.nan, np.inf, -np.inf]), shape)
    data[tuple(inside)] = random.standard_normal(data[tuple(inside)].shape) * 0.5
    return data.astype(dtype)


def padded(program: Program, element: str, shape: Sequence[int], arrays: list[np.ndarray], odd: int) -> Value:
    """A view of an argument that is larger at every side; its padding is NaN and infinities."""
    before, after = [1 + (odd + at) % 3 for at in range(len(shape))], [2 + odd % 4] * len(shape)
    outer = [sum(sizes) for sizes in zip(before, shape, after, strict=True)]
    with ir.Context():
        dtype = cpu.numpy_type(ir.F16Type.get() if element == "f16" else ir.BF16Type.get())
    box = [slice(start, start + size) for start, size in zip(before, shape, strict=True)]
    arrays.append(poisoned(outer, box, dtype, len(arrays)))
    return program.slice(program.argument(element, *outer), before, shape)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(
    ("spec", "a", "b"),
    [
        ("mk,kn->mn", (77, 96), (96, 45)),  # k = 96 with a k tile of 64
        ("mk,nk->mn", (77, 96), (45, 96)),
        ("mk,kn->mn", (33, 67), (67, 64)),
        ("mk,nk->mn", (33, 67), (64, 67)),
        ("km,nk->mn", (100, 31), (31, 100)),
        ("bmk,bkn->bmn", (2, 19, 40), (2, 40, 21)),
        ("bmk,bnk->bmn", (2, 19, 40), (2, 21, 40)),
    ],
)
def test_padding_of_every_operand(spec: str, a: Sequence[int], b: Sequence[int], plan: dict[str, object]) -> None:
    program, arrays = Program(), list[np.ndarray]()
    x = padded(program, "f16", a, arrays, 0)
    out = spec.partition("->")[2]
    products = [program.product(spec, x, padded(program, "f16", b, arrays, odd)) for odd in (1, 2)]
    residual = padded(program, "f16", products[0].shape, arrays, 3)
    bias = padded(program, "f16", products[0].shape[-1:], arrays, 5)
    body = (
        silu_times("f32").replace("linalg.yield %y : f32", "")
        + "%b = arith.extf %x3 : f16 to f32\n%r = arith.extf %x2 : f16 to f32\n%z = arith.addf %y, %r : f32\n"
        + "%o = arith.addf %z, %b : f32\n"
        + cast("%o", "f16")
    )
    result = program.apply(f"{out},{out},{out},{out[-1]}->{out}", [*products, residual, bias], body, "f16")
    check(program.text(result), plan=plan, arrays=arrays)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("layout", ["kn", "nk"])
def test_rows_and_columns_that_are_not_in_the_problem(layout: str, plan: dict[str, object]) -> None:
    """Special values in one row of A or of a bias stay in their row, special columns of B in theirs."""
    text = f"{generate(GenOptions(m=77, n=45, k=96, layout=layout, bias='full', combine='bilinear'))}"
    x, w, bias = arguments(text)
    x[76], bias[5] = np.nan, np.inf
    w[(slice(None), slice(40, 44)) if layout == "kn" else slice(40, 44)] = -np.inf
    check(text, plan=plan, arrays=[x, w, bias])


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(
    "text",
    [two_products("mk,nk->mn", (77, 67), (45, 67)), slices_of((35, 50), 90, [((0, 3), (35, 37)), ((0, 44), (35, 37))])],
)
def test_each_byte_of_the_result_is_written_by_one_workgroup(text: str, plan: dict[str, object]) -> None:
    code, arrays = build(text, plan), arguments(text)
    count = sum(run(code, arrays, workgroups=[group]).written[0].astype(int) for group in range(code.plan["grid"][0]))
    assert (count == 1).all()


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(("layout", "batch"), [("kn", None), ("nk", 2)])
def test_canary_after_every_buffer(layout: str, batch: int | None, plan: dict[str, object]) -> None:
    """The same code object on buffers that are longer than it knows of."""
    text = f"{generate(GenOptions(m=35, n=45, k=67, layout=layout, bias='full', batch=batch, residual=True))}"
    code, arrays, canary = build(text, plan), arguments(text), 4096
    longer = copy.deepcopy(code.contract)
    for one in longer["kernels"][0]["args"]:
        one["shape"], one["strides"] = [int(np.prod(one["shape"])) + canary], [1]
    ends = [
        np.full(canary, value, one.dtype) for one, value in zip(arrays, [np.nan, np.inf, -np.inf, np.nan], strict=True)
    ]
    inputs = [np.concatenate([one.reshape(-1), end]) for one, end in zip(arrays, ends, strict=True)]
    result = simulate(code.hsaco, longer, inputs)
    assert {fault.kind for fault in result.faults} <= {"output-unwritten"}
    output, written = result.outputs[0], result.written[0].reshape(-1, result.outputs[0].itemsize)
    assert written[:-canary].all() and not written[-canary:].any()
    shape = next(one["shape"] for one in code.plan["args"] if one["kind"] == "out")
    assert_right(text, arrays, [output[:-canary].reshape(shape)])


@pytest.mark.parametrize("bias", ["row", "full"])
@pytest.mark.parametrize(("m", "n"), [(1, 2), (3, 3), (20, 6)])
def test_narrow_views_that_follow_each_other_in_one_array(m: int, n: int, bias: str) -> None:
    """A read past the end of one view is zero, a read of the next view at the same address is not."""
    check(f"{generate(GenOptions(m=m, n=n, k=5, gemms=3, bias=bias))}")


def test_views_that_follow_each_other_at_the_distance_of_two_parts_of_a_block() -> None:
    text = f"{generate(GenOptions(m=130, n=16, k=64, gemms=3, combine='geglu', bias='full', layout='nk'))}"
    check(text, plan={"tile-m": 32, "tile-n": 64, "matrix-op": "32x32x8"})
