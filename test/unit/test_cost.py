"""The cost model by hand: what is counted of a K tile, what overlaps, and the order that the model gives."""

from dataclasses import replace

import pytest
from problems import gemms

from rocfuse.analysis.cost import batch_cycles, cost, group_rows, l2_misses, least_cycles, ranges_of, step
from rocfuse.analysis.search import TOLERANCE, Candidate, choose, rough, search
from rocfuse.analysis.tiling import Plan, Rejected, Tiling, check
from rocfuse.analysis.unfused import alternatives
from rocfuse.targets import GFX942

LARGE = gemms(4096, 14336, 4096, layout="nk")
BIG = Tiling(256, 128, 64, 4, 2, "32x32x8")


def planned(problem, tiling):
    plan = check(problem, tiling, GFX942)
    assert isinstance(plan, Plan)
    return replace(plan, group_m=group_rows(problem, plan, GFX942))


def test_a_k_tile_of_the_large_plan_by_hand():
    """8 waves of 64 x (64 + 64): 4 slices of 2 + 2·2 fragments; 64 KB in units of 16 bytes over 512 threads."""
    one = step(LARGE, planned(LARGE, BIG), [0, 1], GFX942)
    assert (one.matrix, one.lds_reads, one.lds_writes, one.loads, one.valu) == (64, 24, 8, 8, 0)
    assert one.matrix_cycles == 64 * 32
    assert one.lds_cycles == 8 * (24 + 8) * 8  # 1024 bytes of a wave at 128 bytes a cycle
    assert one.load_bytes == 65536
    assert one.control == 2 + 5 + 1 + 3 + 3  # barriers, waits, one stride of k, counter and branch, end of A and of B


@pytest.mark.parametrize(
    ("layout", "k", "changes", "more"),
    [
        ("kn", 4096, {}, 2),  # past the end of a K x N weight there is nothing
        ("nk", 4100, {}, 0),  # a masked tile is loaded behind the loop
        ("nk", 4096, {"schedule": "plain"}, 0),
        ("nk", 4096, {"tile_k": 32, "stages": 2}, 0),  # 128 tiles: 126 in turns of 2, the last two loaded by them
        ("nk", 4128, {"tile_k": 32, "stages": 2}, 1.5),
    ],
)
def test_the_end_of_k_is_tested_where_the_loop_loads_past_it(layout, k, changes, more):
    def control(k):
        one = gemms(4096, 14336, k, layout=layout)
        return step(one, planned(one, replace(BIG, **changes)), [0, 1], GFX942).control

    without = 4100 if changes.get("stages") is None else 4096
    assert control(k) - control(without) == pytest.approx(more)


def test_transposing_costs_a_permutation_for_each_register():
    """K x N weights: 16 elements a thread of each B, two to a register."""
    one = gemms(4096, 14336, 4096, layout="kn")
    assert step(one, planned(one, BIG), [0, 1], GFX942).valu == 2 * 16 // 2


def test_loops_in_sequence_load_a_twice():
    sequential = ranges_of(LARGE, planned(LARGE, replace(BIG, loop_form="sequential")), GFX942)
    (together,) = ranges_of(LARGE, planned(LARGE, BIG), GFX942)
    assert len(sequential) == 2 and [one.tiles for one in sequential] == [together.tiles] * 2
    assert sum(one.step.matrix for one in sequential) == together.step.matrix
    assert sum(one.step.load_bytes for one in sequential) == together.step.load_bytes + 256 * 64 * 2


def test_two_workgroups_hide_what_one_exposes():
    plan = planned(LARGE, Tiling(128, 64, 64, 2, 2, "32x32x8"))
    one = step(LARGE, plan, [0, 1], GFX942)
    alone, both = (batch_cycles(one, size, plan, GFX942) for size in (1, 2))
    assert alone == one.matrix_cycles + 4 * one.others
    assert both - alone == one.matrix_cycles


def test_a_plain_loop_waits_for_memory():
    fast, plain = (planned(LARGE, replace(BIG, schedule=name)) for name in ("interleaved", "plain"))
    assert cost(LARGE, plain, GFX942).loop > 1.1 * cost(LARGE, fast, GFX942).loop


def test_rounds_and_padding_are_the_grid():
    """1000 x 5000 in tiles of 256 x 128: 4 x 40 workgroups, of 1024 x 5120 elements."""
    one = gemms(1000, 5000, 512, layout="nk")
    found = cost(one, planned(one, BIG), GFX942)
    assert (found.rounds, found.fill) == (1, 160 / 304)
    assert found.useful == pytest.approx(1000 * 5000 / (1024 * 5120))


def test_the_l2s_ask_for_less_in_groups_of_rows():
    plan = planned(LARGE, BIG)
    assert plan.group_m > 1
    grouped = l2_misses(LARGE, plan, 1, GFX942)
    assert grouped < l2_misses(LARGE, replace(plan, group_m=1), 1, GFX942)
    assert grouped >= LARGE.size("k") * 2 * (4096 + 2 * 14336)


