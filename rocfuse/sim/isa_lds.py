"""LDS instructions (CDNA3 ISA, "Local Data Share"): reads, writes, and permutations through the LDS crossbar."""

from __future__ import annotations

import re

import numpy as np

from rocfuse.sim import kernels_lds as lds_kernels
from rocfuse.sim import kernels_memory as kernels
from rocfuse.sim.decode import Instruction
from rocfuse.sim.machine import Machine, Pending
from rocfuse.sim.operands import Operand, parse_operand
from rocfuse.sim.phases import UNKNOWN
from rocfuse.sim.state import LANES
from rocfuse.sim.step import LDS, Context, Step, ids_of, unsupported
from rocfuse.targets import Target

Array = np.ndarray
Access = tuple[Array, Array, Array, int, bool, int]
# suffix -> (registers, bytes, how the bits move)
_READS = {
    "b32": (1, 4, kernels.DWORDS),
    "b64": (2, 8, kernels.DWORDS),
    "b96": (3, 12, kernels.DWORDS),
    "b128": (4, 16, kernels.DWORDS),
    "u8": (1, 1, kernels.U8),
    "i8": (1, 1, kernels.I8),
    "u16": (1, 2, kernels.U16),
    "i16": (1, 2, kernels.I16),
    "u16_d16": (1, 2, kernels.D16),
    "u16_d16_hi": (1, 2, kernels.D16_HI),
    "u8_d16": (1, 1, kernels.D16_U8),
    "u8_d16_hi": (1, 1, kernels.D16_HI_U8),
    "i8_d16": (1, 1, kernels.D16_I8),
    "i8_d16_hi": (1, 1, kernels.D16_HI_I8),
}
_WRITES = {
    "b32": (1, 4, 0),
    "b64": (2, 8, 0),
    "b96": (3, 12, 0),
    "b128": (4, 16, 0),
    "b16": (1, 2, 0),
    "b8": (1, 1, 0),
    "b16_d16_hi": (1, 2, 16),
    "b8_d16_hi": (1, 1, 16),
}
_FAULTS = {
    lds_kernels.OUTSIDE: ("lds-out-of-bounds", "LDS address {address} is outside of the workgroup's block"),
    lds_kernels.MISALIGNED: ("misaligned", "LDS address {address} is not a multiple of the access size"),
    lds_kernels.UNWRITTEN: ("lds-uninitialised", "LDS bytes at {address} were never written"),
    lds_kernels.RACE: ("lds-race", "LDS address {address} is shared with {wave} without a barrier or a wait between"),
    lds_kernels.UNPLANNED: ("lds-unplanned", "LDS bytes at {address} are in no planned buffer"),
    lds_kernels.DEAD: ("lds-dead", "LDS bytes at {address} belong to a loop buffer, and the combine has begun"),
    lds_kernels.EARLY: ("lds-early", "LDS bytes at {address} belong to a buffer of the combine, before the last tile"),
}


def phases_of(target: Target, size: int, is_write: bool) -> Array:
    """The lanes that the LDS serves in one cycle each, for an access of `size` bytes a lane."""
    bits = 128 if size > 8 else 64 if size > 4 else 32
    return np.array(target.lds_phases[f"{'write' if is_write else 'read'}_b{bits}"], np.int64)


def _offsets(instruction: Instruction, size: int) -> list[int]:
    modifiers = instruction.modifiers
    if not re.match(r"ds_(read2|write2)", instruction.mnemonic):
        return [int(modifiers.get("offset", "0"), 0)]
    step = size * (64 if "st64" in instruction.mnemonic else 1)
    return [step * int(modifiers.get(f"offset{at}", "0"), 0) for at in (0, 1)]


