"""Rows that are not aligned are stored one by one, column of blocks by column of blocks: right, without a spill."""

from __future__ import annotations

import pytest
from harness import Program, cast, check

from rocfuse.gen import GenOptions
from rocfuse.gen import build as generate

WAVE: dict[str, object] = {"tile-m": 64, "tile-n": 64, "tile-k": 32, "waves-m": 1, "waves-n": 1}
FOUR: dict[str, object] = {"tile-m": 128, "tile-n": 128, "tile-k": 32, "waves-m": 2, "waves-n": 2}
LARGE, SMALL = {"matrix-op": "32x32x8"}, {"matrix-op": "16x16x16"}


@pytest.mark.parametrize(
    ("m", "n", "plan"), [(127, 127, WAVE | LARGE), (255, 201, FOUR | LARGE), (65, 126, WAVE | SMALL)]
)
def test_masks_of_columns_do_not_spill(m: int, n: int, plan: dict[str, object]) -> None:
    """Row by row the masks of all columns were alive together: 28 and 40 scalar registers of the first two spilled."""
    options = GenOptions(m=m, n=n, k=65, combine="geglu", bias="full", residual=True, layout="nk")
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
