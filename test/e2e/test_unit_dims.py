"""Dims of extent 1 in any place: what has one row, one column or one batch is a product like any other."""

from __future__ import annotations

import pytest
from harness import Program, Value, check, silu_times

GATE = "%y = arith.mulf %x0, %x1 : f32\n%z = arith.addf %y, %x2 : f32\nlinalg.yield %z : f32"


@pytest.mark.parametrize(("x", "w"), [("bkm", "bkn"), ("bkm", "kn"), ("mbk", "kn"), ("kmb", "nk"), ("bmk", "nbk")])
@pytest.mark.parametrize(("b", "m", "n"), [(2, 1, 8), (1, 3, 8), (1, 1, 1)])
def test_a_batch_in_any_order(x: str, w: str, b: int, m: int, n: int) -> None:
    """A unit dim of the product is kept though reshapes move it to another place of the array, or out of it."""
    sizes = {"b": b, "m": m, "k": 16, "n": n}
    program = Program()
    a = program.argument("f16", *(sizes[dim] for dim in x))
    weights = [program.argument("f16", *(sizes[dim] for dim in w)) for _ in range(2)]
    products = [program.product(f"{x},{w}->bmn", a, one) for one in weights]
    check(program.text(program.apply("bmn,bmn->bmn", products, silu_times("f16"), "f16")))


def test_slices_of_one_row_of_a_batch() -> None:
    program = Program()
    product = program.product("bkm,kn->bmn", program.argument("f16", 2, 16, 1), program.argument("f16", 16, 8))
    halves = [program.slice(product, [0, 0, at], [2, 1, 4]) for at in (0, 4)]
    check(program.text(program.apply("bmn,bmn->bmn", halves, silu_times("f16"), "f16")))


def test_a_row_that_the_array_has_no_dim_for() -> None:
    program = Program()
    x, row = program.argument("f16", 2, 16), Value("%row", (2, 1, 16), "f16")
    shape = "[[0, 1], [2]] output_shape [2, 1, 16]"
    program.lines.append(f"%row = tensor.expand_shape {x.name} {shape} : {x.type} into {row.type}")
    products = [program.product("bmk,kn->bmn", row, program.argument("f16", 16, 8)) for _ in range(2)]
    check(program.text(program.apply("bmn,bmn->bmn", products, silu_times("f16"), "f16")))


@pytest.mark.parametrize("spec", ["n", "m", "mn", ""])
def test_columns_of_one(spec: str) -> None:
    """An operand of shape 1 is collapsed to no dims at all."""
    sizes = {"m": 8, "n": 1}
    program = Program()
    product = program.product("mk,kn->mn", program.argument("f16", 8, 16), program.argument("f16", 16, 2))
    parts = [program.slice(product, [0, at], [8, 1]) for at in (0, 1)]
    other = program.argument("f32", *(sizes[dim] for dim in spec))
    check(program.text(program.apply(f"mn,mn,{spec}->mn", [*parts, other], GATE, "f32")), exact=True)
