"""How the threads of a workgroup bring one operand tile from memory to LDS.

A tile is `rows` x `tile_k` (rows of A, columns of B), kept in LDS with k contiguous. A thread's unit of work is a block
of `unit_rows` x `unit_k` elements, loaded with `loads` loads of `vector` elements and written to LDS as `unit_rows`
writes of `unit_k` elements; units are dealt to threads in order, the contiguous direction first, so that neighbouring
lanes read neighbouring addresses.

Operands whose tiles are alike may be copied side by side, each by an equal share of the waves. A thread's units are
then as large as those of one tile that is as wide as all together: two B of half the width cost what one B costs.
Pure: no MLIR.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cache, cached_property

from rocfuse.records import record

LDS_ACCESS_BYTES = 16  # widest ds_read/ds_write


@record
class Copy:
    """The dealing of one operand tile. `along` is the contiguous direction in memory: "k" or "row"."""

    along: str
    vector: int  # elements a global load
    loads: int  # global loads a unit
    unit_rows: int
    unit_k: int
    parts: int  # units a thread
    k_first: int = 0  # along rows: how many low bits of a thread's number go to k before the rest go to rows

    @property
    def accesses(self) -> int:
        """Loads and LDS writes of a thread."""
        return self.parts * (self.loads + self.unit_rows)

    @cached_property
    def registers(self) -> int:
        """Registers of a thread that hold its units, of 16-bit elements: one that is loaded alone takes a whole."""
        return -(-self.parts * self.unit_rows * self.unit_k // min(self.vector, 2))

    def fields(self, rows: int, tile_k: int) -> tuple[Field, ...]:
        """How the bits of a unit's number make its (row, k), lowest first."""
        row_bits, k_bits = _log2(rows // self.unit_rows), _log2(tile_k // self.unit_k)
        first = k_bits if self.along == "k" else self.k_first
        parts = (("k", 0, first), ("row", 0, row_bits), ("k", first, k_bits - first))
        result, source = [], 0
        for dim, destination, width in parts:
            scale = self.unit_k if dim == "k" else self.unit_rows
            result.append(Field(dim, source, width, scale << destination))
            source += width
        return tuple(result)

    def unit(self, index: int, rows: int, tile_k: int) -> tuple[int, int]:
        """(row, k) of the first element of unit `index`."""
        place = {"row": 0, "k": 0}
        for field in self.fields(rows, tile_k):
            place[field.dim] += (index >> field.source_bit & (1 << field.width) - 1) * field.scale
        return place["row"], place["k"]


@record
class Field:
    """`width` bits of a unit's number from `source_bit` on count steps of `scale` along `dim`."""

    dim: str
    source_bit: int
    width: int
    scale: int


@record
class Tile:
    """An operand's tile before it is dealt. Tiles of one `kind` differ in nothing but their place in memory."""

    name: str
    rows: int
    along: str
    vector: int  # the widest load that alignment allows, in elements
    element_bytes: int
    kind: Hashable


@record
class Dealing:
    """How a workgroup copies its tiles. `groups` are numbers of tiles: those of a group are copied side by side."""

    copies: tuple[Copy, ...]
    groups: tuple[tuple[int, ...], ...]


def plan_copies(tiles: Sequence[Tile], tile_k: int, waves: int, wave_lanes: int) -> Dealing | str:
    """Deal all tiles of a K step, or say why one cannot be dealt evenly.

    Tiles of one kind are a group where their number divides the waves and a thread then needs fewer loads and writes.
    """

    def dealt(tile: Tile, sharers: int) -> Copy | str:
        threads = waves // sharers * wave_lanes
        return plan_copy(tile.rows, tile_k, threads, tile.along, tile.vector, tile.element_bytes)

    kinds: dict[Hashable, list[int]] = {}
    for number, tile in enumerate(tiles):
        kinds.setdefault(tile.kind, []).append(number)
    found: dict[int, Copy] = {}
    groups: list[tuple[int, ...]] = []
    for numbers in kinds.values():
        first, count = tiles[numbers[0]], len(numbers)
        alone = dealt(first, 1)
        shared = dealt(first, count) if waves % count == 0 else "the waves do not divide by the tiles"
        if isinstance(shared, Copy) and (isinstance(alone, str) or shared.accesses < count * alone.accesses):
            groups.append(tuple(numbers))
            found |= dict.fromkeys(numbers, shared)
        elif isinstance(alone, str):
            return f"{alone} (operand {first.name})"
        else:
            groups += [(number,) for number in numbers]
            found |= dict.fromkeys(numbers, alone)
    return Dealing(tuple(found[number] for number in range(len(tiles))), tuple(sorted(groups)))


@cache
def plan_copy(rows: int, tile_k: int, threads: int, along: str, vector: int, element_bytes: int) -> Copy | str:
    """Choose the units of a tile of `rows` x `tile_k`, or say why it cannot be dealt evenly.

    `vector` is the widest load that alignment allows, in elements. Along rows a unit is transposed in registers: of the
    shapes that deal evenly the one with the fewest loads and LDS writes is taken.
    """
    elements = rows * tile_k
    widest = LDS_ACCESS_BYTES // element_bytes
    if elements % threads:
        return f"tile {rows}x{tile_k}: need a multiple of {threads} elements (threads), have {elements}"
    share = elements // threads
    if along == "k":
        unit_k = min(widest, tile_k, share)
        if share % unit_k:
            return f"tile {rows}x{tile_k}: need a multiple of {unit_k} elements a thread, have {share}"
        vector = min(vector, unit_k)
        return Copy("k", vector, unit_k // vector, 1, unit_k, share // unit_k)
    shapes = [
        (share // (unit_k * unit_rows) * (unit_k + unit_rows), -unit_rows, unit_k)  # on a tie the wider load
        for unit_k in _powers(min(widest, tile_k))
        for unit_rows in _powers(min(vector, rows))
        if share % (unit_k * unit_rows) == 0
    ]
    _, unit_rows, unit_k = min(shapes)
    unit_rows = -unit_rows
    k_first = min(_log2(widest // unit_k), _log2(tile_k // unit_k))
    return Copy("row", unit_rows, unit_k, unit_rows, unit_k, share // (unit_rows * unit_k), k_first)


def _powers(most: int) -> list[int]:
    return [1 << bit for bit in range(most.bit_length()) if 1 << bit <= most]


def _log2(value: int) -> int:
    return value.bit_length() - 1
