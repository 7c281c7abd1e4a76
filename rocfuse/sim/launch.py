"""From a contract and arrays to memory regions, kernel arguments and the initial registers of a wave."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from rocfuse.codegen.elf import Kernel
from rocfuse.diagnostics import UsageError, count
from rocfuse.sim.memory import GlobalMemory
from rocfuse.sim.state import EXEC, LANES, State
from rocfuse.targets import Target

DTYPES: dict[str, Any] = {
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "f32": np.float32,
    "f64": np.float64,
    "i1": np.uint8,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "f8E4M3FN": ml_dtypes.float8_e4m3fn,
    "f8E5M2": ml_dtypes.float8_e5m2,
    "f8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "f8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "u8": np.uint8,
    "u16": np.uint16,
    "u32": np.uint32,
}
SCALAR_FORMS = {
    "i8": "<b",
    "i16": "<h",
    "i32": "<i",
    "i64": "<q",
    "index": "<q",
    "f32": "<f",
    "f64": "<d",
    "f16": "<e",
}
POISON = 0xA5  # fills what nobody has written yet


@dataclass
class Launch:
    """One kernel of the contract, with every number known."""

    contract: Mapping[str, Any]
    kernel: Kernel
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    kernarg: bytes
    kernarg_address: int
    packet_address: int

    @property
    def waves_per_group(self) -> int:
        """Waves of one workgroup."""
        return -(-math.prod(self.block) // LANES)

    @property
    def lds_bytes(self) -> int:
        """LDS of one workgroup: what the code object declares and what is given at launch."""
        return self.kernel.descriptor.lds_bytes + int(self.contract.get("dynamic_lds_bytes", 0))

    def workgroup(self, index: int) -> tuple[int, int, int]:
        """The ids of the workgroup with this linear index, x first."""
        x, y, _ = self.grid
        return index % x, index // x % y, index // (x * y)


def match_inputs(contract: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays by input name, checked against every argument that uses them."""
    names = contract["inputs"]
    if len(arrays) != len(names):
        raise UsageError(f"need {count(len(names), 'array')} ({', '.join(names)}), have {len(arrays)}")
    inputs = dict(zip(names, arrays, strict=True))
    for kernel in contract["kernels"]:
        for argument in kernel["args"]:
            if argument["kind"] == "in":
                _check_input(argument, inputs[argument["name"]])
    return inputs


def _check_input(argument: Mapping[str, Any], array: np.ndarray) -> None:
    name, shape = argument["name"], argument["shape"]
    expected = np.dtype(DTYPES[argument["dtype"]])
    patterns = {1: np.uint8, 2: np.uint16}
    same = array.dtype == expected
    pattern = expected.kind == "V" or expected.type.__module__.startswith("ml_dtypes")
    if not same and not (pattern and array.dtype == patterns.get(expected.itemsize)):
        raise UsageError(f"{name}: need dtype {argument['dtype']}, have {array.dtype}")
    fits = len(shape) == array.ndim and all(n is None or n == d for n, d in zip(shape, array.shape, strict=True))
    if not fits:
        raise UsageError(f"{name}: need shape {shape}, have {list(array.shape)}")