def _check(machine: Machine, index: int, addresses: Array, size: int, is_write: bool, mark: int = 0) -> Access:
    """Check one access of all active lanes; which of them may go on is in `machine.allowed_buffer`."""
    lds_kernels.check_lds(
        addresses,
        size,
        is_write,
        mark,
        machine.members,
        machine.active,
        machine.waves_per_group,
        machine.plan.size,
        machine.plan.granule_shift,
        machine.write_tag,
        machine.read_tag,
        machine.epoch,
        machine.plan.owner,
        machine.combine,
        machine.plan.phase(index),
        machine.top,
        machine.fault_buffer,
        machine.allowed_buffer,
    )
    machine.take_faults(_FAULTS)
    return (machine.members, addresses, machine.active, size, is_write, mark)


def reopen(machine: Machine, accesses: list[Access], waves: Array) -> None:
    """A barrier passed while these accesses of `waves` were open: they belong to the time after it as well."""
    for members, addresses, active, size, is_write, mark in accesses:
        still = np.isin(members, waves)
        if not still.any():
            continue
        limit = machine.plan.size
        scratch = np.zeros((len(members), LANES), bool)
        # no limit on what was read before: only the tags are renewed
        lds_kernels.check_lds(
            addresses,
            size,
            is_write,
            mark,
            members,
            active & still[:, None],
            machine.waves_per_group,
            limit,
            machine.plan.granule_shift,
            machine.write_tag,
            machine.read_tag,
            machine.epoch,
            np.zeros((2, 0), np.int16),
            machine.combine,
            UNKNOWN,
            machine.top,
            machine.fault_buffer,
            scratch,
        )
        machine.fault_buffer[: lds_kernels.RACE] = 0
        machine.take_faults(
            {
                lds_kernels.RACE: (
                    "lds-race",
                    "LDS address {address} is still in flight across the barrier ({wave})",
                )
            }
        )


def land(machine: Machine, accesses: list[Access], waves: Array) -> None:
    """Direct loads of `waves` to LDS were waited for."""
    for members, addresses, active, size, _, _ in accesses:
        still = np.isin(members, waves)[:, None] & active
        per, shift = machine.waves_per_group, machine.plan.granule_shift
        lds_kernels.land(addresses, size, members, still, per, shift, machine.write_tag)


def _count(machine: Machine, index: int, addresses: Array, size: int, phases: Array, banks: int) -> None:
    lanes = int(machine.active.sum()) if not machine.full else machine.active.size
    machine.lds_counters[index, 0] += size * lanes
    machine.lds_counters[index, 1] += lds_kernels.conflict_cycles(addresses, machine.active, size, phases, banks)


def _lane_addresses(machine: Machine, base: Operand, offset: int) -> Array:
    return machine.vector[base.row, machine.select] + np.uint32(offset)


def compile_lds(instruction: Instruction, context: Context) -> Step | None:
    """Compile ds_read, ds_write, ds_permute, ds_bpermute and ds_swizzle."""
    name = instruction.mnemonic
    if "gds" in instruction.modifiers:
        raise unsupported(instruction, context.kernel.name, "gds")
    match = re.match(r"ds_(read|write)(2?)(?:st64)?_(\w+)$", name)
    if match and match.group(3) in (_READS if match.group(1) == "read" else _WRITES):
        build = _read if match.group(1) == "read" else _write
        return build(instruction, context, match.group(3))
    if name in ("ds_bpermute_b32", "ds_permute_b32"):
        return _permute(instruction, name == "ds_bpermute_b32")
    if name == "ds_swizzle_b32":
        return _swizzle(instruction, context)
    return None


def _taint_address(machine: Machine, base: Operand) -> None:
    wrong = (machine.read_vector_shadow(base.row) != 0) & machine.active
    machine.report_lanes("undefined", "an undefined value is an LDS address", wrong)


