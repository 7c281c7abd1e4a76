"""The perf config: a plan's choices as one line of text, there and back, and every bad line refused with its reason."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rocfuse.analysis import perf_config
from rocfuse.analysis.tiling import LOOP_FORMS, SCHEDULES, Tiling
from rocfuse.diagnostics import UsageError
from rocfuse.targets import GFX942

LINE = "v1:m256,n128,k64,wm4,wn2,op32x32x8,s1,interleaved,fused,sk1,g8"
PINS = {
    "tile_m": 256,
    "tile_n": 128,
    "tile_k": 64,
    "waves_m": 4,
    "waves_n": 2,
    "matrix_op": "32x32x8",
    "stages": 1,
    "schedule": "interleaved",
    "loop_form": "fused",
    "split_k": 1,
    "group_m": 8,
}
NUMBERS = st.integers(1, 10**9 - 1)
CHOICES = {
    "matrix_op": st.sampled_from([row.name for row in GFX942.matrix_instructions]),
    "schedule": st.sampled_from(SCHEDULES),
    "loop_form": st.sampled_from(LOOP_FORMS),
}


def any_pins():
    values = {field: CHOICES.get(field, NUMBERS) for field in perf_config.FIELDS}
    return st.fixed_dictionaries({}, optional=values).filter(bool)


def test_a_plan_is_one_line():
    tiling = Tiling(256, 128, 64, 4, 2, "32x32x8")
    assert perf_config.format(tiling, 8) == LINE
    assert perf_config.parse(LINE) == PINS
    assert perf_config.parse(perf_config.format(tiling)) == {k: v for k, v in PINS.items() if k != "group_m"}


def test_every_choice_of_a_plan_is_in_the_line():
    assert set(perf_config.FIELDS) == {field.name for field in fields(Tiling)} | {"group_m"}


@given(any_pins())
def test_any_subset_round_trips(pins):
    line = perf_config.format_pins(pins)
    assert perf_config.parse(line) == pins
    assert perf_config.format_pins(perf_config.parse(line)) == line
    assert not any(char.isspace() or char in "={}\t" for char in line)  # it stands in a pass option and in a table


def test_items_stand_in_any_order():
    assert perf_config.parse("v1:fused,g8,plain,k32") == {
        "tile_k": 32,
        "schedule": "plain",
        "loop_form": "fused",
        "group_m": 8,
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "perf config '': need a version and a colon first, as in v1:m256,n128"),
        ("v1", "perf config 'v1': need a version and a colon first"),
        ("m256,n128", "perf config 'm256,n128': need a version and a colon first"),
        ("v2:m256", "perf config 'v2:m256': need version v1, have 'v2'"),
        (" v1:m256", "need version v1, have ' v1'"),
        (":m256", "need version v1, have ''"),
        ("v1:", "need at least 1 item, have 0; the items are mN, nN, kN, wmN, wnN, op32x32x8, sN, skN, gN, plain"),
        ("v1:x256", "perf config: unknown item 'x256'; the items are mN"),
        ("v1:m256,", "perf config: unknown item ''"),
        ("v1:m256, n128", "perf config: unknown item ' n128'"),
        ("v1:M256", "perf config: unknown item 'M256'"),
        ("v1:spiral", "perf config: unknown item 'spiral'; the items are"),
        ("v1:tile-m=256", "perf config: unknown item 'tile-m=256'"),
        ("v1:m256,n128,m64", "perf config: tile-m is given twice, 256 and 64"),
        ("v1:plain,iglp", "perf config: schedule is given twice, plain and iglp"),
        ("v1:m", "perf config: m (tile-m): need a number from 1 to 999999999 without leading zeros, have ''"),
        ("v1:m0", "have '0'"),
        ("v1:g-1", "perf config: g (group-m): need a number from 1 to 999999999 without leading zeros, have '-1'"),
        ("v1:k1.5", "have '1.5'"),
        ("v1:k064", "have '064'"),
        ("v1:s" + "9" * 5000, "have '" + "9" * 60 + "'…"),
        ("v1:s٣", r"have '\u0663'"),
        ("v1:op", "perf config: op: need a matrix instruction as in op32x32x8, have ''"),
        ("v1:op 32", "perf config: op: need a matrix instruction as in op32x32x8, have ' 32'"),
        ("v1:m1\n", r"have '1\n'"),
    ],
)
def test_a_bad_line_is_refused_with_its_reason(line, reason):
    with pytest.raises(UsageError) as error:
        perf_config.parse(line)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


GARBAGE = st.one_of(
    st.text(),
    st.text().map("v1:".__add__),
    st.lists(st.sampled_from(["m", "n", "wm", "op", "s", "1", "64", "0", ",", ":", "-", " ", "v1:", "ping-pong"])).map(
        lambda parts: "v1:" + "".join(parts)
    ),
    st.tuples(st.integers(0, len(LINE)), st.characters()).map(lambda at: LINE[: at[0]] + at[1] + LINE[at[0] :]),
)


@given(GARBAGE)
def test_garbage_is_refused_or_means_what_it_says(line):
    try:
        pins = perf_config.parse(line)
    except UsageError as error:
        assert "\n" not in str(error)
        return
    assert sorted(perf_config.format_pins(pins).split(":")[1].split(",")) == sorted(line.split(":")[1].split(","))
