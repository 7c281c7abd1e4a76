"""The bars of bench/compile_time.py: ratios of medians, growth a piece, and n/a for what was not measured."""

from bench.compile_time import Result, Seconds, Times, bars, kernels, median


def times(cold, warm):
    return Times([Seconds(cold, cold)] * 3, [Seconds(warm, warm)] * 3)


PHASES = {"passes": Seconds(0.1, 0.1), "llvm": Seconds(0.3, 0.3), "link": Seconds(0.04, 0.04)}
PEERS = {"Triton": times(4.0, 2.0), "IREE": times(1.0, 0.5)}
LINEAR = {1: 0.1, 2: 0.15, 4: 0.3}


def texts(ours, peers=PEERS, gemms=LINEAR, phases=PHASES):
    found = bars(Result({"rocfuse": ours, **peers}, phases, gemms, {1: 0.1, 2: "refused"}))
    return [bar.text for bar in found]


def test_every_bar_is_a_ratio_of_medians():
    assert texts(times(0.8, 0.25)) == ["holds", "holds", "holds", "holds", "holds", "n/a"]
    assert texts(times(0.9, 0.3)) == ["fails", "holds", "fails", "holds", "holds", "n/a"]
    assert median([Seconds(1, 9), Seconds(5, 2), Seconds(3, 3)]) == Seconds(3, 3)


def test_a_peer_that_was_not_measured_is_not_beaten():
    assert texts(times(0.8, 0.25), {"IREE": PEERS["IREE"]})[:3] == ["holds", "n/a", "n/a"]


def test_growth_is_counted_a_piece_and_the_rest_without_llvm_and_the_linker():
    assert texts(times(0.8, 0.25), gemms={1: 0.1, 2: 0.25})[4] == "fails"
    assert texts(times(0.8, 0.25), phases=PHASES | {"passes": Seconds(0.16, 0.1)})[3] == "fails"


def test_a_module_of_kernels_has_a_function_each():
    assert kernels(3).count("func.func @") == 3 and len(set(kernels(3).split("func.func @")[1:])) == 3
