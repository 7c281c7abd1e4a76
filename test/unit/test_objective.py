"""What a plan is chosen for: the time of one launch alone, or what it takes of a GPU that is always full."""

from dataclasses import replace

import pytest
from problems import gemms

import rocfuse
from rocfuse import gen
from rocfuse.analysis.cost import cost, full_gpu, group_rows, ranges_of
from rocfuse.analysis.grid import GridFill
from rocfuse.analysis.search import MANY_ROWS, MOST_ALONE, Candidate, ranked, rough, search, search_by_size
from rocfuse.analysis.tiling import Plan, Tiling, check
from rocfuse.analysis.unfused import alternatives
from rocfuse.diagnostics import UsageError
from rocfuse.targets import GFX942

SMALL = gemms(1024, 1280, 320, layout="nk")
BIG = Tiling(256, 128, 64, 4, 2, "32x32x8", schedule="interleaved")
HALF = Tiling(128, 64, 64, 2, 2, "32x32x8", schedule="interleaved")


def planned(problem, tiling):
    plan = check(problem, tiling, GFX942)
    assert isinstance(plan, Plan)
    return replace(plan, group_m=group_rows(problem, plan, GFX942))


def full(problem, tiling, workgroups=304, held=1):
    plan = planned(problem, tiling)
    grid = GridFill(workgroups, GFX942.compute_units)
    return full_gpu(problem, plan, ranges_of(problem, plan, GFX942), grid, held, GFX942)


def test_a_full_gpu_by_hand():
    """40 workgroups of 8 waves, two a SIMD, on 304 compute units that hold one each; 5 K tiles.

    A K tile: the matrix work of two waves and the 47 other instructions of one; before the loop the latency and 150
    instructions a wave; behind it 16 for each of 64 elements a lane.
    """
    (loop,) = ranges_of(SMALL, planned(SMALL, BIG), GFX942)
    assert (loop.tiles, loop.step.matrix_cycles) == (5, 64 * 32)
    found = cost(SMALL, planned(SMALL, BIG), GFX942)
    share = 40 / 304
    assert found.full.matrix == pytest.approx(share * 5 * 2 * 2048)
    assert found.full.loop == pytest.approx(share * 5 * (2 * 2048 + 4 * loop.step.others))
    assert found.full.prologue == pytest.approx(share * (735 + 2 * 150 * 4))
    assert found.full.combine == pytest.approx(share * 2 * 64 * 16 * 4)
    assert found.taken == max(found.full.compute, found.l2, found.infinity_cache, found.hbm)
    assert found.taken == found.cycles("throughput") == pytest.approx(found.predicted("throughput"), abs=0.5)
    assert found.busy == found.cycles("latency") and found.total == found.predicted("latency")


def test_more_work_and_less_room_take_more():
    one = full(SMALL, HALF, 304, 2).compute
    assert full(SMALL, HALF, 152, 2).compute == pytest.approx(one / 2)
    by_room = [full(SMALL, HALF, 304, held).compute for held in (1, 2, 3, 4)]
    assert by_room == sorted(by_room, reverse=True) and by_room[0] > by_room[1]
    by_k = [full(gemms(1024, 1280, k, layout="nk"), HALF, 304, 2).compute for k in (320, 640, 4096)]
    assert by_k == sorted(by_k) and by_k[0] < by_k[1] < by_k[2]


def test_workgroups_of_one_wave_do_not_wait_for_the_fullest_simd():
    """Five waves on four SIMDs are no worse than four."""
    wave = Tiling(32, 32, 64, 1, 1, "32x32x8")
    assert full(SMALL, wave, held=5) == full(SMALL, wave, held=4)


@pytest.mark.parametrize(("m", "n", "k"), [(1024, 1280, 320), (4096, 14336, 4096), (77, 2560, 640)])
def test_a_full_gpu_is_never_slower_than_one_launch_alone(m, n, k):
    """The same work without idle units and without a last round."""
    one = gemms(m, n, k, layout="nk")
    fitting = [found.cost for found in search(one, GFX942).results if isinstance(found, Candidate)]
    assert fitting
    for found in fitting:
        assert found.taken <= found.busy * (1 + 1e-9)


def test_a_full_grid_takes_what_it_takes_alone():
    """A round of every compute unit, one workgroup each."""
    one = gemms(256 * 16, 128 * 19, 4096, layout="nk")
    found = cost(one, planned(one, BIG), GFX942)
    assert (found.fill, found.rounds) == (1, 1)
    assert found.taken == pytest.approx(found.busy)


