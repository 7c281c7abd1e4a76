"""Global memory and scalar memory instructions (CDNA3 ISA, "Vector Memory", "Flat Memory", "Scalar Memory")."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from rocfuse.sim import kernels_memory as kernels
from rocfuse.sim.decode import Instruction
from rocfuse.sim.isa_lds import write_lds_bytes
from rocfuse.sim.isa_scalar import scalar_reader
from rocfuse.sim.kernels_lds import IN_FLIGHT
from rocfuse.sim.machine import Machine, Pending
from rocfuse.sim.operands import Operand, parse_operand
from rocfuse.sim.state import LANES, M0, SCALAR_ID
from rocfuse.sim.step import SMEM, VMEM, Context, Step, ids_of, unsupported

Array = np.ndarray
UNBOUNDED = 1 << 62
# suffix -> (registers, bytes of one lane, how the bits move)
WIDTHS = {
    "dword": (1, 4, kernels.DWORDS),
    "dwordx2": (2, 8, kernels.DWORDS),
    "dwordx3": (3, 12, kernels.DWORDS),
    "dwordx4": (4, 16, kernels.DWORDS),
    "ubyte": (1, 1, kernels.U8),
    "sbyte": (1, 1, kernels.I8),
    "byte": (1, 1, kernels.U8),
    "ushort": (1, 2, kernels.U16),
    "sshort": (1, 2, kernels.I16),
    "short": (1, 2, kernels.U16),
    "short_d16": (1, 2, kernels.D16),
    "short_d16_hi": (1, 2, kernels.D16_HI),
    "ubyte_d16": (1, 1, kernels.D16_U8),
    "sbyte_d16": (1, 1, kernels.D16_I8),
    "ubyte_d16_hi": (1, 1, kernels.D16_HI_U8),
    "sbyte_d16_hi": (1, 1, kernels.D16_HI_I8),
    "byte_d16_hi": (1, 1, kernels.D16_HI_U8),
}
_NAME = re.compile(r"(buffer|global|flat)_(load|store)_(\w+)$")
_CACHE = {"glc", "slc", "sc0", "sc1", "nt", "offen", "offset", "lds", "idxen"}
_FAULTS = {
    kernels.OUTSIDE: ("global-out-of-bounds", "address {address} is outside of every argument (nearest: {region})"),
    kernels.MISALIGNED: ("misaligned", "address {address} is not a multiple of the access size (at most 4)"),
    kernels.READ_ONLY: ("read-only", "address {address} is in {region}, which the kernel must not write"),
    kernels.STRADDLES: ("global-out-of-bounds", "a dword at {address} lies across the bound of its buffer"),
}
Address = Callable[[Machine], tuple[Array, Array, Array]]  # absolute, relative to the bound, bound


def _buffer_address(instruction: Instruction, operands: list[Operand]) -> Address:
    """base + voffset + soffset + offset, bounded by num_records - soffset (raw buffers: stride 0)."""
    offset_register, resource, soffset = operands
    immediate = int(instruction.modifiers.get("offset", "0"), 0)
    indexed = "offen" in instruction.modifiers
    read_soffset = scalar_reader(soffset, "u32")
    row = resource.row

    def address(machine: Machine) -> tuple[Array, Array, Array]:
        scalar = machine.scalar[row : row + 4, machine.select]
        base = scalar[0].astype(np.int64) | (scalar[1].astype(np.int64) & 0xFFFF) << 32
        stride = scalar[1] >> np.uint32(16) & np.uint32(0x3FFF)
        if stride.any():
            machine.report("unsupported", "a buffer resource with a stride (structured buffers are not modelled)")
        lanes = machine.active.shape
        relative = np.zeros(lanes, np.int64) + (immediate + read_soffset(machine).astype(np.int64))[:, None]
        if indexed:
            relative += machine.vector[offset_register.row, machine.select]
        return base[:, None] + relative, relative, np.broadcast_to(scalar[2].astype(np.int64), lanes[:1])

    return address


def _flat_address(instruction: Instruction, vector: Operand, base: Operand | None) -> Address:
    immediate = int(instruction.modifiers.get("offset", "0"), 0)

    def address(machine: Machine) -> tuple[Array, Array, Array]:
        low = machine.vector[vector.row, machine.select].astype(np.int64) if vector.bank == "v" else np.int64(0)
        if base is not None and base.bank == "s":
            start = scalar_reader(base, "u64")(machine).view(np.int64)[:, None]
            absolute = start + low + immediate
        else:
            high = machine.vector[vector.row + 1, machine.select].astype(np.int64)
            absolute = (low | high << 32) + immediate
        absolute = np.ascontiguousarray(np.broadcast_to(absolute, machine.active.shape))
        return absolute, absolute, np.full(len(absolute), UNBOUNDED, np.int64)

    return address


def compile_vmem(instruction: Instruction, context: Context) -> Step | None:
    """Compile buffer, global and flat loads and stores."""
    match = _NAME.match(instruction.mnemonic)
    if match is None or match.group(3).removeprefix("lds_") not in WIDTHS:
        return None
    unknown = set(instruction.modifiers) - _CACHE
    if unknown or "idxen" in instruction.modifiers:
        raise unsupported(instruction, context.kernel.name, "modifier " + ", ".join(sorted(unknown | {"idxen"})))
    family, direction, width = match.groups()
    operands = [parse_operand(text) for text in instruction.operands]
    if "lds" in instruction.modifiers and family == "buffer":
        return _compile_direct(instruction, _buffer_address(instruction, operands[-3:]), ids_of(*operands[-3:]), width)
    if width.startswith("lds_"):
        vector, *more = operands
        place = _flat_address(instruction, vector, more[0] if more else None)
        return _compile_direct(instruction, place, ids_of(vector, *more), width.removeprefix("lds_"))
    if family == "buffer":
        data, *rest = operands
        address = _buffer_address(instruction, rest)
        sources = ids_of(rest[0]) if "offen" in instruction.modifiers else frozenset()
        sources |= ids_of(*rest[1:])
    elif direction == "load":
        data, vector, *more = operands
        sources, address = ids_of(vector, *more), _flat_address(instruction, vector, more[0] if more else None)
    else:
        vector, data, *more = operands
        sources, address = ids_of(vector, *more), _flat_address(instruction, vector, more[0] if more else None)
    if direction == "load":
        return _load(instruction, address, data, sources, width)
    return _store(instruction, address, data, sources, width)


def _check_address(machine: Machine, sources: frozenset[int]) -> None:
    """An undefined bit in an address of an active lane."""
    for register in sources & machine.suspects:
        if register >= SCALAR_ID:
            wrong = (machine.scalar_shadow[register - SCALAR_ID, machine.select] != 0)[:, None] & machine.active
        else:
            wrong = (machine.read_vector_shadow(register) != 0) & machine.active
        machine.report_lanes("undefined", "an undefined value is part of an address", wrong)


def _records(array: Array) -> Array:
    return np.ascontiguousarray(array)


def _count_lines(machine: Machine, width: str, absolute: Array, relative: Array, records: Array) -> None:
    """Tell the line counter, when the run has one, what a load touches."""
    if machine.line_counter is not None:
        count, size, mode = WIDTHS[width]
        step = 4 if mode == kernels.DWORDS else size
        bounds = _records(records)
        machine.line_counter.mark(machine.members, count, step, absolute, relative, bounds, machine.active)


def _load(instruction: Instruction, address: Address, data: Operand, sources: frozenset[int], width: str) -> Step:
    count, size, mode = WIDTHS[width]
    rows = tuple(range(data.row, data.row + count))
    index = instruction.index
    merges = mode >= kernels.D16

    def run(machine: Machine) -> None:
        absolute, relative, records = address(machine)
        dirty = kernels.load_global(
            machine.vector,
            data.row,
            count,
            size,
            mode,
            machine.members,
            absolute,
            relative,
            _records(records),
            machine.active,
            machine.memory.arena,
            machine.memory.base,
            machine.memory.written,
            machine.memory.written_at,
            machine.global_counters[index],
            machine.fault_buffer,
            machine.undefined_buffer,
        )
        _count_lines(machine, width, absolute, relative, records)
        machine.take_faults(_FAULTS)
        _settle(machine, rows, dirty, mode)
        machine.issued.append(Pending(index, frozenset(rows), VMEM))

    def tainted(machine: Machine) -> None:
        _check_address(machine, sources)
        run(machine)

    reads = sources | (frozenset(rows) if merges else frozenset())
    return Step(instruction, "vmem_load", run, tainted, reads, (), VMEM, frozenset(rows))


def _settle(machine: Machine, rows: tuple[int, ...], dirty: int, mode: int) -> None:
    """The undefined bits of freshly loaded registers."""
    if not dirty and not machine.suspects.intersection(rows):
        return
    count = len(machine.members)
    for part, row in enumerate(rows):
        bits = machine.undefined_buffer[part, :count] if dirty else np.zeros((1, 1), np.uint32)
        bits = np.where(machine.active, bits, np.uint32(0))
        if mode >= kernels.D16:
            high = mode in (kernels.D16_HI, kernels.D16_HI_U8, kernels.D16_HI_I8)
            bits = bits | (machine.read_vector_shadow(row) & np.uint32(0x0000FFFF if high else 0xFFFF0000))
        machine.write_vector_shadow(row, bits)


def _store(instruction: Instruction, address: Address, data: Operand, sources: frozenset[int], width: str) -> Step:
    count, size, _ = WIDTHS[width]
    shift = 16 if width.endswith("d16_hi") else 0
    rows = frozenset(range(data.row, data.row + count))
    mask = np.uint32({1: 0xFF, 2: 0xFFFF}.get(size, 0xFFFFFFFF) << shift)
    index = instruction.index

    def run(machine: Machine) -> None:
        absolute, relative, records = address(machine)
        machine.stored_buffer[:count] = False
        kernels.store_global(
            machine.vector,
            data.row,
            count,
            size,
            shift,
            machine.members,
            absolute,
            relative,
            _records(records),
            machine.active,
            machine.memory.arena,
            machine.memory.base,
            machine.memory.written,
            machine.memory.written_at,
            machine.global_counters[index],
            machine.fault_buffer,
            machine.stored_buffer,
            machine.memory.writers,
            machine.wave_ids,
        )
        machine.take_faults(_FAULTS)
        machine.issued.append(Pending(index, frozenset(), VMEM))

    def tainted(machine: Machine) -> None:
        _check_address(machine, sources)
        run(machine)
        for part in range(count):
            bits = machine.read_vector_shadow(data.row + part) & mask
            wrong = (bits != 0) & machine.stored_buffer[part, : len(machine.members)]
            machine.report_lanes("undefined", "an undefined value is stored to memory", wrong)

    return Step(instruction, "vmem_store", run, tainted, sources | rows, (), VMEM)


def _compile_direct(instruction: Instruction, address: Address, sources: frozenset[int], width: str) -> Step:
    """buffer_load ... lds and global_load_lds: to LDS at M0 + offset + 4 * lane, without registers."""
    count, size, mode = WIDTHS[width]
    sources |= {SCALAR_ID + M0}
    immediate = int(instruction.modifiers.get("offset", "0"), 0)
    index = instruction.index
    lane_step = 4 * count

    def run(machine: Machine) -> None:
        absolute, relative, records = address(machine)
        moved = np.zeros((4, machine.waves, LANES), np.uint32)
        kernels.load_global(
            moved,
            0,
            count,
            size,
            mode,
            machine.members,
            absolute,
            relative,
            _records(records),
            machine.active,
            machine.memory.arena,
            machine.memory.base,
            machine.memory.written,
            machine.memory.written_at,
            machine.global_counters[index],
            machine.fault_buffer,
            machine.undefined_buffer,
        )
        _count_lines(machine, width, absolute, relative, records)
        machine.take_faults(_FAULTS)
        start = (machine.scalar[M0, machine.select] & np.uint32(0xFFFF)) + np.uint32(immediate)
        target = start[:, None] + np.arange(LANES, dtype=np.uint32) * np.uint32(lane_step)
        access = write_lds_bytes(machine, index, moved, 0, count, 4 * count, 0, target, IN_FLIGHT)
        machine.issued.append(Pending(index, frozenset(), VMEM, [access]))

    def tainted(machine: Machine) -> None:
        _check_address(machine, sources)
        run(machine)

    return Step(instruction, "vmem_load", run, tainted, sources, (), VMEM)


_SMEM = {"dword": 1, "dwordx2": 2, "dwordx4": 4, "dwordx8": 8, "dwordx16": 16}


def compile_smem(instruction: Instruction, context: Context) -> Step | None:
    """Compile s_load and s_buffer_load."""
    match = re.match(r"s_(buffer_)?load_(dword\w*)$", instruction.mnemonic)
    if match is None or match.group(2) not in _SMEM:
        return None
    target, base, offset = (parse_operand(text) for text in instruction.operands)
    count = _SMEM[match.group(2)]
    immediate = int(instruction.modifiers.get("offset", "0"), 0)
    buffered = match.group(1) is not None
    read_base, read_offset = scalar_reader(base, "u64"), scalar_reader(offset, "u32")
    rows = range(target.row, target.row + count)
    late = frozenset(SCALAR_ID + row for row in rows)
    reads = ids_of(base, offset)
    index = instruction.index

    def run(machine: Machine) -> None:
        base_value = read_base(machine).view(np.int64)
        start = (base_value & ((1 << 48) - 1 if buffered else -1)) + (read_offset(machine).astype(np.int64) + immediate)
        limit = np.full(len(start), UNBOUNDED, np.int64)
        if buffered:
            limit = machine.scalar[base.row + 2, machine.select].astype(np.int64) - (start - base_value)
        _scalar_words(machine, target.row, count, start, limit)
        machine.define(tuple(late))
        machine.issued.append(Pending(index, late, SMEM))

    def tainted(machine: Machine) -> None:
        _check_address(machine, reads)
        run(machine)

    return Step(instruction, "smem", run, tainted, reads, (), SMEM, late)


def _scalar_words(machine: Machine, row: int, count: int, start: Array, limit: Array) -> None:
    members = machine.members
    for address in np.unique(start):
        waves = start == address
        region = (int(address) >> kernels.REGION_SHIFT) - 1
        regions = machine.memory.regions
        local = int(address) - regions[region].address if 0 <= region < len(regions) else -1
        if address & 3:
            machine.report("misaligned", f"address {int(address):#x} is not a multiple of 4", int(members[waves][0]))
        for part in range(count):
            value = 0
            if 4 * part + 4 <= int(limit[waves][0]):
                if local < 0 or local + 4 * part + 4 > regions[region].size:
                    where = machine.memory.name_of(region)
                    text = (
                        f"scalar address {int(address) + 4 * part:#x} is outside of every argument (nearest: {where})"
                    )
                    machine.report("global-out-of-bounds", text, int(members[waves][0]))
                else:
                    at = regions[region].offset + local + 4 * part
                    value = int.from_bytes(machine.memory.arena[at : at + 4].tobytes(), "little")
            machine.scalar[row + part, members[waves]] = value
