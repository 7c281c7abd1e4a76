"""What is pinned of a plan, and by what: precedence, bad attributes, and refusals that name every source."""

import re

import pytest
from fusing import FUSE
from mlir import ir

from rocfuse import gen
from rocfuse.analysis import perf_config
from rocfuse.diagnostics import CompileError, UsageError
from rocfuse.dialect import CONFIG, MULTI_GEMM, create_context, walk
from rocfuse.fused_kernel import read_kernel
from rocfuse.passes import PassContext
from rocfuse.pipeline import parse_pipeline, run_pipeline
from rocfuse.targets import GFX942
from rocfuse.transforms.pins import Pins, Source
from rocfuse.transforms.plan_kernels import PlanKernels
from rocfuse.tuning_db import TuningDb
from rocfuse.tuning_key import kernel_key

LINE = "v1:m64,n32,k32,wm2,wn1,op16x16x16,s2,prefetch,fused,sk1,g3"


def fused(**options):
    module = ir.Module.parse(
        str(gen.build(gen.GenOptions(**{"m": 256, "n": 128, "k": 256, **options}))), context=create_context()
    )
    run_pipeline(module, parse_pipeline(FUSE), PassContext())
    return module


@pytest.fixture(scope="module")
def module():
    return fused()


def decide(module, attribute=None, on_function=None, recorded=None, **options):
    """(decision, remarks) with an attribute on the op or its function, and a tuning db with one line."""
    (op,) = walk(module, MULTI_GEMM)
    remarks = []
    context = PassContext(on_remark=lambda location, text: remarks.append(text))
    if recorded:
        context.tuning = TuningDb("some.db", {kernel_key(read_kernel(op.parent), GFX942): recorded})
    places = {op: attribute, op.parent.operation: on_function}
    with module.context:
        for place, value in places.items():
            if value is not None:
                place.attributes[CONFIG] = ir.Attribute.parse(value) if value[0] in '"[0' else ir.StringAttr.get(value)
    try:
        return PlanKernels(**options).decide(read_kernel(op.parent), context), remarks
    finally:
        for place, value in places.items():
            if value is not None:
                del place.attributes[CONFIG]


def line_of(decision):
    return perf_config.format(decision.chosen.tiling, decision.chosen.group_m)


def test_the_first_source_that_pins_a_field_wins():
    pins = Pins((Source("x", {"tile_m": 1}), Source("y", {"tile_m": 2, "group_m": 3}), Source("z", {"tile_m": 1})))
    assert pins.values == {"tile_m": 1, "group_m": 3}
    assert pins.tiling == {"tile_m": 1} and pins.group_m == 3
    assert pins.text() == "tile-m=1 by x (y says 2), group-m=3 by y"


@pytest.mark.parametrize("where", ["attribute", "on_function", "recorded", "perf_config"])
def test_a_whole_line_is_the_plan(module, where):
    decision, remarks = decide(module, **{where: LINE})
    assert line_of(decision) == LINE and not remarks


def test_options_then_the_line_then_the_program_then_the_db_then_the_model(module):
    sources = {
        "recorded": "v1:m32,n32,k32,wm1,wn1",
        "on_function": "v1:m128",  # the attribute of the op hides it
        "attribute": "v1:m64,n64,k64",
        "perf_config": "v1:n16,op16x16x16,k64",
        "tile_k": 32,
    }
    decision, _ = decide(module, **sources)
    assert line_of(decision).startswith("v1:m64,n16,k32,wm1,wn1,op16x16x16,")
    names = [source.name for source in decision.pins.sources]
    assert names == ["pass options", "perf-config", "rocfuse.config", "some.db"]


def test_what_is_recorded_and_does_not_fit_is_said_and_left_out(module):
    free, _ = decide(module, tile_m=128)
    decision, remarks = decide(module, recorded="v1:m256,n256,k64,s3", tile_m=128)
    assert line_of(decision) == line_of(free)
    (text,) = remarks
    assert "some.db has a choice for this kernel that does not fit: " in text
    assert " > " in text and text.endswith("(tile-m=128 by pass options (some.db says 256), tile-n=256 by some.db, "
                                           "tile-k=64 by some.db, stages=3 by some.db); the model chooses")  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("v1:op8x8x4", "unknown matrix instruction '8x8x4' on gfx942"),
        ("v1:sk4", "split-k: need 1, have 4: split-K is not lowered yet"),
        ("v1:m96", "tile-m: need a power of two, have 96"),
        ("v1:s9", "stages: need 1 to 3, have 9"),
    ],
)
def test_the_model_plans_what_the_db_cannot(module, line, reason):
    free, _ = decide(module)
    decision, (text,) = decide(module, recorded=line)
    assert reason in text
    assert line_of(decision) == line_of(free)


def test_a_db_is_not_asked_where_everything_is_pinned(module):
    decision, remarks = decide(module, recorded="v1:m256,n256", perf_config=LINE)
    assert line_of(decision) == LINE and not remarks