def resolve(value: Any, inputs: Mapping[str, np.ndarray]) -> Any:
    """A number of the contract, which may depend on an input's dimensions."""
    if isinstance(value, Mapping):
        if "ceildiv" in value:
            top, bottom = (resolve(part, inputs) for part in value["ceildiv"])
            if bottom == 0:
                raise UsageError(f"ceildiv of {top}: need a divisor from 1 on, have 0")
            return -(-top // bottom)
        name, dim = value["input"], value["dim"]
        if name not in inputs or dim >= inputs[name].ndim:
            have = ", ".join(f"{one} of rank {array.ndim}" for one, array in inputs.items())
            raise UsageError(f"need dimension {dim} of input {name}, have {have}")
        return inputs[name].shape[dim]
    return value


def _output_shape(
    argument: Mapping[str, Any], kernel: Mapping[str, Any], inputs: Mapping[str, np.ndarray]
) -> list[int]:
    """A dimension that the contract leaves open is that of the input which leaves the same one open."""
    shape = []
    for at, size in enumerate(argument["shape"]):
        if size is None:
            for other in kernel["args"]:
                if other["kind"] == "in" and len(other["shape"]) > at and other["shape"][at] is None:
                    size = inputs[other["name"]].shape[at]
                    break
        if size is None:
            raise UsageError(f"{argument['name']}: dimension {at} is open and no input gives it")
        shape.append(int(size))
    return shape


def output_types(contract: Mapping[str, Any], inputs: Mapping[str, np.ndarray]) -> dict[str, tuple[list[int], Any]]:
    """Shape and element type of each array that kernels write, by name."""
    types: dict[str, tuple[list[int], Any]] = {}
    for kernel in contract["kernels"]:
        for argument in kernel["args"]:
            name = argument["name"]
            if argument["kind"] != "scalar" and name not in inputs and name not in types:
                types[name] = (_output_shape(argument, kernel, inputs), DTYPES[argument["dtype"]])
    return types


@dataclass
class Memory:
    """The global memory of all kernels, and where each name lives."""

    memory: GlobalMemory
    index: dict[str, int]
    outputs: dict[str, tuple[list[int], Any]]


def build_memory(contract: Mapping[str, Any], inputs: Mapping[str, np.ndarray], kernels: int) -> Memory:
    """One region a name: inputs with their data, outputs and scratch with poison."""
    sizes: list[tuple[str, int, bool]] = []
    index: dict[str, int] = {}
    outputs = output_types(contract, inputs)
    data: dict[str, np.ndarray] = {}
    writable = {a["name"] for k in contract["kernels"] for a in k["args"] if a["kind"] in ("out", "scratch")}
    for kernel in contract["kernels"]:
        for argument in kernel["args"]:
            name = argument["name"]
            if argument["kind"] == "scalar" or name in index:
                continue
            if name in inputs:
                data[name] = np.ascontiguousarray(inputs[name])
                size = data[name].nbytes
            else:
                shape, dtype = outputs[name]
                size = math.prod(shape) * np.dtype(dtype).itemsize
            index[name] = len(sizes)
            sizes.append((name, size, name in writable))
    for at in range(kernels):
        index[f"kernarg segment {at}"] = len(sizes)
        sizes.append((f"kernarg segment {at}", 4096, False))
        index[f"dispatch packet {at}"] = len(sizes)
        sizes.append((f"dispatch packet {at}", 64, False))
    memory = GlobalMemory(sizes)
    for name, at in index.items():
        region = memory.regions[at]
        if name in data:
            memory.bytes_of(region)[:] = data[name].view(np.uint8).reshape(-1)
            if region.writable:
                memory.written_of(region)[:] = 1
        elif name in outputs:
            memory.bytes_of(region)[:] = POISON
    return Memory(memory, index, outputs)


def build_launch(
    contract: Mapping[str, Any],
    kernel: Kernel,
    inputs: Mapping[str, np.ndarray],
    memory: Memory,
    at: int,
    target: Target,
) -> Launch:
    """Fill the kernarg segment and the dispatch packet of one kernel."""
    grid_x, grid_y, grid_z = (int(resolve(value, inputs)) for value in contract["grid"])
    block_x, block_y, block_z = (int(value) for value in contract["block"])
    grid, block = (grid_x, grid_y, grid_z), (block_x, block_y, block_z)
    _check_sizes(kernel.name, grid, block, target)
    explicit = [entry for entry in kernel.metadata.get(".args", []) if not entry[".value_kind"].startswith("hidden_")]
    arguments = sorted(contract["args"], key=lambda argument: argument["index"])
    if len(explicit) != len(arguments):
        need = count(len(explicit), "argument")
        raise UsageError(f"kernel {kernel.name}: need {need} in the contract, have {len(arguments)}")
    segment = bytearray(max(kernel.descriptor.kernarg_bytes, kernel.metadata.get(".kernarg_segment_size", 0)))
    for entry, argument in zip(explicit, arguments, strict=True):
        if argument["kind"] == "scalar":
            data = _scalar_bytes(argument, resolve(argument["value"], inputs))
            segment[entry[".offset"] : entry[".offset"] + len(data)] = data
        else:
            struct.pack_into(
                "<Q", segment, entry[".offset"], memory.memory.regions[memory.index[argument["name"]]].address
            )
    _fill_hidden(kernel, segment, grid, block)
    regions = memory.memory.regions
    home = regions[memory.index[f"kernarg segment {at}"]]
    packet = regions[memory.index[f"dispatch packet {at}"]]
    memory.memory.bytes_of(home)[: len(segment)] = np.frombuffer(bytes(segment), np.uint8)
    header = struct.pack("<HHHHHHIII", 0, 3, *block, 0, *(g * b for g, b in zip(grid, block, strict=True)))
    memory.memory.bytes_of(packet)[: len(header)] = np.frombuffer(header, np.uint8)
    return Launch(contract, kernel, grid, block, bytes(segment), home.address, packet.address)


def _check_sizes(name: str, grid: Sequence[int], block: Sequence[int], target: Target) -> None:
    """A workgroup must fit its compute unit, and the threads of each dimension the dispatch packet."""
    most = target.max_workgroup_waves * target.wave_lanes
    if math.prod(block) > most:
        have = f"{'x'.join(map(str, block))} = {math.prod(block)}"
        raise UsageError(f"kernel {name}: block: need at most {most} threads, have {have}")
    for axis, groups, threads in zip("xyz", grid, block, strict=True):
        if groups * threads > target.launch_threads:
            need, have = f"at most {target.launch_threads} threads", f"{groups} x {threads} = {groups * threads}"
            raise UsageError(f"kernel {name}: grid {axis}: need {need}, have {have}")


def _scalar_bytes(argument: Mapping[str, Any], value: Any) -> bytes:
    try:
        return struct.pack(SCALAR_FORMS[argument["dtype"]], value)
    except (struct.error, OverflowError):
        raise UsageError(f"{argument['name']}: need a number that fits {argument['dtype']}, have {value}") from None


def _fill_hidden(kernel: Kernel, segment: bytearray, grid: Sequence[int], block: Sequence[int]) -> None:
    for entry in kernel.metadata.get(".args", []):
        kind = entry[".value_kind"]
        if kind.startswith("hidden_block_count_"):
            struct.pack_into("<I", segment, entry[".offset"], grid["xyz".index(kind[-1])])
        elif kind.startswith("hidden_group_size_"):
            struct.pack_into("<H", segment, entry[".offset"], block["xyz".index(kind[-1])])
        elif kind == "hidden_grid_dims":
            struct.pack_into("<H", segment, entry[".offset"], 3)


def start_waves(state: State, launch: Launch) -> None:
    """Registers at the kernel's entry (AMDGPUUsage, "Initial Kernel Execution State")."""
    descriptor = launch.kernel.descriptor
    rows: dict[int, np.ndarray | int] = {}
    at = 0
    pointers = {1: launch.packet_address, 3: launch.kernarg_address}
    for bit, registers in ((0, 4), (1, 2), (2, 2), (3, 2), (4, 2), (5, 2), (6, 1)):
        if not descriptor.properties >> bit & 1:
            continue
        value = pointers.get(bit, 0)
        for part in range(registers):
            rows[at + part] = (value >> 32 * part) & 0xFFFFFFFF if part < 2 else 0
        at += registers
    length, offset = descriptor.preload & 127, descriptor.preload >> 7
    for part in range(length):
        start = 4 * (offset + part)
        rows[at + part] = int.from_bytes(launch.kernarg[start : start + 4].ljust(4, b"\0"), "little")
    at = max(at + length, descriptor.user_sgprs)
    groups = np.array(state.workgroup_ids, np.uint32).repeat(launch.waves_per_group, axis=0)
    for dimension in range(3):
        if descriptor.rsrc2 >> (7 + dimension) & 1:
            rows[at] = groups[:, dimension]
            at += 1
    for row, row_value in rows.items():
        state.scalar[row] = row_value
        state.write_defined_scalar(row)
    _start_lanes(state, launch)


def _start_lanes(state: State, launch: Launch) -> None:
    per = launch.waves_per_group
    x, y, _ = launch.block
    item = np.arange(per * LANES)
    packed = (item % x) | (item // x % y) << 10 | (item // (x * y)) << 20
    groups = state.waves // per
    state.vector[0] = np.tile(packed.astype(np.uint32).reshape(per, LANES), (groups, 1))
    inside = (item < math.prod(launch.block)).reshape(per, LANES)
    pairs = np.packbits(inside, axis=1, bitorder="little").view(np.uint32)
    state.scalar[EXEC] = np.tile(pairs[:, 0], groups)
    state.scalar[EXEC + 1] = np.tile(pairs[:, 1], groups)
    state.suspects.discard(0)
    state.vector_shadow.pop(0, None)
    for part in (0, 1):
        state.write_defined_scalar(EXEC + part)
