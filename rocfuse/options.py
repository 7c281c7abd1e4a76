"""Pass options: `{tile-m=128 loop-form=fused}` on the command line, typed dataclass fields in Python."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from rocfuse.diagnostics import UsageError


def parse_fields(cls: type, texts: Mapping[str, str]) -> dict[str, Any]:
    """Turn kebab-case option texts into the typed fields of dataclass `cls`.

    Raises UsageError for an unknown option or a text that is not of the field's type.
    """
    if not texts:
        return {}
    hints = typing.get_type_hints(cls)
    fields = {field.name.replace("_", "-"): field for field in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    for key, text in texts.items():
        if key not in fields:
            known = ", ".join(fields) or "none"
            raise UsageError(f"{getattr(cls, 'name', cls.__name__)}: unknown option '{key}'; there are: {known}")
        field = fields[key]
        values[field.name] = _parse_value(cls, key, text, hints[field.name])
    return values


def print_fields(instance: Any) -> str:
    """The options of a dataclass instance that differ from their defaults, as `{a=1 b=x}` or an empty string."""
    parts = []
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if value == field.default:
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        parts.append(f"{field.name.replace('_', '-')}={text}")
    return "{" + " ".join(parts) + "}" if parts else ""


def _parse_value(cls: type, key: str, text: str, hint: Any) -> Any:
    choices = [hint]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
    expected = choices[0]
    if typing.get_origin(expected) is typing.Literal:
        if text in typing.get_args(expected):
            return text
        wanted = " or ".join(typing.get_args(expected))
    elif expected is bool:
        if text in ("true", "false"):
            return text == "true"
        wanted = "true or false"
    elif expected is int:
        if re.fullmatch("[0-9]{1,9}", text):
            return int(text)
        wanted = "a whole number of at most 9 digits" if re.fullmatch("[0-9]+", text) else "a whole number"
    else:
        return text
    raise UsageError(f"{getattr(cls, 'name', cls.__name__)}: option '{key}' takes {wanted}, not '{text}'")
