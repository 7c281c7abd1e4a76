"""A contract for a code object without one: from its metadata and what the command line says of each argument."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from rocfuse.codegen.elf import Kernel
from rocfuse.diagnostics import UsageError, count
from rocfuse.sim.launch import DTYPES

_INTEGERS = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}
_FLOATS = {2: "f16", 4: "f32", 8: "f64"}
_NAMES = {np.dtype(kind): name for name, kind in reversed(DTYPES.items()) if name != "i1"}


def is_number(text: str) -> bool:
    """A scalar argument on the command line."""
    return re.fullmatch(r"-?\d+(\.\d*)?([eE][-+]?\d+)?", text) is not None


def is_declaration(text: str) -> bool:
    """An argument without a file: an output, `out:f16:256x128`, or a null pointer."""
    return text == "null" or text.startswith("out:")


def foreign_contract(
    kernel: Kernel,
    grid: Sequence[int],
    block: Sequence[int],
    given: Sequence[str | np.ndarray],
    dynamic_lds_bytes: int = 0,
) -> dict[str, Any]:
    """The contract of one kernel; `given` has an array, a number or a declaration for each explicit argument."""
    explicit = [entry for entry in kernel.metadata.get(".args", []) if not entry[".value_kind"].startswith("hidden_")]
    if len(explicit) != len(given):
        raise UsageError(f"kernel {kernel.name}: need {count(len(explicit), 'argument')} by --arg, have {len(given)}")
    arguments: list[dict[str, Any]] = []
    inputs, outputs = [], []
    for index, (entry, value) in enumerate(zip(explicit, given, strict=True)):
        argument = _argument(index, entry, value)
        arguments.append(argument)
        if isinstance(value, np.ndarray):
            inputs.append(argument["name"])
        elif argument["kind"] == "out":
            outputs.append(argument["name"])
    entry_point = {
        "name": kernel.name,
        "grid": list(grid),
        "block": list(block),
        "args": arguments,
        "lds_bytes": kernel.descriptor.lds_bytes,
        "dynamic_lds_bytes": dynamic_lds_bytes,
    }
    return {"version": 1, "target": kernel.target, "kernels": [entry_point], "inputs": inputs, "outputs": outputs}


def _argument(index: int, entry: dict[str, Any], value: str | np.ndarray) -> dict[str, Any]:
    pointer = entry[".value_kind"] in ("global_buffer", "dynamic_shared_pointer")
    base = {"index": index}
    if isinstance(value, np.ndarray):
        if not pointer:
            raise UsageError(f"argument {index} is a value of {entry['.size']} B, not a pointer: give a number")
        if value.dtype not in _NAMES:
            known = ", ".join(str(kind) for kind in _NAMES)
            raise UsageError(f"argument {index}: need an array of one of {known}, have {value.dtype}")
        return base | {"name": f"arg{index}", "kind": "in", "dtype": _NAMES[value.dtype], "shape": list(value.shape)}
    if value.startswith("out:"):
        match = re.fullmatch(r"out:(\w+):(\d+(?:x\d+)*)", value)
        if match is None or match.group(1) not in DTYPES or not pointer:
            raise UsageError(f"argument {index}: '{value}' is not out:TYPE:SIZExSIZE for a pointer")
        shape = [int(size) for size in match.group(2).split("x")]
        return base | {"name": f"out{index}", "kind": "out", "dtype": match.group(1), "shape": shape}
    if value == "null":
        return base | {"name": f"arg{index}", "kind": "scalar", "dtype": "i64", "value": 0}
    if pointer:
        raise UsageError(f"argument {index} is a pointer: give a .npy file, out:TYPE:SHAPE or null")
    kinds = _INTEGERS if re.fullmatch(r"-?\d+", value) else _FLOATS
    if entry[".size"] not in kinds:
        sizes = " or ".join(map(str, kinds))
        raise UsageError(f"argument {index}: need a value of {sizes} B for '{value}', have {entry['.size']} B")
    number = int(value) if kinds is _INTEGERS else float(value)
    return base | {"name": f"arg{index}", "kind": "scalar", "dtype": kinds[entry[".size"]], "value": number}
