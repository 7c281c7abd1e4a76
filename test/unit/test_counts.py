"""What is made of the simulator's counts: each unit's cycles by hand, and the counts of a compiled kernel."""

import pytest

import rocfuse
from rocfuse import gen
from rocfuse.counts import count, counted
from rocfuse.diagnostics import CompileError
from rocfuse.targets import GFX942
from rocfuse.tune import Trial, best

# 4 waves, each 10 matrix instructions of 32 cycles and 20 others
STATS = {
    "waves": 4,
    "matrix_cycles": 4 * 320,
    "instructions": {"matrix": 40, "valu": 60, "lds_read": 20},
    "lds": {"read_bytes": 12800, "write_bytes": 1280, "bank_conflict_cycles": 7},
    "global": [{"bytes": 6400}, {"bytes": 640}],
}


def entry(workgroups, registers=512, lds=1024):
    return {"grid": [workgroups, 1, 1], "registers": registers, "lds_allocated_bytes": lds}


def test_one_workgroup_a_compute_unit():
    found = counted(STATS, entry(304), GFX942)
    assert (found.matrix, found.issue, found.lds, found.memory) == (320, 4 * 30, 100 + 10 + 7, 110)
    assert found.cycles == 320 + 4 * 20 and found.bound == "matrix"


def test_workgroups_that_do_not_fit_run_one_after_another():
    found = counted(STATS, entry(305), GFX942)
    assert (found.matrix, found.lds, found.cycles) == (640, 234, 800)


def test_workgroups_that_fit_share_what_they_expose():
    found = counted(STATS, entry(3 * 304, registers=256), GFX942)  # two together, then one
    assert (found.matrix, found.issue, found.lds) == (960, 360, 351)
    assert found.cycles == (640 + 80) + (320 + 80)


def test_the_busiest_unit_decides():
    slow = {**STATS, "lds": {**STATS["lds"], "bank_conflict_cycles": 1000}}
    found = counted(slow, entry(304), GFX942)
    assert found.bound == "lds" and found.cycles == found.lds == 1110


def test_a_full_gpu_has_no_rounds_and_no_idle_units():
    """Two together in 640 + 80 cycles, as often as the grid's size gives; alone, the busiest unit has a round."""
    one, many = (counted(STATS, entry(n, registers=256), GFX942, "throughput") for n in (38, 3 * 304))
    assert one.cycles == (640 + 80) // 2 // 8 and many.cycles == 3 * (640 + 80) // 2
    assert counted(STATS, entry(38, registers=256), GFX942).cycles == 400


def test_the_counts_of_a_kernel():
    options = {"rocfuse-plan-kernels": {"perf-config": "v1:m32,n32,k32,wm1,wn2,op16x16x16"}}
    code = rocfuse.compile(str(gen.build(gen.GenOptions(m=64, n=64, k=64))), options=options)
    found = count(code, code.plan["name"], GFX942)
    # 2 waves, each half of 2 products of 32 x 32 x 64, in 16 x 16 x 16 of 16 cycles
    assert found.matrix == 2 * 2 * 2 * 4 * 16 // 2
    assert found.memory >= 2 * 64 * (32 + 2 * 32) // 64  # the operands once


def test_the_fewest_cycles_are_chosen_then_the_models_preference():
    def trial(line, cycles):
        found = counted({**STATS, "matrix_cycles": cycles}, entry(1), GFX942)
        return Trial(line, 0, found)

    slow, first, second = trial("a", 40000), trial("b", 4000), trial("c", 4000)
    failed = Trial("d", 0, failure="registers 300 > 256 planned")
    assert best([failed, slow, first, second], "") is first
    with pytest.raises(CompileError, match="no candidate could be counted: registers 300 > 256 planned"):
        best([failed, failed], "")
    with pytest.raises(CompileError):
        best([failed], "")
