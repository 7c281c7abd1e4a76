"""A plan's choices as one line of text, the perf config.

    v1:m256,n128,k64,wm4,wn2,op32x32x8,s1,interleaved,fused,sk1,g8

A version, a colon, and one item a choice: a key with its number (`m256`), or a word that names a schedule or a loop
form. Items stand in any order; a line with some of them pins those and leaves the rest to the planner. Pure: no MLIR.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from types import MappingProxyType

from rocfuse.analysis.tiling import LOOP_FORMS, SCHEDULES, Tiling
from rocfuse.diagnostics import UsageError

VERSION = "v1"
# field of Tiling (group_m: of Plan) -> key of its item, in the order in which items are written
_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "tile_m": "m",
        "tile_n": "n",
        "tile_k": "k",
        "waves_m": "wm",
        "waves_n": "wn",
        "matrix_op": "op",
        "stages": "s",
        "schedule": "",
        "loop_form": "",
        "split_k": "sk",
        "group_m": "g",
    }
)
# fields whose items are words without a key; no word is in two of them
_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({"schedule": SCHEDULES, "loop_form": LOOP_FORMS})
_FIELD_OF_KEY = {key: field for field, key in _KEYS.items() if key}
_FIELD_OF_WORD = {word: field for field, words in _WORDS.items() for word in words}
FIELDS = tuple(_KEYS)

_ITEM = re.compile(r"([a-z]+)(.*)", re.DOTALL)
_MATRIX_OP = re.compile(r"[0-9][0-9a-z_.-]*")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_SHOWN = 60  # characters of a bad line that a message repeats

Pins = Mapping[str, int | str]


def format(tiling: Tiling, group_m: int | None = None) -> str:
    """The line of a whole tiling; without `group_m`, the order of the grid is left to the planner."""
    pins: dict[str, int | str] = {one.name: getattr(tiling, one.name) for one in dataclasses.fields(tiling)}
    if group_m is not None:
        pins["group_m"] = group_m
    return format_pins(pins)


def format_pins(pins: Pins) -> str:
    """The line that pins the fields in `pins` and no others."""
    return f"{VERSION}:" + ",".join(f"{_KEYS[field]}{pins[field]}" for field in FIELDS if field in pins)


def parse(line: str) -> dict[str, int | str]:
    """The fields that a line pins, in the order of FIELDS. Raises UsageError with the item that is wrong and why."""
    version, colon, rest = line.partition(":")
    if not colon:
        raise UsageError(f"perf config {_shown(line)}: need a version and a colon first, as in {VERSION}:m256,n128")
    if version != VERSION:
        raise UsageError(f"perf config {_shown(line)}: need version {VERSION}, have {_shown(version)}")
    if not rest:
        raise UsageError(f"perf config {_shown(line)}: need at least 1 item, have 0; the items are {_items()}")
    pins: dict[str, int | str] = {}
    for item in rest.split(","):
        field, value = _parse_item(item)
        if field in pins:
            raise UsageError(f"perf config: {field.replace('_', '-')} is given twice, {pins[field]} and {value}")
        pins[field] = value
    return {field: pins[field] for field in FIELDS if field in pins}


def _parse_item(item: str) -> tuple[str, int | str]:
    """(field, value) of one item."""
    if item in _FIELD_OF_WORD:
        return _FIELD_OF_WORD[item], item
    found = _ITEM.fullmatch(item)
    key, value = found.groups() if found else (item, "")
    field = _FIELD_OF_KEY.get(key)
    if field is None:
        raise UsageError(f"perf config: unknown item {_shown(item)}; the items are {_items()}")
    if field == "matrix_op":
        if not _MATRIX_OP.fullmatch(value):
            raise UsageError(f"perf config: op: need a matrix instruction as in op32x32x8, have {_shown(value)}")
        return field, value
    if not _NUMBER.fullmatch(value):
        need = f"need a number from 1 to {10**9 - 1} without leading zeros"
        raise UsageError(f"perf config: {key} ({field.replace('_', '-')}): {need}, have {_shown(value)}")
    return field, int(value)


def _items() -> str:
    keys = [f"{key}{'32x32x8' if field == 'matrix_op' else 'N'}" for field, key in _KEYS.items() if key]
    return ", ".join([*keys, *(word for words in _WORDS.values() for word in words)])


def _shown(text: str) -> str:
    """Input text in quotes, with escapes and an end."""
    return ascii(text) if len(text) <= _SHOWN else ascii(text[:_SHOWN]) + "…"
