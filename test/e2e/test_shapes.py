"""Odd extents, every layout, bias, residual, batch and number of products: one kernel each, right numbers, no fault."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from harness import Program, Value, cast, check, silu_times, slices_of, two_products

from rocfuse.gen import GenOptions
from rocfuse.gen import build as generate

SUM = "%y = arith.addf %x0, %x1 : f32\n"


@pytest.mark.parametrize("layout", ["kn", "nk"])
@pytest.mark.parametrize(
    ("m", "n", "k"), [(1, 1, 1), (1, 77, 100), (77, 1, 33), (77, 77, 77), (130, 31, 100), (100, 130, 1), (3, 129, 65)]
)
def test_odd_extents(m: int, n: int, k: int, layout: str) -> None:
    check(f"{generate(GenOptions(m=m, n=n, k=k, layout=layout))}")


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("bias", ["none", "row", "full"])
@pytest.mark.parametrize("pattern", ["sliced", "separate"])
def test_bias_and_residual(pattern: str, bias: str, dtype: str) -> None:
    options = GenOptions(pattern=pattern, m=77, n=33, k=65, bias=bias, dtype=dtype, residual=bias != "none")
    check(f"{generate(options)}")


@pytest.mark.parametrize("pattern", ["sliced", "separate"])
@pytest.mark.parametrize("gemms", [1, 2, 3, 4, 7])
def test_number_of_products(gemms: int, pattern: str) -> None:
    options = GenOptions(pattern=pattern, m=50, n=29, k=77, gemms=gemms, bias="row", layout="nk")
    assert check(f"{generate(options)}").plan["gemms"] == gemms


@pytest.mark.parametrize("combine", ["swiglu", "geglu", "geglu-tanh", "reglu", "glu", "bilinear"])
@pytest.mark.parametrize("batch", [None, 1, 3])
def test_combines_and_batch(combine: str, batch: int | None) -> None:
    check(f"{generate(GenOptions(combine=combine, batch=batch, m=33, n=20, k=50, bias='full'))}")


@pytest.mark.parametrize(
    ("spec", "a", "b", "combine"),
    [
        ("km,kn->mn", (50, 33), (50, 21), ""),  # A stored K x M
        ("km,nk->mn", (51, 33), (21, 51), ""),
        ("mk,nk->mn", (33, 51), (21, 51), ""),
        ("mk,kn->nm", (33, 50), (50, 21), ""),  # the product transposed
        ("mk,kn->mn", (33, 50), (50, 21), "mn,mn->nm"),  # the combine transposed
        ("bmk,bkn->bmn", (3, 17, 20), (3, 20, 19), ""),
        ("bmk,kn->bmn", (3, 17, 20), (20, 19), ""),  # one weight for the batch
        ("mk,bkn->bmn", (17, 20), (3, 20, 19), ""),  # one activation for the batch
        ("mbk,bkn->bmn", (17, 3, 20), (3, 20, 19), ""),  # interleaved batch
        ("mbk,bkn->mbn", (17, 3, 20), (3, 20, 19), ""),
        ("mkb,bkn->bmn", (17, 20, 3), (3, 20, 19), ""),
        ("bkm,bnk->bmn", (3, 20, 17), (3, 19, 20), "bmn,bmn->nbm"),
        ("abmk,abkn->abmn", (2, 3, 17, 20), (2, 3, 20, 19), ""),
        ("mabk,kn->mabn", (5, 2, 3, 20), (20, 19), ""),
    ],
)
def test_layouts(spec: str, a: Sequence[int], b: Sequence[int], combine: str) -> None:
    check(two_products(spec, a, b, combine))


@pytest.mark.parametrize("element", ["f16", "bf16"])
@pytest.mark.parametrize(
    ("shape", "total", "boxes"),
    [
        ((5, 7), 100, [((0, 3), (5, 37)), ((0, 41), (5, 37))]),  # odd offsets, a gap, an unused end
        ((33, 64), 130, [((0, 65), (33, 65)), ((0, 0), (33, 65))]),
        ((20, 33), 60, [((0, 3), (20, 37)), ((0, 11), (20, 37))]),  # overlapping
        ((77, 65), 33, [((1, 0), (31, 33)), ((40, 0), (31, 33))]),  # rows
        ((40, 50), 90, [((3, 1), (29, 31)), ((7, 50), (29, 31))]),  # rows and columns
        ((16, 32), 64, [((0, 7), (16, 1)), ((0, 9), (16, 1))]),
        ((16, 32), 64, [((0, 8), (16, 16)), ((0, 8), (16, 16))]),  # the same slice twice
    ],
)
def test_slices(
    shape: Sequence[int], total: int, boxes: Sequence[tuple[Sequence[int], Sequence[int]]], element: str
) -> None:
    check(slices_of(shape, total, boxes, element))


def test_different_a_for_each_product() -> None:
    program = Program()
    pairs = [(program.argument("f16", 33, 50), program.argument("f16", 50, 21)) for _ in range(3)]
    one, two, three = (program.product("mk,kn->mn", *pair) for pair in pairs)
    gated = program.apply("mn,mn->mn", [one, two], silu_times("f32"), "f32")
    check(program.text(program.apply("mn,mn->mn", [gated, three], SUM + cast("%y", "f16"), "f16")))


def test_several_results_of_different_types_and_order() -> None:
    program = Program()
    x = program.argument("f16", 33, 50)
    one, two = (program.product("mk,kn->mn", x, program.argument("f16", 50, 33)) for _ in range(2))
    wide = program.apply("mn,mn->mn", [one, two], SUM + cast("%y", "f32"), "f32")
    turned = program.apply("mn,mn->nm", [one, two], silu_times("bf16"), "bf16")
    code = check(program.text(turned, program.round(one, "f16"), wide))
    assert [one["dtype"] for one in code.plan["args"] if one["kind"] == "out"] == ["bf16", "f16", "f32"]


def test_operands_of_the_combine_by_row_by_column_and_transposed() -> None:
    program = Program()
    x = program.argument("bf16", 33, 50)
    one = program.product("mk,kn->mn", x, program.argument("bf16", 50, 21))
    others: list[Value] = [program.argument("f32", 33), program.argument("f16", 21), program.argument("bf16", 21, 33)]
    body = (
        "%f1 = arith.extf %x2 : f16 to f32\n%f2 = arith.extf %x3 : bf16 to f32\n%s = arith.mulf %x0, %x1 : f32\n"
        "%t = arith.addf %s, %f1 : f32\n%y = arith.mulf %t, %f2 : f32\n"
    )
    check(program.text(program.apply("mn,m,n,nm->mn", [one, *others], body + cast("%y", "bf16"), "bf16")))


def test_an_operand_of_several_uses() -> None:
    program = Program()
    x = program.argument("f16", 33, 33)
    square = program.product("mk,kn->mn", x, x)
    turned = program.product("mk,nk->mn", x, x)
    out = program.apply(
        "mn,mn,mn->mn",
        [square, turned, x],
        silu_times("f32").replace("linalg.yield %y : f32", "")
        + "%r = arith.extf %x2 : f16 to f32\n%z = arith.addf %y, %r : f32\n"
        + cast("%z", "f16"),
        "f16",
    )
    check(program.text(out))


def test_an_unused_argument_is_an_input_and_no_kernel_argument() -> None:
    program = Program()
    x, w = program.argument("f16", 33, 50), program.argument("f16", 50, 21)
    program.argument("f32", 5)
    code = check(program.text(program.round(program.product("mk,kn->mn", x, w), "f16")))
    assert code.contract["inputs"] == ["arg0", "arg1", "arg2"]
    assert [one["name"] for one in code.plan["args"]] == ["arg0", "arg1", "out0"]