@pytest.mark.parametrize(
    ("attribute", "reason"),
    [
        ("0", "rocfuse.config: need a perf config in quotes, have 0"),
        ('["v1:m64"]', 'rocfuse.config: need a perf config in quotes, have ["v1:m64"]'),
        ('""', "rocfuse.config: perf config '': need a version and a colon first"),
        ("v9:m64", "rocfuse.config: perf config 'v9:m64': need version v1, have 'v9'"),
        ("v1:m64\n", "rocfuse.config: perf config: m (tile-m): need a number"),
        ("v1:op8x8x4", "rocfuse.config: unknown matrix instruction '8x8x4' on gfx942; there are: "),
    ],
)
@pytest.mark.parametrize("where", ["attribute", "on_function"])
def test_a_bad_attribute_is_refused_at_its_op(module, attribute, reason, where):
    with pytest.raises(CompileError) as error:
        decide(module, **{where: attribute})
    assert reason in error.value.message
    assert error.value.location


def test_conflicts_are_named_where_nothing_fits(module):
    with pytest.raises(CompileError) as error:
        decide(module, "v1:n256,m256", perf_config="v1:m128,s3,k64", stages=2)
    assert error.value.message.startswith(
        "rocfuse-plan-kernels: 128x(256+256)x64: lds 98304 B > 65536 B on gfx942; try"
    )
    assert error.value.notes[-1] == (
        "pinned: tile-m=128 by perf-config (rocfuse.config says 256), tile-n=256 by rocfuse.config, "
        "tile-k=64 by perf-config, stages=2 by pass options (perf-config says 3)"
    )


def test_what_to_change_is_among_the_pins(module):
    with pytest.raises(CompileError) as error:
        decide(module, tile_m=256, tile_n=256, tile_k=64)
    advice = error.value.message.partition("; try ")[2]
    changes = dict(one.split("=") for one in advice.partition(" (")[0].split())
    assert changes and set(changes) <= {"tile-m", "tile-n", "tile-k"}
    pins = {"tile_m": 256, "tile_n": 256, "tile_k": 64}
    pins |= {name.replace("-", "_"): int(value) for name, value in changes.items()}
    decide(module, **pins)  # and then it fits
    assert not any(note.startswith("pinned") for note in error.value.notes)  # the command line says it already


@pytest.mark.parametrize(
    ("ceiling", "text"),
    [
        ({"max_lds_bytes": 64}, r"lds {need} B > 64 B (max-lds-bytes)"),
        ({"max_registers": 10}, r"registers {need} > 10 (max-registers)"),
        ({"min_waves_per_simd": 9}, "need 9 waves a SIMD, have {need} (min-waves-per-simd)"),
    ],
)
@pytest.mark.parametrize("line", [None, LINE, "v1:m256,n128"])
def test_a_ceiling_that_nothing_fits_under_is_named_with_the_smallest_need(module, ceiling, text, line):
    free = _smallest_need(module, **ceiling)
    with pytest.raises(CompileError) as error:
        decide(module, line, **ceiling)
    (option,) = (one.replace("_", "-") for one in ceiling)
    message = error.value.message
    assert text.format(need=free) in message
    assert f"; no tiling fits; {'lower' if option.startswith('min') else 'raise'} {option}" in message
    assert message.count(f"({option})") == (2 if line and "without pins" in message else 1)


@pytest.mark.parametrize("pins", [{}, {"tile_m": 256}, {"tile_m": 16, "tile_n": 16}])
@pytest.mark.parametrize("ceiling", ["max_lds_bytes", "max_registers"])
def test_the_need_that_is_named_is_enough_and_not_more(module, ceiling, pins):
    with pytest.raises(CompileError) as error:
        decide(module, **pins, **{ceiling: 20})
    need = int(re.search(r"(?:lds|registers) (\d+)", error.value.message)[1])
    assert decide(module, **pins, **{ceiling: need})[0].chosen
    with pytest.raises(CompileError):
        decide(module, **pins, **{ceiling: need - 1})


def test_of_shapes_that_are_impossible_the_nearest_is_named(module):
    """tile-k=16 is enough for one instruction, tile-m=16 for the other."""
    with pytest.raises(CompileError) as error:
        decide(module, tile_m=16, tile_n=16, tile_k=16)
    reason = "16x(16+16)x16: tile-k: need a multiple of the k slice 32 (16x16x16), have 16; try tile-k=32"
    assert reason in error.value.message


def _smallest_need(module, **ceiling):
    """What the tiling with the smallest excess needs, of all that the planner tries without pins."""
    with pytest.raises(CompileError) as error:
        decide(module, **ceiling)
    numbers = [int(word) for word in error.value.message.replace(",", "").split() if word.isdigit()]
    return numbers[1] if "min_waves_per_simd" in ceiling else numbers[0]


@pytest.mark.parametrize("ceiling", [{"max_lds_bytes": 4096}, {"max_registers": 100}, {"min_waves_per_simd": 4}])
def test_a_recorded_choice_over_a_ceiling_gives_way(module, ceiling):
    decision, (text,) = decide(module, recorded="v1:m128,n64,k64,wm2,wn2,op32x32x8", **ceiling)
    (name,) = ceiling
    assert f"({name.replace('_', '-')})" in text
    assert decision.chosen.lds.bytes <= ceiling.get("max_lds_bytes", 65536)
    assert decision.chosen.registers.total <= ceiling.get("max_registers", 512)


@pytest.mark.parametrize("options", [{"fuse": "auto"}, {"group_m": 0}, {"perf_config": "m64"}])
def test_options_that_no_program_can_have(options):
    with pytest.raises(UsageError) as error:
        PlanKernels(**options)
    assert str(error.value).startswith("rocfuse-plan-kernels: ")