def _read(instruction: Instruction, context: Context, width: str) -> Step:
    count, size, mode = _READS[width]
    target, base = (parse_operand(text) for text in instruction.operands)
    offsets = _offsets(instruction, size)
    phases, banks = phases_of(context.target, size, False), context.target.lds_banks
    index = instruction.index
    rows = frozenset(range(target.row, target.row + count * len(offsets)))

    def run(machine: Machine) -> None:
        accesses = []
        pieces = [_lane_addresses(machine, base, offset) for offset in offsets]  # before a result overwrites the base
        for at, addresses in enumerate(pieces):
            accesses.append(_check(machine, index, addresses, size, False))
            _count(machine, index, addresses, size, phases, banks)
            first = target.row + at * count
            dirty = lds_kernels.load_lds(
                machine.vector,
                first,
                count,
                size,
                mode,
                machine.members,
                addresses,
                machine.allowed_buffer,
                machine.waves_per_group,
                machine.lds,
                machine.poison,
                machine.undefined_buffer,
            )
            _settle(machine, first, count, dirty, mode)
        machine.issued.append(Pending(index, rows, LDS, accesses))

    def tainted(machine: Machine) -> None:
        _taint_address(machine, base)
        run(machine)

    reads = ids_of(base) | (rows if mode >= kernels.D16 else frozenset())
    return Step(instruction, "lds_read", run, tainted, reads, (), LDS, rows)


def _settle(machine: Machine, first: int, count: int, dirty: int, mode: int) -> None:
    rows = range(first, first + count)
    if not dirty and not machine.suspects.intersection(rows):
        return
    waves = len(machine.members)
    for part, row in enumerate(rows):
        bits = machine.undefined_buffer[part, :waves].copy() if dirty else np.zeros((1, 1), np.uint32)
        if mode >= kernels.D16:
            high = mode in (kernels.D16_HI, kernels.D16_HI_U8, kernels.D16_HI_I8)
            bits = bits | (machine.read_vector_shadow(row) & np.uint32(0x0000FFFF if high else 0xFFFF0000))
        machine.write_vector_shadow(row, bits)


def write_lds_bytes(
    machine: Machine,
    index: int,
    data: Array,
    row: int,
    count: int,
    size: int,
    shift: int,
    addresses: Array,
    mark: int = 0,
) -> Access:
    """Write registers to LDS; returns the access, which stays open until its wait."""
    access = _check(machine, index, addresses, size, True, mark)
    machine.lds_counters[index, 0] += size * (int(machine.active.sum()) if not machine.full else machine.active.size)
    whole = not machine.suspects.intersection(range(row, row + count)) or data is not machine.vector
    undefined = machine.undefined_buffer
    if not whole:
        machine.grow_poison()
        for part in range(count):
            undefined[part, : len(machine.members)] = machine.read_vector_shadow(row + part)
    lds_kernels.store_lds(
        data,
        row,
        count,
        size,
        shift,
        machine.members,
        addresses,
        machine.allowed_buffer,
        machine.waves_per_group,
        machine.lds,
        machine.poison,
        undefined,
        whole,
    )
    return access


def _write(instruction: Instruction, context: Context, width: str) -> Step:
    count, size, shift = _WRITES[width]
    base, *data = [parse_operand(text) for text in instruction.operands]
    offsets = _offsets(instruction, size)
    phases, banks = phases_of(context.target, size, True), context.target.lds_banks
    index = instruction.index

    def run(machine: Machine) -> None:
        accesses = []
        for source, offset in zip(data, offsets, strict=True):
            addresses = _lane_addresses(machine, base, offset)
            machine.lds_counters[index, 1] += lds_kernels.conflict_cycles(
                addresses, machine.active, size, phases, banks
            )
            accesses.append(write_lds_bytes(machine, index, machine.vector, source.row, count, size, shift, addresses))
        machine.issued.append(Pending(index, frozenset(), LDS, accesses))

    def tainted(machine: Machine) -> None:
        _taint_address(machine, base)
        run(machine)

    return Step(instruction, "lds_write", run, tainted, ids_of(base, *data), (), LDS)


