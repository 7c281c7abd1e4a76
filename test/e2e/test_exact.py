"""Small integers and a polynomial combine: every sum is exact in f32, so the result is right bit for bit."""

from __future__ import annotations

import pytest
from harness import Program, cast, check

from rocfuse.gen import GenOptions
from rocfuse.gen import build as generate


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("combine", ["bilinear", "reglu"])
@pytest.mark.parametrize(("m", "n", "k"), [(77, 45, 130), (64, 64, 64), (1, 31, 5)])
def test_bilinear_and_relu(m: int, n: int, k: int, combine: str, dtype: str) -> None:
    layout = "kn" if dtype == "f16" else "nk"
    options = GenOptions(
        combine=combine, m=m, n=n, k=k, layout=layout, dtype=dtype, gemms=3, bias="row", residual=m > 1
    )
    check(f"{generate(options)}", exact=True)


@pytest.mark.parametrize("matrix_op", ["32x32x8", "16x16x16"])
def test_a_polynomial_in_f32(matrix_op: str) -> None:
    program = Program()
    x = program.argument("f16", 40, 70)
    one, two = (program.product("mk,kn->mn", x, program.argument("f16", 70, 33)) for _ in range(2))
    body = (
        "%two = arith.constant 2.0 : f32\n%a = arith.mulf %x0, %x1 : f32\n%b = arith.mulf %x0, %two : f32\n"
        "%c = arith.subf %a, %b : f32\n%d = arith.maximumf %c, %x1 : f32\n%y = arith.negf %d : f32\n"
    )
    text = program.text(program.apply("mn,mn->mn", [one, two], body + cast("%y", "f32"), "f32"))
    check(text, exact=True, plan={"matrix-op": matrix_op, "tile-m": 32, "tile-n": 32})
