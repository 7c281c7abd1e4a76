"""Pass options: texts to typed fields and back."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest

from rocfuse.diagnostics import UsageError
from rocfuse.options import parse_fields, print_fields
from rocfuse.pipeline import parse_options


@dataclass(frozen=True)
class Sample:
    name: ClassVar[str] = "rocfuse-sample"
    tile_m: int | None = None
    loop_form: Literal["fused", "sequential"] | None = None
    fast: bool = False
    schedule: str = "plain"


def test_texts_become_typed_fields():
    texts = {"tile-m": "128", "loop-form": "fused", "fast": "true", "schedule": "other"}
    assert Sample(**parse_fields(Sample, texts)) == Sample(128, "fused", True, "other")


def test_only_what_differs_is_printed():
    assert print_fields(Sample()) == ""
    assert print_fields(Sample(tile_m=64, fast=True)) == "{tile-m=64 fast=true}"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"tile_m": "1"}, "rocfuse-sample: unknown option 'tile_m'; there are: tile-m, loop-form, fast, schedule"),
        ({"tile-m": "-1"}, "option 'tile-m' takes a whole number, not '-1'"),
        ({"tile-m": "1.5"}, "option 'tile-m' takes a whole number, not '1.5'"),
        ({"tile-m": "1" * 5000}, "option 'tile-m' takes a whole number of at most 9 digits, not '111"),
        ({"tile-m": "²"}, "option 'tile-m' takes a whole number, not '²'"),
        ({"loop-form": "spiral"}, "option 'loop-form' takes fused or sequential, not 'spiral'"),
        ({"fast": "1"}, "option 'fast' takes true or false, not '1'"),
    ],
)
def test_bad_texts_are_usage_errors(texts, message):
    with pytest.raises(UsageError) as error:
        parse_fields(Sample, texts)
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["{a=1 b=x}", "a=1,b=x", "a=1 b=x", " { a=1  b=x } ", "a=1, b=x"])
def test_option_text_has_several_spellings(text):
    assert parse_options(text) == {"a": "1", "b": "x"}


@pytest.mark.parametrize("text", ["{a=x,y b=1}", "a=x,y,b=1", "a=x,y, b=1"])
def test_a_value_may_have_commas(text):
    assert parse_options(text) == {"a": "x,y", "b": "1"}


@pytest.mark.parametrize("text", [",a", "a=,x", "a=1 x", "a=1, x", "a", "a=", "=1", "a=1 b", "a=1 a=2"])
def test_malformed_option_text(text):
    with pytest.raises(UsageError):
        parse_options(text)
