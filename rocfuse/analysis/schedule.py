"""The order of the steps of one K tile, as a list. Pure: counts in, slots out.

A pipelined loop iteration multiplies tile i while it brings in later tiles. Its steps are

- `mma` (k slice, number): matrix work of tile i, already in fragments or about to be;
- `fragment` (k slice, number): LDS reads of tile i; slice `slices` is the first slice of tile i + 1;
- `write` number: a unit of a later tile goes from registers to LDS; `read` number: the unit after it is loaded;
- `barrier`, and `wait_lds` and `wait_memory` with how many accesses may still be outstanding;
- `set_priority` with the wave's priority; `keep_copies`: no write moves down behind it, no read up before it.

`check` states what every order must keep, whoever made it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from rocfuse.records import record


@record
class Slot:
    """One step. `k_slice` counts where `kind` is mma or fragment; `count` is for a wait."""

    kind: str
    k_slice: int = 0
    number: int = 0
    count: int = 0


@record
class Shape:
    """How many steps one tile has. `writes` is also the number of global reads of the tile brought in."""

    slices: int
    mmas: int  # in a k slice
    fragments: int  # in a k slice
    writes: int
    stages: int

    @property
    def distance(self) -> int:
        """Tiles between the one multiplied and the one written to LDS; reads from memory are one further ahead."""
        return max(1, self.stages - 1)


def interleaved(shape: Shape, *, write: bool, read: bool, following: bool) -> tuple[Slot, ...]:
    """Everything spread evenly between the matrix steps, in emission order.

    `write`: a later tile is written to LDS; `read`: the one after it is loaded; `following`: there is a next tile,
    whose first fragments are read at the end. With one stage the tile is overwritten in place: a barrier says when
    all waves have read it, another when the next one is there. With more stages the second is enough.
    """
    last = shape.slices - 1
    begin = last * shape.mmas
    events: list[tuple[float, Slot]] = []
    for s in range(1, shape.slices):
        events += _spread("fragment", shape.fragments, (s - 1) * shape.mmas, 0.75 * shape.mmas, s)
    turn = begin + 0.5 * shape.mmas  # where the next tile must be in LDS
    if write:
        start = max(begin - 0.25 * shape.mmas, 0.0) if shape.stages == 1 else 0.5 * shape.mmas * min(last, 1)
        # the units were loaded a whole tile ago and nothing younger is in flight: one wait serves all writes
        events.append((start, Slot("wait_memory")))
        if shape.stages == 1:
            events.append((start, Slot("barrier")))
        events += _spread("write", shape.writes, start, turn - start, 0, offset=0.01)
        if read:
            events += _spread("read", shape.writes, start, turn - start, 0, offset=0.02)
    if following:
        if write or shape.stages > 1:
            events.append((turn, Slot("barrier", number=1)))
        events += _spread("fragment", shape.fragments, turn, 0.5 * shape.mmas, shape.slices, offset=0.03)
    events += [(s * shape.mmas + i + 0.5, Slot("mma", s, i)) for s in range(shape.slices) for i in range(shape.mmas)]
    return _with_waits([slot for _, slot in sorted(events, key=lambda event: event[0])], shape)


def prefetched(shape: Shape, *, write: bool, read: bool, following: bool) -> tuple[Slot, ...]:
    """The same steps in blocks, for the backend's scheduler to spread: no waits, fragments before their slice."""
    order: list[Slot] = []
    for s in range(shape.slices):
        last = s == shape.slices - 1
        if not last:
            order += [Slot("fragment", s + 1, i) for i in range(shape.fragments)]
        if last and write:
            order += [Slot("barrier")] if shape.stages == 1 else []
            order += [Slot("write", number=i) for i in range(shape.writes)]
            # a load that the scheduler moved up would need registers that hold a unit yet
            order += [Slot("keep_copies"), *(Slot("read", number=i) for i in range(shape.writes))] if read else []
        order += [Slot("mma", s, i) for i in range(shape.mmas)]
    if following:
        if write or shape.stages > 1:
            order.append(Slot("barrier", number=1))
        order += [Slot("fragment", shape.slices, i) for i in range(shape.fragments)]
    return tuple(order)


def ping_pong(shape: Shape, *, write: bool, read: bool, following: bool) -> tuple[Slot, ...]:
    """Phases of memory work and of matrix work in turn, a barrier after each.

    The two waves of a SIMD are one phase apart, so that one computes while the other moves data. Fragments are read a
    slice ahead (the first two in the first phase), which leaves the last memory phase for the writes. Counted in
    phases, the tile is last read at 2·(slices - 2), written at 2·(slices - 1) and its successor first read at
    2·slices: two apart each, so that a wave that lags by one phase has read before, and written after, the others.
    Needs 2 slices or more.
    """
    order: list[Slot] = []
    for s in range(shape.slices):
        ahead = [0, 1] if s == 0 else [s + 1] if s + 1 < shape.slices else []
        order += [Slot("fragment", one, i) for one in ahead for i in range(shape.fragments)]
        if s == shape.slices - 1 and write:
            order.append(Slot("wait_memory"))
            order += [Slot("write", number=i) for i in range(shape.writes)]
            order += [Slot("read", number=i) for i in range(shape.writes)] if read else []
        order += [Slot("barrier"), Slot("set_priority", count=1)]
        order += [Slot("mma", s, i) for i in range(shape.mmas)]
        order += [Slot("set_priority"), Slot("barrier")]
    return tuple(order)