@pytest.mark.parametrize("layout", ["kn", "nk"])
def test_a_small_grid_has_a_choice_for_each(layout):
    one = gemms(1024, 1280, 320, layout=layout)
    alone, shared = (search(one, GFX942, objective=name).chosen for name in ("latency", "throughput"))
    assert alone.tiling.tile_m * alone.tiling.tile_n < 256 * 128
    assert (shared.tiling.tile_m, shared.tiling.tile_n, shared.tiling.tile_k) == (256, 128, 64)
    assert alone.cost.busy < shared.cost.busy and alone.cost.taken > shared.cost.taken


def test_a_large_grid_has_one_for_both():
    one = gemms(4096, 14336, 4096, layout="nk")
    alone, shared = (search(one, GFX942, objective=name).chosen for name in ("latency", "throughput"))
    assert alone.tiling == shared.tiling


@pytest.mark.parametrize(("m", "layout"), [(1, "nk"), (16, "nk"), (77, "kn")])
def test_where_memory_is_what_is_taken_the_first_to_finish_is_chosen(m, layout):
    """Few rows: every plan takes the weights from memory once, and compute units have time."""
    one = gemms(m, 11008, 4096, layout=layout)
    alone, shared = (search(one, GFX942, objective=name).chosen for name in ("latency", "throughput"))
    assert shared.cost.bound_for("throughput") != "compute"
    assert shared.cost.taken == pytest.approx(alone.cost.taken)
    assert shared.tiling == alone.tiling


@pytest.mark.parametrize(
    ("m", "n", "batch", "objective"),
    [
        (MANY_ROWS - 1, 1280, 1, "latency"),
        (MANY_ROWS, 1280, 1, "throughput"),
        (MANY_ROWS // 8, 1280, 8, "throughput"),  # of all batches
        (11008, 256, 1, "latency"),  # 256 rows of a layer that is written transposed
    ],
)
def test_the_size_decides_where_nobody_says(m, n, batch, objective):
    found = search_by_size(gemms(m, n, 320, batch=batch), GFX942)
    assert (found.objective, found.by) == (objective, "size")


@pytest.mark.parametrize(
    ("m", "n", "k"), [(1024, 1280, 320), (1024, 2560, 640), (4096, 14336, 4096), (1024, 1024, 4096)]
)
def test_throughput_that_nobody_asked_for_has_a_bounded_price(m, n, k):
    one = gemms(m, n, k, layout="nk")
    found, alone, full = search_by_size(one, GFX942), search(one, GFX942), search(one, GFX942, objective="throughput")
    slower = full.chosen.cost.total / alone.chosen.cost.total
    if slower > MOST_ALONE:
        assert (found.objective, found.by, found.alone) == ("latency", "price", None)
        assert found.chosen == alone.chosen
    else:
        assert (found.objective, found.by) == ("throughput", "size")
        assert found.chosen == full.chosen
        assert found.alone == (alone.chosen if slower > 1 else None)
    assert (k == 4096 and m == 1024) == (found.by == "price")


def test_the_ranking_is_the_objectives():
    found = search(SMALL, GFX942, objective="throughput")
    first, *others = ranked(found.results, "throughput")
    assert first is found.chosen
    cycles = [one.cost.taken for one in others]
    assert cycles == sorted(cycles)
    assert ranked(found.results)[0] is not first


def test_without_fusing_the_objective_is_the_same():
    """On a full GPU nobody waits for launches, and nothing else gets cheaper by leaving units idle."""
    alone, shared = (alternatives(SMALL, GFX942, name) for name in ("latency", "throughput"))
    assert {one.name for one in alone} == {one.name for one in shared}
    launches = 2 * GFX942.launch_ns * GFX942.engine_clock_mhz / 1000
    assert max(one.cycles for one in shared) < min(one.cycles for one in alone) - launches
    assert rough(SMALL, GFX942, "throughput").cost.taken <= rough(SMALL, GFX942).cost.taken
    assert search(SMALL, GFX942, objective="throughput").chosen.cost.taken < min(one.cycles for one in shared)


def test_the_python_interface_takes_it_as_a_pass_option():
    program = str(gen.build(gen.GenOptions(m=512, n=1024, k=64)))
    tiles = {}
    for name in ("latency", "throughput"):
        options = {"rocfuse-plan-kernels": {"objective": name}}
        tiles[name] = rocfuse.compile(program, options=options).plan["tile"]
    assert tiles["latency"] != tiles["throughput"]
    with pytest.raises(UsageError, match="option 'objective' takes auto or latency or throughput, not 'size'"):
        rocfuse.compile(program, options={"rocfuse-plan-kernels": {"objective": "size"}})
