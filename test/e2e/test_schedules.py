"""Each schedule, stage count, loop form, layout and grid order runs right and clean, without bank conflicts."""

from __future__ import annotations

import functools
import itertools
import re

import numpy as np
import pytest
import sweep
from harness import arguments, assert_account, assert_right, build, run

import rocfuse
from rocfuse import gen
from rocfuse.analysis.tiling import Rejected
from rocfuse.gen import GenOptions
from rocfuse.sim import compare, reference

# (m, n, k): whole tiles; tails in all three; one tile of K and a bit
PROBLEMS = ((128, 64, 192), (70, 90, 100), (64, 64, 72))
TILE = pytest.mark.parametrize("tile", sweep.TILES, ids=lambda tile: "x".join(map(str, tile)))


@functools.lru_cache(maxsize=2)
def data(text: str, integers: bool) -> tuple[list[np.ndarray], reference.References]:
    """Arguments of a program and what it computes."""
    arrays = arguments(text, integers=integers)
    return arrays, reference.evaluate(text, arrays)


def check(one: sweep.Combination, shape: str) -> None:
    """Bit for bit on small integers, by the rule on floats; no report, no spill, no bank conflict."""
    text = one.program(shape)
    code = build(text, one.options)
    for integers in (True, False):
        arrays, expected = data(text, integers)
        result = run(code, arrays)
        (y,), (u,), (r,) = result.outputs, expected.rounded, expected.exact
        found = compare.compare_exact(y, u) if integers else compare.compare(y, u, r)
        assert found.ok, found.message
        assert result.stats["kernels"][code.plan["name"]]["lds"]["bank_conflict_cycles"] == 0


@TILE
def test_a_sample_of_every_schedule_form_layout_and_order(tile: sweep.Tile, subtests: pytest.Subtests) -> None:
    for one, shape in sweep.sample(tile):
        with subtests.test(f"{one.name}-{shape}"):
            check(one, shape)


@pytest.mark.full
@pytest.mark.parametrize("layout", sweep.LAYOUTS)
@TILE
def test_every_combination_that_the_filter_accepts(tile: sweep.Tile, layout: str, subtests: pytest.Subtests) -> None:
    for one, shape in sweep.cases(tile):
        if one.layout == layout:
            with subtests.test(f"{one.name}-{shape}"):
                check(one, shape)
                if shape == "loop":  # a combine with registers of its own
                    text = sweep.program(sweep.extents(one.tiling, shape), layout, "geglu")
                    assert_account(rocfuse.compile(text, options=one.pass_options))


@TILE
def test_what_the_filter_refuses_it_refuses_with_numbers(tile: sweep.Tile) -> None:
    answers = [answer for layout in sweep.LAYOUTS for *_, answer in sweep.asked(tile, layout)]
    reasons = {answer.reason for answer in answers if isinstance(answer, Rejected)}
    assert reasons
    assert [one for one in reasons if not re.search(r"\d+( B)? > \d+|need .*\d.*, have \d+", one)] == []


def plans() -> list[tuple[str, dict[str, str | int]]]:
    """The other matrix instruction in every schedule, with the layouts in turn."""
    fixed = {"tile-m": 64, "tile-n": 64, "tile-k": 32, "waves-m": 2, "waves-n": 2, "matrix-op": "16x16x16"}
    pairs = [
        (name, stages)
        for name, stages in itertools.product(("plain", "prefetch", "iglp", "interleaved"), (1, 2))
        if name != "plain" or stages == 1
    ]
    return [
        (("nk", "kn")[at % 2], {**fixed, "schedule": name, "stages": stages}) for at, (name, stages) in enumerate(pairs)
    ]


@pytest.mark.parametrize(("layout", "plan"), plans(), ids=lambda value: str(value) if isinstance(value, str) else "")
def test_the_small_matrix_instruction(layout: str, plan: dict[str, str | int]) -> None:
    for m, n, k in PROBLEMS:
        text = str(gen.build(GenOptions(m=m, n=n, k=k, layout=layout, bias="row")))
        code, arrays = build(text, plan), arguments(text)
        result = run(code, arrays)
        assert_right(text, arrays, result.outputs)
        assert result.stats["kernels"][code.plan["name"]]["lds"]["bank_conflict_cycles"] == 0
