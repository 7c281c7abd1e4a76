"""LDS accesses lane by lane, with their checks and the bank-conflict model (numba)."""

from __future__ import annotations

from typing import Any

import numpy as np

from rocfuse.sim.jit import compiled
from rocfuse.sim.kernels_memory import LANES, note, place_part

# faults; the numbers are those that the kernels below note
IN_FLIGHT = 128
OUTSIDE, MISALIGNED, UNWRITTEN, RACE, UNPLANNED, DEAD, EARLY = range(7)


@compiled
def conflict_cycles(addresses: Any, active: Any, size: int, phases: Any, banks: int) -> int:
    """Extra LDS cycles: over all phases, the distinct words in the fullest bank less one."""
    words = max(1, size // 4)
    bank_words = np.empty((banks, 64), np.int64)
    bank_count = np.zeros(banks, np.int64)
    total = 0
    for at in range(addresses.shape[0]):
        for phase in range(phases.shape[0]):
            bank_count[:] = 0
            most = 1
            for index in range(phases.shape[1]):
                lane = phases[phase, index]
                if not active[at, lane]:
                    continue
                first = np.int64(addresses[at, lane]) >> 2
                for word in range(first, first + words):
                    bank = word % banks
                    known = False
                    for other in range(bank_count[bank]):
                        if bank_words[bank, other] == word:
                            known = True
                            break
                    if not known and bank_count[bank] < 64:
                        bank_words[bank, bank_count[bank]] = word
                        bank_count[bank] += 1
                        if bank_count[bank] > most:
                            most = bank_count[bank]
            total += most - 1
    return total


@compiled
def check_granules(group: int, first: int, last: int, is_write: bool, tag: Any, write_tag: Any, read_tag: Any) -> int:
    """Compare and renew the tags from `first` to `last`: the other wave of a race, -2 when unwritten, else -1."""
    now = tag >> np.uint32(8)
    found: Any = -1
    for spot in range(first, last + 1):
        last_write, last_read = write_tag[group, spot], read_tag[group, spot]
        if last_write >> np.uint32(8) == now and last_write != tag:
            found = np.int64(last_write & np.uint32(255))
        if is_write:
            if last_read >> np.uint32(8) == now and last_read != tag:
                found = np.int64(last_read & np.uint32(255))
            write_tag[group, spot] = tag
            continue
        if last_write == 0:
            found = -2
        if last_read != tag:
            several = last_read >> np.uint32(8) == now
            read_tag[group, spot] = last_read | np.uint32(255) if several else tag
    return found


@compiled
def check_lds(
    addresses: Any,
    size: int,
    is_write: bool,
    mark: int,
    members: Any,
    active: Any,
    waves_per_group: int,
    limit: int,
    granule_shift: int,
    write_tag: Any,
    read_tag: Any,
    epoch: Any,
    owner: Any,
    combine: Any,
    phase: int,
    top: Any,
    faults: Any,
    allowed: Any,
) -> None:
    """Bounds, alignment, races, unwritten bytes and the planned buffers of one LDS access a lane.

    Tags are epoch * 256 + wave (+ 255 for several readers); an epoch is the time between two barriers. `mark` is
    IN_FLIGHT for a direct load, whose bytes not even its own wave may read before the wait.
    """
    planned = owner.shape[1] > 0
    for at in range(members.shape[0]):
        wave = members[at]
        group = wave // waves_per_group
        mine = np.uint32(wave - group * waves_per_group)
        tag = np.uint32(epoch[group] << 8) | mine | np.uint32(mark)
        for lane in range(LANES):
            allowed[at, lane] = False
            if not active[at, lane]:
                continue
            address = np.int64(addresses[at, lane])
            if address + size > limit:
                note(faults, 0, wave, lane, address, -1)
                continue
            if address & (size - 1 if size != 12 else 3):
                note(faults, 1, wave, lane, address, -1)
            allowed[at, lane] = True
            top[0] = max(top[0], address + size)
            first, last = address >> granule_shift, (address + size - 1) >> granule_shift
            found = check_granules(group, first, last, is_write, tag, write_tag, read_tag)
            if found == -2:
                note(faults, 2, wave, lane, address, -1)
            elif found >= 0:
                note(faults, 3, wave, lane, address, found)
            if planned:
                check_plan(address, size, owner, combine, phase, group, faults, wave, lane)


@compiled
def check_plan(
    address: int, size: int, owner: Any, combine: Any, phase: int, group: int, faults: Any, wave: int, lane: int
) -> None:
    """The bytes lie in one planned buffer that is alive in the instruction's phase (phases.py).

    Where no phase is known, a loop buffer is dead once only a combine buffer explains an access.
    """
    in_loop = owner[0, address] >= 0
    in_combine = owner[1, address] >= 0
    for byte in range(address + 1, address + size):
        in_loop = in_loop and owner[0, byte] == owner[0, address]
        in_combine = in_combine and owner[1, byte] == owner[1, address]
    if not in_loop and not in_combine:
        note(faults, 4, wave, lane, address, -1)
    elif in_combine and not in_loop:
        combine[group] = 1
        if phase == 1:
            note(faults, 6, wave, lane, address, -1)
    elif in_loop and not in_combine and (combine[group] == 1 or phase == 2):
        note(faults, 5, wave, lane, address, -1)


@compiled
def land(
    addresses: Any, size: int, members: Any, active: Any, waves_per_group: int, shift: int, write_tag: Any
) -> None:
    """Direct loads were waited for: their bytes are those of an ordinary write of their wave."""
    for at in range(members.shape[0]):
        group = members[at] // waves_per_group
        mine = np.uint32(members[at] - group * waves_per_group)
        for lane in range(LANES):
            if not active[at, lane]:
                continue
            address = np.int64(addresses[at, lane])
            for spot in range(address >> shift, (address + size - 1 >> shift) + 1):
                if spot < write_tag.shape[1] and write_tag[group, spot] & np.uint32(255) == mine | np.uint32(IN_FLIGHT):
                    write_tag[group, spot] ^= np.uint32(IN_FLIGHT)


@compiled
def load_lds(
    vector: Any,
    row: int,
    count: int,
    size: int,
    mode: int,
    members: Any,
    addresses: Any,
    allowed: Any,
    waves_per_group: int,
    lds: Any,
    poison: Any,
    undefined: Any,
) -> int:
    """Move LDS bytes to registers; returns how many lanes got undefined bits."""
    dirty = 0
    step = 4 if mode == 0 else size
    tracked = poison.shape[0] > 0
    for at in range(members.shape[0]):
        wave = members[at]
        group = wave // waves_per_group
        for lane in range(LANES):
            if not allowed[at, lane]:
                continue
            address = np.int64(addresses[at, lane])
            for part in range(count):
                value = np.int64(0)
                bits = np.int64(0)
                for byte in range(step):
                    value |= np.int64(lds[group, address + step * part + byte]) << (8 * byte)
                if tracked:
                    for byte in range(step):
                        bits |= np.int64(poison[group, address + step * part + byte]) << (8 * byte)
                    undefined[part, at, lane] = np.uint32(place_part(0, bits, mode))
                    if bits:
                        dirty += 1
                old = np.int64(vector[row + part, wave, lane])
                vector[row + part, wave, lane] = np.uint32(place_part(old, value, mode))
    return dirty


@compiled
def store_lds(
    vector: Any,
    row: int,
    count: int,
    size: int,
    shift: int,
    members: Any,
    addresses: Any,
    allowed: Any,
    waves_per_group: int,
    lds: Any,
    poison: Any,
    undefined: Any,
    whole: bool,
) -> None:
    """Move register bytes to LDS; `undefined` holds their undefined bits when `whole` is false."""
    step = 4 if count > 1 else size
    tracked = poison.shape[0] > 0
    for at in range(members.shape[0]):
        wave = members[at]
        group = wave // waves_per_group
        for lane in range(LANES):
            if not allowed[at, lane]:
                continue
            address = np.int64(addresses[at, lane])
            for part in range(count):
                value = np.int64(vector[row + part, wave, lane]) >> shift
                for byte in range(step):
                    lds[group, address + step * part + byte] = np.uint8(value >> (8 * byte) & 255)
                if tracked:
                    bits = np.int64(0)
                    if not whole:
                        bits = np.int64(undefined[part, at, lane]) >> shift
                    for byte in range(step):
                        poison[group, address + step * part + byte] = np.uint8(bits >> (8 * byte) & 255)
