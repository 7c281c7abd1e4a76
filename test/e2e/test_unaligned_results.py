"""Rows that are not aligned are stored one by one, column of blocks by column of blocks: right, without a spill."""

from __future__ import annotations

import pytest
from harness import Program, cast, check

import rocfuse
from rocfuse.gen import GenOptions
from rocfuse.gen import build as generate

WAVE: dict[str, object] = {"tile-m": 64, "tile-n": 64, "tile-k": 32, "waves-m": 1, "waves-n": 1}
FOUR: dict[str, object] = {"tile-m": 128, "tile-n": 128, "tile-k": 32, "waves-m": 2, "waves-n": 2}
LARGE, SMALL = {"matrix-op": "32x32x8"}, {"matrix-op": "16x16x16"}


@pytest.mark.parametrize(
    ("m", "n", "k", "plan"), [(127, 127, 66, WAVE | LARGE), (255, 201, 65, FOUR | LARGE), (65, 126, 72, WAVE | SMALL)]
)
def test_masks_of_columns_do_not_spill(m: int, n: int, k: int, plan: dict[str, object]) -> None:
    """Row by row the masks of all columns are alive together, and 40 scalar registers of the second spill."""
    options = GenOptions(m=m, n=n, k=k, combine="geglu", bias="full", residual=True, layout="nk")
    check(str(generate(options)), plan=plan)


@pytest.mark.parametrize("plan", [{}, WAVE | LARGE, WAVE | SMALL])
@pytest.mark.parametrize("results", [("mn",), ("nm",), ("mn", "nm")])
@pytest.mark.parametrize("n", [137, 136])
def test_operands_and_results_of_every_direction(n: int, results: tuple[str, ...], plan: dict[str, object]) -> None:
    """Operands that vary along rows, columns, both (turned) or nothing; results in both layouts, aligned and not."""
    m = 100
    program = Program()
    x = program.argument("f16", m, 48)
    products = [program.product("mk,kn->mn", x, program.argument("f16", 48, n)) for _ in range(2)]
    shapes = {"m": (m,), "n": (n,), "mn": (m, n), "nm": (n, m), "": ()}
    others = [program.argument("f16", *shape) for shape in shapes.values()]
    scale = "\n".join(
        f"%w{at} = arith.extf %x{at} : f16 to f32\n%s{at + 1} = arith.addf %s{at}, %w{at} : f32"
        for at in range(2, 2 + len(others))
    )
    body = f"%s2 = arith.mulf %x0, %x1 : f32\n{scale}\n{cast(f'%s{2 + len(others)}', 'f16')}"
    specs = ",".join(["mn", "mn", *shapes])
    made = [program.apply(f"{specs}->{result}", [*products, *others], body, "f16") for result in results]
    check(program.text(*made), plan=plan, exact=True)


def test_a_kernel_that_spills_all_the_same_says_so() -> None:
    """A pinned plan of which LLVM's own order of the loop holds more than is estimated."""
    program = Program()
    x = program.argument("f16", 100, 512)
    products = [program.product("km,nk->mn", x, program.argument("f16", 1001, 100)) for _ in range(2)]
    made = [
        program.apply(f"mn,mn->{spec}", products, "%y = arith.mulf %x0, %x1 : f32\n" + cast("%y", element), element)
        for spec, element in (("nm", "f32"), ("mn", "f16"))
    ]
    remarks: list[str] = []
    config = "v1:m256,n128,k32,wm2,wn4,op16x16x16,s1,prefetch,fused,sk1,g4"
    options = {"rocfuse-plan-kernels": {"perf-config": config}}
    code = rocfuse.compile(program.text(*made), options=options, on_remark=lambda _, text: remarks.append(text))
    spills, scratch = code.plan["spills"], code.plan["scratch_bytes"]
    assert spills > 0 and scratch > 0
    text = f"program: {spills} registers spilled, {scratch} B of scratch: it needs more than was estimated"
    assert remarks == [f"{text}; try a smaller tile"]
