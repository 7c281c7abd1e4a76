"""The fields of a contract that the simulator reads, and what each must be. Others may be there and be anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rocfuse.diagnostics import UsageError
from rocfuse.sim.launch import DTYPES, SCALAR_FORMS

Check = Callable[[Any, str], None]  # of a value and its place in the contract; raises UsageError


@dataclass(frozen=True)
class Field:
    """One field of an object."""

    check: Check
    needed: bool = True


def _refuse(place: str, need: str, value: Any) -> None:
    have = json.dumps(value, default=str)
    raise UsageError(f"{place}: need {need}, have {have if len(have) <= 60 else have[:57] + '...'}")


def _is_integer(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _integer(least: int) -> Check:
    def check(value: Any, place: str) -> None:
        if not _is_integer(value, least):
            _refuse(place, f"a number from {least} on", value)

    return check


def _one_of(*values: Any) -> Check:
    def check(value: Any, place: str) -> None:
        if isinstance(value, (list, dict, bool)) or value not in values:
            _refuse(place, " or ".join(map(json.dumps, values)) or "none", value)

    return check


def _text(value: Any, place: str) -> None:
    if not isinstance(value, str):
        _refuse(place, "a text", value)


def _list(item: Check) -> Check:
    def check(value: Any, place: str) -> None:
        if not isinstance(value, list):
            _refuse(place, "a list", value)
        for at, one in enumerate(value):
            item(one, f"{place}[{at}]")

    return check


def _three(item: Check) -> Check:
    def check(value: Any, place: str) -> None:
        if not isinstance(value, list) or len(value) != 3:
            _refuse(place, "3 numbers", value)
        _list(item)(value, place)

    return check


def _object(fields: Mapping[str, Field]) -> Check:
    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            _refuse(place.removesuffix(":"), "an object", value)
        for name, field in fields.items():
            where = f"{place} {name}" if place.endswith(":") else f"{place}.{name}"
            if name in value:
                field.check(value[name], where)
            elif field.needed:
                raise UsageError(f"{where}: need this field, have none")

    return check


def _size(value: Any, place: str) -> None:
    """A number, `{"input": NAME, "dim": N}` or `{"ceildiv": [SIZE, SIZE]}`."""
    if isinstance(value, dict) and "ceildiv" in value:
        _list(_size)(value["ceildiv"], f"{place}.ceildiv")
        if len(value["ceildiv"]) != 2:
            _refuse(f"{place}.ceildiv", "2 numbers", value["ceildiv"])
    elif isinstance(value, dict):
        _object({"input": Field(_text), "dim": Field(_integer(0))})(value, place)
    else:
        _integer(0)(value, place)


def _extent(value: Any, place: str) -> None:
    if value is not None and not _is_integer(value, 0):
        _refuse(place, "a number from 0 on or null", value)


def _scalar_value(value: Any, place: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _size(value, place)


_ANY_ARGUMENT = {
    "index": Field(_integer(0)),
    "name": Field(_text),
    "kind": Field(_one_of("in", "out", "scratch", "scalar")),
}
_SCALAR = {"dtype": Field(_one_of(*SCALAR_FORMS)), "value": Field(_scalar_value)}
_ARRAY = {"dtype": Field(_one_of(*DTYPES)), "shape": Field(_list(_extent))}


def _argument(value: Any, place: str) -> None:
    _object(_ANY_ARGUMENT)(value, place)
    _object(_SCALAR if value["kind"] == "scalar" else _ARRAY)(value, place)


_BUFFER = {"offset": Field(_integer(0)), "bytes": Field(_integer(0)), "live": Field(_one_of("loop", "combine"))}
_KERNEL = {
    "name": Field(_text),
    "grid": Field(_three(_size)),
    "block": Field(_three(_integer(1))),
    "args": Field(_list(_argument)),
    "lds_bytes": Field(_integer(0), needed=False),
    "lds_padding_bytes": Field(_integer(0), needed=False),
    "lds_buffers": Field(_list(_object(_BUFFER)), needed=False),
    "lds_allocated_bytes": Field(_integer(0), needed=False),
    "dynamic_lds_bytes": Field(_integer(0), needed=False),
    "registers": Field(_integer(0), needed=False),
}


def _kernel(value: Any, place: str) -> None:
    _object(_KERNEL)(value, place)
    if value.get("lds_buffers") and "lds_bytes" not in value:
        raise UsageError(f"{place}.lds_bytes: need this field beside lds_buffers, have none")


_CONTRACT = {
    "version": Field(_one_of(1)),
    "target": Field(_text, needed=False),
    "kernels": Field(_list(_kernel)),
    "inputs": Field(_list(_text)),
    "outputs": Field(_list(_text)),
}


def read_contract(data: bytes, path: Path) -> dict[str, Any]:
    """The contract in the file `path`. Raises UsageError with the place of what the simulator cannot read.

    The arguments of kernels must agree with the names of the inputs and outputs.
    """
    try:
        contract: dict[str, Any] = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON ({error})") from None
    _object(_CONTRACT)(contract, f"{path}:")
    outputs = set()
    for at, kernel in enumerate(contract["kernels"]):
        for number, argument in enumerate(kernel["args"]):
            if argument["kind"] == "in":
                _one_of(*contract["inputs"])(argument["name"], f"{path}: kernels[{at}].args[{number}].name")
            elif argument["kind"] == "out":
                outputs.add(argument["name"])
    _list(_one_of(*sorted(outputs)))(contract["outputs"], f"{path}: outputs")
    return contract
