"""The plans that are tried for a kernel, and the choice among those that fit. Pure: no MLIR.

The search has three levels: every geometry (tile-m, tile-n, waves, instruction) with the usual tile-k, schedule, stages
and loop form; other tile-k of the best geometries; every schedule and number of stages of the best of both. What
exceeds a budget goes on as well where it is close, in both loop forms. Where nothing fits, everything of one stage is
tried. A pin replaces a field of every candidate. What cannot be the choice is passed over.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property, partial
from typing import Any, Literal

from rocfuse.analysis.cost import Cost, Objective, cost, group_rows, least_cycles
from rocfuse.analysis.problem import Problem
from rocfuse.analysis.tiling import LOOP_FORMS, MOST_STAGES, SCHEDULES, Limits, Plan, Rejected, Tiling, check
from rocfuse.records import changed, record
from rocfuse.targets import MatrixInstruction, Target

# (tile-m, tile-n): the largest first
_TILES = (
    *((256, 128), (128, 256), (256, 64), (128, 128), (128, 64), (64, 256), (64, 128), (64, 64)),
    *((32, 256), (32, 128), (32, 64), (32, 32), (16, 256), (16, 128), (16, 64), (16, 32), (16, 16)),
)
_TILE_K = (64, 32, 128)  # the usual one first
_WAVES = (8, 4, 2, 1)
# how many of the best go on to the next level
_OTHER_K, _EXPANDED = 8, 3
# tiles for a prediction only, with 8 and 4 waves
_ROUGH = ((256, 256), (256, 128), (128, 128), (128, 64), (64, 64), (32, 64), (16, 64))
# elements of a wave's tile in one product: 128 accumulators a lane for two products
_MOST_WAVE_TILE = 4096
# plans this close to the fastest are equal as far as the model can tell
TOLERANCE = 0.05
# Where nobody says what a plan is chosen for, it is throughput from this many rows on: those of a prompt, an image or a
# batch, not of tokens that somebody waits for; and while a launch alone takes at most so many times what it could.
MANY_ROWS, MOST_ALONE = 1024, 2.5


@record
class Candidate:
    """A plan that fits, with what it takes."""

    plan: Plan
    cost: Cost

    @property
    def tiling(self) -> Tiling:
        """What was tried."""
        return self.plan.tiling


Result = Candidate | Rejected
_Attempt = Callable[[Tiling], Result]


@record
class Found:
    """What was considered, in order, and the choice; None where nothing fits.

    A tiling that was passed over stands for itself: it cannot be the choice (`_Trials.hopeless`), and is only tried
    where all `results` are asked for. The best of what was tried lead to the next level.
    """

    considered: tuple[Result | Tiling, ...]
    chosen: Candidate | None
    objective: Objective
    attempt: _Attempt = field(compare=False, repr=False)
    by: Literal["option", "size", "price"] = "option"  # what decided the objective
    alone: Candidate | None = None  # what latency would choose, where it is worth the difference and was not asked for

    @property
    def tried(self) -> tuple[Result, ...]:
        """What the choice was made from."""
        return tuple(one for one in self.considered if not isinstance(one, Tiling))

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """Everything, in order."""
        return tuple(self.attempt(one) if isinstance(one, Tiling) else one for one in self.considered)


class _Trials:
    """The tilings of one search so far, and what became of them."""

    def __init__(
        self, problem: Problem, target: Target, pins: Mapping[str, Any], attempt: _Attempt, known: Iterable[Result] = ()
    ) -> None:
        self.problem, self.target, self.pins, self.attempt = problem, target, pins, attempt
        self.considered: dict[Tiling, Result | Tiling] = {one.tiling: one for one in known}
        plans = [one.cost.busy for one in self.tried if isinstance(one, Candidate)]
        self.fastest = min(plans, default=math.inf)  # busy cycles of the fastest

    def add(self, tilings: Iterable[Tiling]) -> None:
        """Try every tiling, as pinned, that is new and may be the choice."""
        for tiling in tilings:
            one = changed(tiling, **self.pins) if self.pins else tiling
            if one in self.considered:
                continue
            result = self.considered[one] = one if self.hopeless(one) else self.attempt(one)
            if isinstance(result, Candidate):
                self.fastest = min(self.fastest, result.cost.busy)

    def hopeless(self, tiling: Tiling) -> bool:
        """Whether a tiling cannot be the choice: bytes or products alone take longer than a plan that was found.

        The bound holds for both objectives, as no plan takes more of a full GPU than of one to itself. Nor can a
        schedule be the choice whose cost is that of another one which fits wherever it does.
        """
        if tiling.schedule == "iglp" and "schedule" not in self.pins:
            return True
        if self.fastest == math.inf:  # no pin was shown to be possible yet
            return False
        return least_cycles(self.problem, tiling, self.target) > self.fastest * (1 + TOLERANCE)

    @property
    def tried(self) -> list[Result]:
        """What is known of the tilings that were not passed over."""
        return [one for one in self.considered.values() if not isinstance(one, Tiling)]

    def best(self, count: int, objective: Objective) -> list[Tiling]:
        """The best so far."""
        return [one.tiling for one in _sorted(self.tried, objective)[:count]]

    def close(self) -> list[Tiling]:
        """What exceeds a budget, by the least excess."""
        over = [one for one in self.tried if isinstance(one, Rejected) and one.over]
        return [one.tiling for one in sorted(over, key=lambda one: one.over)]


def search(
    problem: Problem,
    target: Target,
    limits: Limits | None = None,
    pins: Mapping[str, Any] | None = None,
    group_m: int | None = None,
    objective: Objective = "latency",
    known: Iterable[Result] = (),
) -> Found:
    """Try all levels and choose for an objective. `pins` are fields of Tiling; `known` was tried with the same."""
    attempt = partial(_attempt, problem, target, limits, group_m)
    trials = _Trials(problem, target, pins or {}, attempt, known)
    trials.add(geometries(problem, target))
    # what did not fit may with a shorter tile, or with loops in sequence: they need less LDS, and read A again
    forms = LOOP_FORMS if problem.gemms > 1 else LOOP_FORMS[:1]
    close = trials.close()
    best = trials.best(_OTHER_K, objective)
    trials.add(changed(one, tile_k=k) for one in best + close[:_OTHER_K] for k in _TILE_K[1:])
    best = trials.best(_EXPANDED, objective)
    trials.add(one for geometry in best for one in variants(geometry, (geometry.loop_form,)))
    trials.add(one for geometry in close[:_EXPANDED] for one in variants(geometry, forms))
    if not any(isinstance(one, Candidate) for one in trials.tried):  # time does not matter then: all that may need less
        every = (changed(one, tile_k=k) for one in geometries(problem, target) for k in _TILE_K)
        trials.add(one for geometry in every for one in variants(geometry, forms) if one.stages == 1)
    return Found(tuple(trials.considered.values()), choose(trials.tried, objective), objective, attempt)


def search_by_size(
    problem: Problem,
    target: Target,
    limits: Limits | None = None,
    pins: Mapping[str, Any] | None = None,
    group_m: int | None = None,
) -> Found:
    """`search` for the objective that the problem suggests: throughput where it has many rows and the price is bounded.

    Rows are those of all batches; of a layer that is written transposed they are the columns, so the shorter side of
    the results counts. What one launch alone could take is searched where the throughput plan is not nearly as fast.
    """
    rows = problem.size("batch") * min(problem.size("m"), problem.size("n"))
    found = search(problem, target, limits, pins, group_m, "throughput" if rows >= MANY_ROWS else "latency")
    if found.objective == "latency" or not found.chosen:
        return changed(found, by="size")
    least = min(one.cost.total for one in found.tried if isinstance(one, Candidate))
    if found.chosen.cost.total <= least * (1 + TOLERANCE):
        return changed(found, by="size")
    alone = search(problem, target, limits, pins, group_m, known=found.tried)
    assert alone.chosen
    if found.chosen.cost.total > alone.chosen.cost.total * MOST_ALONE:
        return changed(alone, by="price")
    return changed(found, by="size", alone=alone.chosen)


def rough(problem: Problem, target: Target, objective: Objective = "latency") -> Candidate | None:
    """The best of the usual geometries, for a prediction only."""
    trials = _Trials(problem, target, {}, partial(_attempt, problem, target, None, None))
    trials.add(geometries(problem, target, _ROUGH, _WAVES[:2]))
    return choose(trials.tried, objective)


def _attempt(problem: Problem, target: Target, limits: Limits | None, group_m: int | None, tiling: Tiling) -> Result:
    result = check(problem, tiling, target, limits)
    if isinstance(result, Rejected):
        return result
    rows = group_m or group_rows(problem, result, target)
    plan = result if rows == result.group_m else changed(result, group_m=rows)
    return Candidate(plan, cost(problem, plan, target))


def geometries(
    problem: Problem, target: Target, tiles: Sequence[tuple[int, int]] = _TILES, waves: Sequence[int] = _WAVES
) -> Iterator[Tiling]:
    """Every tile with the waves and instructions that suit it."""
    form = "fused" if len(set(problem.k_sizes)) == 1 else "sequential"
    together = problem.gemms if form == "fused" else 1
    for (tile_m, tile_n), count in itertools.product(tiles, waves):
        for row in target.matrix_instructions:
            grid = _wave_grid(tile_m, tile_n, count, together, row)
            if grid:
                yield Tiling(tile_m, tile_n, _TILE_K[0], *grid, row.name, loop_form=form)


def variants(tiling: Tiling, forms: Sequence[str]) -> Iterator[Tiling]:
    """Every schedule and number of stages of a geometry, in each of the loop forms."""
    for form, stages, schedule in itertools.product(forms, range(1, MOST_STAGES + 1), SCHEDULES):
        if stages == 1 or schedule != "plain":
            yield changed(tiling, loop_form=form, stages=stages, schedule=schedule)


def _wave_grid(tile_m: int, tile_n: int, waves: int, gemms: int, row: MatrixInstruction) -> tuple[int, int] | None:
    """The arrangement of `waves` waves whose tiles read the fewest fragments; None where none is worth trying.

    Not worth trying: more waves than blocks; accumulators that fill more than half of a lane's registers; small
    instructions where a wave's tile is large, for twice the instructions do the same work.
    """
    grids = ((m, waves // m) for m in (8, 4, 2, 1) if waves % m == 0)
    fitting = [(m, n) for m, n in grids if tile_m % (m * row.m) == 0 and tile_n % (n * row.n) == 0]
    if not fitting:
        return None
    waves_m, waves_n = min(fitting, key=lambda one: tile_m // one[0] + gemms * tile_n // one[1])
    wave_m, wave_n = tile_m // waves_m, tile_n // waves_n
    if wave_m * wave_n > _MOST_WAVE_TILE or (row.m < 32 and min(wave_m, wave_n) >= 64):
        return None
    return waves_m, waves_n


def choose(results: Iterable[Result], objective: Objective = "latency") -> Candidate | None:
    """Of the plans that are as good as any as far as the model can tell, the one that asks for the fewest bytes.

    Good is what the objective says: the fewest cycles alone on the GPU, or the fewest that are taken of a full one. Of
    plans that ask for the same bytes, the one with the fewest stages, then the fewest instructions: what the model
    leaves out (code size, clocks, contention) costs more where there is more of them. Where memory is what the best of
    them takes of a full GPU, of those that memory bounds the choice for latency is taken: others do not wait for their
    compute units.
    """
    fitting = _sorted(results, objective)
    if not fitting:
        return None
    best = fitting[0].cost
    equal = [one for one in fitting if one.cost.cycles(objective) <= best.cycles(objective) * (1 + TOLERANCE)]
    if objective == "throughput" and best.bound_for(objective) != "compute":
        return choose((one for one in equal if one.cost.bound_for(objective) != "compute"), "latency")
    # min takes the first of equals, which is the better one
    return min(equal, key=lambda one: (one.cost.requested_bytes, one.tiling.stages, one.cost.issued))


def ranked(results: Iterable[Result], objective: Objective = "latency") -> list[Candidate]:
    """The plans that fit: the choice, then the others from the fewest cycles on."""
    fitting = _sorted(results, objective)
    chosen = choose(fitting, objective)
    return sorted(fitting, key=lambda one: one is not chosen)


def _sorted(results: Iterable[Result], objective: Objective) -> list[Candidate]:
    """Fewest cycles; where memory takes them all, the least work, or the first to finish; then the largest tile."""

    def rank(one: Candidate) -> tuple[float, float, int]:
        work = one.cost.compute if objective == "latency" else one.cost.busy
        return one.cost.cycles(objective), work, -one.tiling.tile_m * one.tiling.tile_n

    return sorted((one for one in results if isinstance(one, Candidate)), key=rank)


def distance(one: Tiling, other: Tiling) -> float:
    """How far apart two tilings are: doublings between their sizes, and a little for each other difference."""
    sizes = ("tile_m", "tile_n", "tile_k", "stages", "waves_m", "waves_n")
    doublings = sum(abs(math.log2(max(getattr(one, s), 1) / max(getattr(other, s), 1))) for s in sizes)
    return doublings + 0.5 * sum(getattr(one, name) != getattr(other, name) for name in ("matrix_op", "schedule"))
