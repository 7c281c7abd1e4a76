"""The bars of bench/kernel_bars.py: what was not measured never passes."""

from dataclasses import replace

import pytest

from bench import isa_stats, kernel_bars, kernel_rows, kernels
from bench.kernel_bars import Best, Fused

WORK = kernel_rows.Work(kernel_rows.Layer("a layer", 14336, 4096, "swiglu", False), "nk", 4096)


def loop(instructions=200, u1=0.95, mca=0.9, intensity=128.0):
    return isa_stats.LoopStats(
        "kernel", "gfx942", instructions, {"matrix": 128}, {}, 2048, 1, 1, intensity, u1, mca,
    )  # fmt: skip


def row(**changes):
    one = kernel_rows.Row(WORK, "rocfuse", (256, 128, 64), 2, loop(), 250, 65536, 0)
    measured = dict.fromkeys(("matrix_ratio", "read_ratio", "operand_ratio", "write_ratio"), 1.0)
    one = replace(one, whole=0.85, loop_conflicts=0.0, all_conflicts=0.0, faults=0.0, error=0.1, **measured)
    return replace(one, **changes)


PEERS = Best(0.9, 0.8)


def held(fused, best=PEERS, single=None, peers=()):
    pair = Fused(fused, single or row())
    return {bar.name: bar.text for bar in kernel_bars.bars("nk", [pair], peers, best)}


def test_a_kernel_that_reaches_everything():
    texts = held(row())
    assert texts.pop("whole kernel, K < 4096") == "n/a", "there is no such kernel"
    assert set(texts.values()) == {"holds"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"loop": loop(u1=0.89)}, "u1 of the loop"),
        ({"loop": loop(mca=0.84)}, "llvm-mca of the loop"),
        ({"loop": loop(u1=0.899)}, "u1 against every peer"),
        ({"loop": loop(instructions=205)}, "loop instructions, fused / single"),
        ({"loop": loop(intensity=85.3)}, "flop per global byte"),
        ({"whole": 0.79}, "whole kernel, K >= 4096"),
        ({"matrix_ratio": 1.01}, "matrix operations / necessary"),
        ({"read_ratio": 1.01}, "bytes read / necessary"),
        ({"write_ratio": 0.99}, "bytes written / necessary"),
        ({"loop_conflicts": 1.0}, "bank-conflict cycles in the loop"),
        ({"spills": 1}, "spills"),
        ({"faults": 1.0}, "checker reports"),
        ({"error": 1.5}, "error / tolerance"),
    ],
)
def test_a_kernel_that_misses_one(changes, name):
    assert held(row(**changes))[name] == "fails"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"loop": loop(mca="n/a")}, "llvm-mca of the loop"),
        ({"faults": "n/a"}, "checker reports"),
        ({"error": "n/a"}, "error / tolerance"),
    ],
)
def test_a_figure_that_was_not_measured_is_not_a_pass(changes, name):
    assert held(row(**changes))[name] == "n/a"


def test_without_a_peer_there_is_no_comparison():
    texts = held(row(), best=None)
    assert texts["u1 against every peer"] == texts["llvm-mca against every peer"] == "n/a"
    assert kernel_bars.best_of({"u1": [0.9, "n/a"], "mca": ["n/a"]}) is None
    assert kernel_bars.best_of({"u1": [0.9, 0.8], "mca": [0.1, "n/a"]}) == Best(0.9, 0.1)


def test_a_short_k_is_compared_with_the_peers_of_the_same_work():
    short = replace(WORK, layer=replace(WORK.layer, k=640))
    ours, peer = row(work=short, whole=0.7), row(work=short, whole=0.6)
    name = "whole kernel, K < 4096"
    assert held(ours, peers=[peer])[name] == "holds"
    assert held(ours, peers=[peer, replace(peer, whole=0.71)])[name] == "fails"
    assert held(ours, peers=[peer, replace(peer, whole="n/a")])[name] == "n/a"
    assert held(ours)[name] == "n/a"


def test_each_objective_is_judged_alone():
    """What is chosen for latency does not fail the bars of the default; a peer has no prediction."""
    large = row(objective="auto", alone_us=275.7, taken_us=153.7)
    small = row(objective="latency", loop=loop(u1=0.8), alone_us=183.1, taken_us=159.6)
    peer = row(producer="IREE")
    suite = kernels.Suite([Fused(large, row()), Fused(small, row())], [peer], best={"nk": PEERS})
    texts = {}
    for name in kernels.OBJECTIVES:
        texts[name] = {bar.name: bar.text for bar in kernels.bar_table(suite, name)[1]}
    assert texts["auto"]["u1 of the loop"] == "holds" and texts["latency"]["u1 of the loop"] == "fails"
    assert all(title in kernels.bar_tables(suite) for title in ("bars hold\n", "bars hold with objective=latency"))
    lines = kernels.kernel_tables(suite).splitlines()
    assert [line.split(" | ")[1] for line in lines[-3:]] == ["rocfuse", "rocfuse, latency", "IREE"]
    assert "| 275.7 | 153.7 |" in lines[-3] and "|  |  |" in lines[-1]