def _permute(instruction: Instruction, backward: bool) -> Step:
    target, index_operand, data = (parse_operand(text) for text in instruction.operands)
    offset = int(instruction.modifiers.get("offset", "0"), 0)

    def move(machine: Machine, source: Array) -> Array:
        lane = ((machine.read_vector(index_operand.row) + np.uint32(offset)) >> np.uint32(2)).astype(np.int64) % LANES
        source = np.broadcast_to(source, machine.active.shape)
        if backward:  # an inactive source lane gives 0
            picked = np.take_along_axis(source, lane, axis=1)
            return np.where(np.take_along_axis(machine.active, lane, axis=1), picked, np.uint32(0))
        result = np.zeros(machine.active.shape, np.uint32)
        waves, lanes = np.nonzero(machine.active)
        result[waves, lane[waves, lanes]] = source[waves, lanes]  # the highest lane wins
        return result

    def run(machine: Machine) -> None:
        machine.write_vector(target.row, move(machine, machine.read_vector(data.row)))
        machine.define(target.ids())
        machine.issued.append(Pending(instruction.index, frozenset(target.ids()), LDS))

    def tainted(machine: Machine) -> None:
        _taint_address(machine, index_operand)
        bits = move(machine, machine.read_vector_shadow(data.row))
        run(machine)
        machine.write_vector_shadow(target.row, bits)

    return Step(instruction, "lds_read", run, tainted, ids_of(index_operand, data), (), LDS, frozenset(target.ids()))


def _swizzle_lanes(text: str) -> Array | None:
    """The source lane of each lane, for the forms of ds_swizzle that LLVM prints."""
    lane = np.arange(LANES)
    if match := re.match(r"swizzle\(QUAD_PERM,\s*(\d),\s*(\d),\s*(\d),\s*(\d)\)", text):
        return (lane & ~3) + np.array([int(part) for part in match.groups()])[lane & 3]
    if match := re.match(r"swizzle\(BITMASK_PERM,\s*\"([01pi]{5})\"\)", text):
        low = lane & 31
        result = np.zeros(LANES, np.int64)
        for at, char in enumerate(reversed(match.group(1))):
            bit = low >> at & 1
            result |= {"0": 0 * bit, "1": 0 * bit + 1, "p": bit, "i": 1 - bit}[char] << at
        return (lane & 32) + result
    if match := re.match(r"swizzle\(SWAP,\s*(\d+)\)", text):
        return lane ^ int(match.group(1))
    if match := re.match(r"swizzle\(REVERSE,\s*(\d+)\)", text):
        return lane ^ (int(match.group(1)) - 1)
    if match := re.match(r"swizzle\(BROADCAST,\s*(\d+),\s*(\d+)\)", text):
        return (lane & ~(int(match.group(1)) - 1)) + int(match.group(2))
    if text.isdigit() or text.startswith("0x"):
        bits = int(text, 0)
        if bits & 0x8000:
            return (lane & ~3) + ((bits >> (2 * (lane & 3))) & 3)
        return (lane & 32) + ((((lane & 31) & (bits & 31)) | (bits >> 5 & 31)) ^ (bits >> 10 & 31))
    return None


def _swizzle(instruction: Instruction, context: Context) -> Step:
    target, data = (parse_operand(text) for text in instruction.operands)
    source = _swizzle_lanes(instruction.modifiers.get("offset", "0"))
    if source is None:
        raise unsupported(instruction, context.kernel.name, "swizzle mode")

    def move(machine: Machine, value: Array) -> Array:
        value = np.broadcast_to(value, machine.active.shape)
        return np.where(machine.active[:, source], value[:, source], np.uint32(0))

    def run(machine: Machine) -> None:
        machine.write_vector(target.row, move(machine, machine.read_vector(data.row)))
        machine.define(target.ids())
        machine.issued.append(Pending(instruction.index, frozenset(target.ids()), LDS))

    def tainted(machine: Machine) -> None:
        bits = move(machine, machine.read_vector_shadow(data.row))
        run(machine)
        machine.write_vector_shadow(target.row, bits)

    return Step(instruction, "lds_read", run, tainted, ids_of(data), (), LDS, frozenset(target.ids()))
