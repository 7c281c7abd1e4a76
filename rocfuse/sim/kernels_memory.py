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
FAULT_KINDS = 6  # room for those of the LDS as well

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
    regions = base.shape[0]
    lines = np.empty(2 * LANES + 2, np.int64)
    dirty = 0
    step = 4 if mode == 0 else size
    align = min(size, 4)
    for at in range(members.shape[0]):
        wave = members[at]
        limit = records[at]
        seen = 0
        region = -1
        loaded = 0
        for lane in range(LANES):
            if not active[at, lane]:
                continue
            address = addresses[at, lane]
            where = relative[at, lane]
            if address & (align - 1):
                note(faults, 1, wave, lane, address, -1)
            for part in range(count):
                value = np.int64(0)
                bits = np.int64(0)
                first = where + step * part
                if first >= 0 and first + step <= limit:
                    a = address + step * part
                    region = (a >> REGION_SHIFT) - 1
                    inside = False
                    if region >= 0 and region < regions:
                        local = a - base[region, 0]
                        inside = local >= 0 and local + step <= base[region, 1]
                    if inside:
                        spot = base[region, 2] + local
                        for byte in range(step):
                            value |= np.int64(arena[spot + byte]) << (8 * byte)
                        if written_at[region] >= 0:
                            for byte in range(step):
                                if written[written_at[region] + local + byte] == 0:
                                    bits |= 255 << (8 * byte)
                        loaded += step
                        seen = count_line(lines, seen, a >> LINE_SHIFT)
                    else:
                        note(faults, 0, wave, lane, a, region)
                elif first >= 0 and first < limit:
                    bits = np.int64(0xFFFFFFFF)  # what a dword across the bound returns is not documented
                if bits:
                    dirty += 1
                old = np.int64(vector[row + part, wave, lane])
                vector[row + part, wave, lane] = np.uint32(place_part(old, value, mode))
                undefined[part, at, lane] = np.uint32(place_part(0, bits, mode))
        if region >= 0 and region < regions and loaded:
            counters[region, 0] += loaded
            counters[region, 1] += seen
            counters[region, 2] += 1
    return dirty


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
    regions = base.shape[0]
    lines = np.empty(2 * LANES + 2, np.int64)
    step = 4 if count > 1 else size
    align = min(size, 4)
    for at in range(members.shape[0]):
        wave = members[at]
        limit = records[at]
        seen = 0
        region = -1
        done = 0
        for lane in range(LANES):
            if not active[at, lane]:
                continue
            address = addresses[at, lane]
            where = relative[at, lane]
            if address & (align - 1):
                note(faults, 1, wave, lane, address, -1)
            for part in range(count):
                first = where + step * part
                if first < 0 or first + step > limit:
                    if first >= 0 and first < limit:
                        note(faults, 3, wave, lane, address + step * part, -1)
                    continue
                a = address + step * part
                region = (a >> REGION_SHIFT) - 1
                inside = False
                if region >= 0 and region < regions:
                    local = a - base[region, 0]
                    inside = local >= 0 and local + step <= base[region, 1]
                if not inside:
                    note(faults, 0, wave, lane, a, region)
                    continue
                if written_at[region] < 0:
                    note(faults, 2, wave, lane, a, region)
                    continue
                value = np.int64(vector[row + part, wave, lane]) >> shift
                spot = base[region, 2] + local
                for byte in range(step):
                    arena[spot + byte] = np.uint8(value >> (8 * byte) & 255)
                    written[written_at[region] + local + byte] = 1
                    writers[(written_at[region] + local + byte) >> 1] = 1 + wave_ids[wave] * LANES + lane
                stored[part, at, lane] = True
                done += step
                seen = count_line(lines, seen, a >> LINE_SHIFT)
        if region >= 0 and region < regions and done:
            counters[region, 0] += done
            counters[region, 1] += seen
            counters[region, 2] += 1