@pytest.mark.parametrize(("m", "bound"), [(1, "hbm"), (16, "hbm"), (4096, "compute")])
def test_what_bounds_a_layer(m, bound):
    found = search(gemms(m, 14336, 4096, layout="nk"), GFX942)
    fastest = min((one.cost for one in found.results if isinstance(one, Candidate)), key=lambda one: one.busy)
    assert fastest.bound == bound
    assert found.chosen.cost.busy <= (1 + TOLERANCE) * fastest.busy


def test_the_search_tries_every_schedule_stage_and_loop_form():
    results = search(gemms(4096, 2560, 640), GFX942).results
    tilings = [one.tiling for one in results]
    assert len(set(tilings)) == len(tilings)
    assert {one.schedule for one in tilings} == {"plain", "prefetch", "iglp", "interleaved", "ping-pong"}
    assert {one.stages for one in tilings} == {1, 2, 3}
    assert {one.loop_form for one in tilings} == {"fused", "sequential"}
    assert {one.tiling.loop_form for one in results if isinstance(one, Candidate)} == {"fused", "sequential"}


PROBLEMS = [
    *(gemms(m, n, k, layout=layout) for m, n, k in ((1, 11008, 4096), (77, 2560, 640)) for layout in ("kn", "nk")),
    *(gemms(m, n, k) for m, n, k in ((1000, 999, 77), (1024, 1280, 320), (4096, 14336, 4096))),
    gemms(4096, 640, 640, 4),
]


@pytest.mark.parametrize("one", PROBLEMS, ids=lambda one: "x".join(map(str, one.sizes)))
def test_no_plan_takes_less_than_the_bound_of_its_tiling(one):
    plans = [found for found in search(one, GFX942).results if isinstance(found, Candidate)]
    assert plans
    for found in plans:
        least = least_cycles(one, found.tiling, GFX942)
        assert 0 < least <= min(found.cost.busy, found.cost.taken) * (1 + 1e-9)


@pytest.mark.parametrize("objective", ["latency", "throughput"])
@pytest.mark.parametrize("one", PROBLEMS, ids=lambda one: "x".join(map(str, one.sizes)))
def test_what_is_passed_over_would_not_have_been_chosen(one, objective):
    found = search(one, GFX942, objective=objective)
    assert choose(found.results, objective) == found.chosen
    most = min(plan.cost.busy for plan in found.tried if isinstance(plan, Candidate)) * (1 + TOLERANCE)
    passed = [tiling for tiling in found.considered if isinstance(tiling, Tiling) and tiling.schedule != "iglp"]
    assert len(passed) > 20 or one.multiplications < 10**10  # of little work no tiling is worse than all others
    assert all(least_cycles(one, tiling, GFX942) > most for tiling in passed)


@pytest.mark.parametrize("pins", [{"tile_m": 0}, {"tile_n": 0}, {"tile_k": 0}, {"waves_m": 0}, {"stages": 0}])
def test_a_pin_that_no_tiling_can_have_is_refused_by_the_filter(pins):
    found = search(LARGE, GFX942, pins=pins)
    assert found.chosen is None and all(isinstance(one, Rejected) for one in found.tried)


def test_a_schedule_that_costs_what_another_costs_is_tried_where_it_is_pinned():
    assert not any(one.tiling.schedule == "iglp" for one in search(LARGE, GFX942).tried)
    assert {one.tiling.schedule for one in search(LARGE, GFX942, pins={"schedule": "iglp"}).tried} == {"iglp"}


def test_pins_hold_in_every_candidate():
    found = search(LARGE, GFX942, pins={"tile_m": 64, "stages": 2}, group_m=4)
    assert {(one.tiling.tile_m, one.tiling.stages) for one in found.results} == {(64, 2)}
    assert found.chosen.plan.group_m == 4


@pytest.mark.parametrize(("m", "n", "k"), [(4096, 14336, 4096), (1024, 1280, 320), (77, 2560, 640), (1, 14336, 4096)])
def test_fusing_saves_the_products_in_memory(m, n, k):
    """Each program without fusion moves the products at least once more each way, and starts another kernel."""
    one = gemms(m, n, k, layout="nk")
    fused = search(one, GFX942).chosen.cost
    found = {other.name: other for other in alternatives(one, GFX942)}
    wide, separate = (
        found["one GEMM of all columns, then an elementwise kernel"],
        found["2 GEMMs, the last one combines"],
    )
    product = 2 * m * n
    assert wide.bytes - fused.bytes == 4 * product
    assert separate.bytes - fused.bytes == 2 * product + 2 * m * k
    assert fused.total < min(wide.cycles, separate.cycles)


def test_a_single_gemm_has_one_alternative():
    (other,) = alternatives(gemms(256, 256, 256, 1), GFX942)
    assert (other.kernels, other.name) == (2, "the GEMM, then an elementwise kernel")


def test_the_rough_search_is_no_better_than_the_whole():
    one = gemms(1024, 1280, 320)
    assert rough(one, GFX942).cost.busy >= min(
        found.cost.busy for found in search(one, GFX942).results if isinstance(found, Candidate)
    )
