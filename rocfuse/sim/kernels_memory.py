"""Loops over lanes that numpy cannot express: global accesses with their checks and counters (numba).

Faults come back in an array `faults[kind] = (count, wave, lane, address, other)`: the first of each kind is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rocfuse.sim.jit import compiled

LANES = 64
REGION_SHIFT = 36  # arguments are 64 GiB apart, so that no 32-bit offset reaches the next one
LINE_SHIFT = 7

# global faults
OUTSIDE, MISALIGNED, READ_ONLY, STRADDLES = range(4)
FAULT_KINDS = 7  # room for those of the LDS as well

# how a load or store moves bits: whole dwords, or a part of one
DWORDS, U8, I8, U16, I16, D16, D16_HI, D16_U8, D16_I8, D16_HI_U8, D16_HI_I8 = range(11)


@compiled
def note(faults: Any, kind: int, wave: int, lane: int, address: int, other: int) -> None:
    """Count a fault; the first of its kind is kept."""
    if faults[kind, 0] == 0:
        faults[kind, 1] = wave
        faults[kind, 2] = lane
        faults[kind, 3] = address
        faults[kind, 4] = other
    faults[kind, 0] += 1


@compiled
def place_part(old: int, value: int, mode: int) -> int:
    """A loaded part of a dword as the register it is loaded into."""
    if mode == 2 or mode == 8 or mode == 10:
        value = value | 0xFFFFFF00 if value & 0x80 else value
    if mode == 4:
        value = value | 0xFFFF0000 if value & 0x8000 else value
    if mode == 5 or mode == 7 or mode == 8:
        return (old & 0xFFFF0000) | (value & 0xFFFF)
    if mode == 6 or mode == 9 or mode == 10:
        return (old & 0xFFFF) | ((value & 0xFFFF) << 16)
    return value & 0xFFFFFFFF


@compiled
def count_line(lines: Any, count: int, line: int) -> int:
    """Add `line` to the first `count` entries unless it is there; return the new count."""
    for at in range(count - 1, -1, -1):
        if lines[at] == line:
            return count
    lines[count] = line
    return count + 1


@compiled
def region_of(address: int, size: int, base: Any) -> int:
    """The region that holds `size` bytes at `address`; -1 when none does."""
    region = (address >> REGION_SHIFT) - 1
    if region < 0 or region >= base.shape[0]:
        return -1
    local = address - base[region, 0]
    return region if local >= 0 and local + size <= base[region, 1] else -1


@compiled
def fetch(arena: Any, first: int, size: int, written: Any, written_first: int) -> Any:
    """(value, undefined bits) of a few bytes; `written_first` < 0: all of them are defined."""
    value = np.int64(0)
    bits = np.int64(0)
    for byte in range(size):
        value |= np.int64(arena[first + byte]) << (8 * byte)
        if written_first >= 0 and written[written_first + byte] == 0:
            bits |= np.int64(255) << (8 * byte)
    return value, bits


@compiled
def count_access(counters: Any, region: int, size: int, lines: int) -> None:
    """One wave instruction moved `size` bytes in `lines` lines."""
    if region >= 0 and size > 0:
        counters[region, 0] += size
        counters[region, 1] += lines
        counters[region, 2] += 1


@compiled
def load_global(
    vector: Any,
    row: int,
    count: int,
    size: int,
    mode: int,
    members: Any,
    addresses: Any,
    relative: Any,
    records: Any,
    active: Any,
    arena: Any,
    base: Any,
    written: Any,
    written_at: Any,
    counters: Any,
    faults: Any,
    undefined: Any,
) -> int:
    """Load `count` registers a lane; returns how many lanes got undefined bits (marked in `undefined`)."""
    lines = np.empty(LANES * 4 + 4, np.int64)
    dirty = 0
    step = 4 if mode == 0 else size
    for at in range(members.shape[0]):
        wave = members[at]
        seen = loaded = 0
        last_region = -1
        for lane in range(LANES):
            if not active[at, lane]:
                continue
            for part in range(count):
                value, bits = np.int64(0), np.int64(0)
                address = addresses[at, lane] + step * part
                first = relative[at, lane] + step * part
                if first >= 0 and first + step <= records[at]:
                    if address & (min(size, 4) - 1):
                        note(faults, 1, wave, lane, address, -1)
                    region = region_of(address, step, base)
                    if region >= 0:
                        local = address - base[region, 0]
                        known = written_at[region] + local if written_at[region] >= 0 else -1
                        value, bits = fetch(arena, base[region, 2] + local, step, written, known)
                        seen = count_line(lines, seen, address >> LINE_SHIFT)
                        loaded += step
                        last_region = region
                    else:
                        note(faults, 0, wave, lane, address, (address >> REGION_SHIFT) - 1)
                elif first >= 0 and first < records[at]:
                    bits = np.int64(0xFFFFFFFF)  # what a dword across the bound returns is not documented
                if bits != 0:
                    dirty += 1
                old = np.int64(vector[row + part, wave, lane])
                vector[row + part, wave, lane] = np.uint32(place_part(old, value, mode))
                undefined[part, at, lane] = np.uint32(place_part(0, bits, mode))
        count_access(counters, last_region, loaded, seen)
    return dirty


@compiled
def mark_lines(
    touched: Any,
    first_line: Any,
    members: Any,
    per_group: int,
    count: int,
    step: int,
    addresses: Any,
    relative: Any,
    records: Any,
    active: Any,
    base: Any,
) -> None:
    """Mark in `touched[workgroup, line]` what a load reads; `first_line` numbers the lines of all regions."""
    for at in range(members.shape[0]):
        group = members[at] // per_group
        for lane in range(LANES):
            if not active[at, lane]:
                continue
            for part in range(count):
                address = addresses[at, lane] + step * part
                first = relative[at, lane] + step * part
                if first < 0 or first + step > records[at]:
                    continue
                region = region_of(address, step, base)
                if region >= 0:
                    touched[group, first_line[region] + ((address - base[region, 0]) >> LINE_SHIFT)] = 1


@compiled
def store_global(
    vector: Any,
    row: int,
    count: int,
    size: int,
    shift: int,
    members: Any,
    addresses: Any,
    relative: Any,
    records: Any,
    active: Any,
    arena: Any,
    base: Any,
    written: Any,
    written_at: Any,
    counters: Any,
    faults: Any,
    stored: Any,
    writers: Any,
    wave_ids: Any,
) -> None:
    """Store `count` registers a lane; `stored` gets the lanes whose data went to memory.

    `writers` remembers, for every two bytes, 1 + wave of the grid * 64 + lane.
    """
    lines = np.empty(LANES * 4 + 4, np.int64)
    step = 4 if count > 1 else size
    for at in range(members.shape[0]):
        wave = members[at]
        seen = done = 0
        last_region = -1
        for lane in range(LANES):
            if not active[at, lane]:
                continue
            for part in range(count):
                address = addresses[at, lane] + step * part
                first = relative[at, lane] + step * part
                if first < 0 or first + step > records[at]:
                    if first >= 0 and first < records[at]:
                        note(faults, 3, wave, lane, address, -1)
                    continue
                if address & (min(size, 4) - 1):
                    note(faults, 1, wave, lane, address, -1)
                region = region_of(address, step, base)
                if region < 0:
                    note(faults, 0, wave, lane, address, (address >> REGION_SHIFT) - 1)
                    continue
                if written_at[region] < 0:
                    note(faults, 2, wave, lane, address, region)
                    continue
                value = np.int64(vector[row + part, wave, lane]) >> shift
                local = address - base[region, 0]
                for byte in range(step):
                    arena[base[region, 2] + local + byte] = np.uint8(value >> (8 * byte) & 255)
                    written[written_at[region] + local + byte] = 1
                    writers[(written_at[region] + local + byte) >> 1] = 1 + wave_ids[wave] * LANES + lane
                stored[part, at, lane] = True
                done += step
                last_region = region
                seen = count_line(lines, seen, address >> LINE_SHIFT)
        count_access(counters, last_region, done, seen)