ORDERS: Mapping[str, Callable[..., tuple[Slot, ...]]] = MappingProxyType(
    {"prefetch": prefetched, "iglp": prefetched, "interleaved": interleaved, "ping-pong": ping_pong}
)


# orders that say where each step stands; LLVM orders the steps of a tile in the others
ORDERED = ("interleaved", "ping-pong")


@record
class Phase:
    """What LDS is used for between two barriers of the loop: stages counted from that of the tile being multiplied."""

    reads: frozenset[int]
    writes: frozenset[int]
    multiplies: bool


def phases(schedule: str, shape: Shape) -> tuple[Phase, ...]:
    """The phases in which one tile is multiplied, in order. The plain schedule writes a tile and then reads it."""
    if schedule == "plain":
        none, own = frozenset[int](), frozenset({0})
        return Phase(none, own, False), Phase(own, none, True)
    runs: list[list[Slot]] = [[]]
    for slot in ORDERS[schedule](shape, write=True, read=True, following=True):
        if slot.kind == "barrier":
            runs.append([])
        else:
            runs[-1].append(slot)

    def phase(slots: list[Slot]) -> Phase:
        reads = {slot.k_slice // shape.slices % shape.stages for slot in slots if slot.kind == "fragment"}
        writes = {shape.distance % shape.stages for slot in slots if slot.kind == "write"}
        return Phase(frozenset(reads), frozenset(writes), any(slot.kind == "mma" for slot in slots))

    return tuple(phase(slots) for slots in runs if any(s.kind in ("fragment", "write", "mma") for s in slots))


def _spread(
    kind: str, count: int, start: float, length: float, k_slice: int, offset: float = 0.0
) -> list[tuple[float, Slot]]:
    return [(start + offset + length * i / count, Slot(kind, k_slice, i)) for i in range(count)]


def _with_waits(order: list[Slot], shape: Shape) -> tuple[Slot, ...]:
    """Before each k slice wait once for its fragments, leaving younger LDS accesses in flight."""
    result: list[Slot] = []
    issued = 0
    needed = {0: 0}  # k slice -> LDS accesses issued up to its last fragment; slice 0 was read before the iteration
    for slot in order:
        if slot.kind == "mma" and slot.number == 0 and slot.k_slice in needed:
            result.append(Slot("wait_lds", count=issued - needed[slot.k_slice]))
        if slot.kind in ("fragment", "write"):
            issued += 1
        if slot.kind == "fragment":
            needed[slot.k_slice] = issued
        if slot.kind == "barrier":  # it waits for every access so far
            issued, needed = 0, {}
        result.append(slot)
    return tuple(result)


def check(order: tuple[Slot, ...], shape: Shape) -> str | None:
    """What an order does wrong, or None. It may be any order of these steps that keeps four rules.

    A slice is multiplied after its fragments are read; the next tile's fragments are read after the last barrier and
    that after the writes; with one stage no write comes before a barrier after the last read of the tile; a unit is
    written before its register is loaded again.
    """
    seen: set[tuple[str, int, int]] = set()
    barriers_after_tile = 0
    for slot in order:
        key = (slot.kind, slot.k_slice, slot.number)
        own = slot.k_slice > 0 or any(one.kind == "fragment" and one.k_slice == 0 for one in order)
        if slot.kind == "mma" and own and _count(seen, "fragment", slot.k_slice) < shape.fragments:
            return f"slice {slot.k_slice} is multiplied before its fragments are read"
        if slot.kind == "barrier" and _count(seen, "fragment", shape.slices - 1) + (shape.slices == 1) >= 1:
            barriers_after_tile += 1
        if slot.kind == "write" and shape.stages == 1 and not barriers_after_tile:
            return f"unit {slot.number} overwrites the tile before all waves have read it"
        if slot.kind == "read" and ("write", 0, slot.number) not in seen:
            return f"unit {slot.number} is loaded again before it is written"
        if slot.kind == "fragment" and slot.k_slice == shape.slices and not _last_is_barrier(order, slot):
            return "the next tile is read before the barrier that follows its writes"
        seen.add(key)
    return None


def _count(seen: set[tuple[str, int, int]], kind: str, k_slice: int) -> int:
    return sum(1 for one in seen if one[0] == kind and one[1] == k_slice)


def _last_is_barrier(order: tuple[Slot, ...], slot: Slot) -> bool:
    """Between the slot and the writes before it there is a barrier, and no write follows the slot."""
    at = order.index(slot)
    writes = [i for i, one in enumerate(order) if one.kind == "write"]
    if not writes:
        return True
    return writes[-1] < at and any(one.kind == "barrier" for one in order[writes[-1] : at])
