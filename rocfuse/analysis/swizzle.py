"""LDS layouts without bank conflicts, derived from who accesses what. Pure: no MLIR.

A tile is rows x tile_k with k contiguous. Its 16-byte chunks are permuted within each line of banks (a row, or the rows
that share 128 bytes) by XOR with a linear function of the row's bits, which costs no LDS. Lanes of one LDS phase differ
in a few bits of their number, every lane bit moves the access by a fixed step of row and k, and XOR keeps that linear:
a phase is free of conflicts exactly when the addresses of its lane bits are linearly independent over the banks. So the
function is found by trying the few values that each row bit may add.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from rocfuse.analysis.copies import LDS_ACCESS_BYTES
from rocfuse.records import record


@record
class Swizzle:
    """Chunk c of the line that holds row r is kept at chunk c ^ f(r), f(r) the XOR of `images[i]` over the bits i of r.

    `chunk` is in elements (16 bytes), counted through the whole tile; f changes it only within a line of banks.
    """

    chunk: int
    images: tuple[int, ...]

    def turn(self, row: int) -> int:
        """f(row)."""
        result = 0
        for bit, image in enumerate(self.images):
            if row >> bit & 1:
                result ^= image
        return result

    def element(self, row: int, k: int, tile_k: int) -> int:
        """Where element (row, k) is kept, in elements from the start of the tile."""
        chunk = (row * tile_k + k) // self.chunk ^ self.turn(row)
        return chunk * self.chunk + k % self.chunk


@record
class LaneSteps:
    """One kind of LDS access of a wave: what each lane bit adds to (row, k), and how wide the access is."""

    steps: tuple[tuple[int, int], ...]
    width_bytes: int
    phases: tuple[tuple[int, ...], ...]


def conflict_cycles(access: LaneSteps, swizzle: Swizzle, tile_k: int, element_bytes: int, banks_bytes: int) -> int:
    """Extra LDS cycles of one instruction: over its phases, how often its busiest bank is asked again."""
    extra = 0
    for phase in access.phases:
        uses: dict[int, set[int]] = {}
        for lane in phase:
            row = sum(step[0] for bit, step in enumerate(access.steps) if lane >> bit & 1)
            k = sum(step[1] for bit, step in enumerate(access.steps) if lane >> bit & 1)
            first = swizzle.element(row, k, tile_k) * element_bytes
            for byte in range(first, first + access.width_bytes, 4):
                uses.setdefault(byte % banks_bytes, set()).add(byte)
        extra += max(len(addresses) for addresses in uses.values()) - 1
    return extra


@functools.cache
def derive(
    accesses: tuple[LaneSteps, ...], block_rows: int, rows: int, tile_k: int, element_bytes: int, banks_bytes: int
) -> Swizzle:
    """The first swizzle without conflicts for all `accesses`; where there is none, the one with the fewest cycles.

    The bits of a row inside a fragment's block (`block_rows`) are tried first: blocks then differ by a constant, which
    goes into the address immediate.
    """
    chunk = LDS_ACCESS_BYTES // element_bytes
    line = Line(tile_k * element_bytes, element_bytes, banks_bytes)
    needs = [need for access in accesses for need in _needs(access)]
    for bits in (_log2(min(block_rows, rows)), _log2(rows)):
        found = _search(needs, bits, line)
        if found is not None:
            return Swizzle(chunk, found)
    bits = _log2(rows)
    plain = Swizzle(chunk, (0,) * bits)
    shifted = [_rotated(bits, line, start) for start in range(line.shared_bits, bits)]

    def cost(one: Swizzle) -> int:
        return sum(conflict_cycles(access, one, tile_k, element_bytes, banks_bytes) for access in accesses)

    return min((Swizzle(chunk, images) for images in shifted), key=cost, default=plain)


def images(accesses: tuple[LaneSteps, ...], bits: int, line: Line) -> tuple[int, ...] | None:
    """The images of `bits` row bits that leave no conflict in any of `accesses`, or None."""
    return _search([need for access in accesses for need in _needs(access)], bits, line)


@record
class Line:
    """A line of banks and the rows in it. Chunks of `chunk_bytes` are permuted.

    A row bit that is set in `whole_rows` moves pairs of chunks: what it permutes is twice as wide.
    """

    row_bytes: int
    element_bytes: int
    banks_bytes: int
    chunk_bytes: int = LDS_ACCESS_BYTES
    whole_rows: int = 0

    @property
    def chunks(self) -> int:
        """Chunks in a line."""
        return self.banks_bytes // self.chunk_bytes

    @property
    def shared_bits(self) -> int:
        """Low bits of a row that tell it from the other rows of its line."""
        return _log2(max(self.banks_bytes // self.row_bytes, 1))

    def images(self, bit: int) -> range:
        """What a row bit may add: one that tells rows of a line apart stays within a row, so that no two meet."""
        within = max(self.row_bytes // self.chunk_bytes, 1) if bit < self.shared_bits else self.chunks
        return range(0, within, 2 if self.whole_rows >> bit & 1 else 1)


@record
class _Need:
    """Steps (row, k) of the lane bits of one phase, whose bank addresses must be independent."""

    steps: tuple[tuple[int, int], ...]
    width_bytes: int


def _needs(access: LaneSteps) -> Iterator[_Need]:
    seen = set()
    for phase in access.phases:
        basis: list[int] = []
        for lane in phase[1:]:
            rest = lane ^ phase[0]
            for one in basis:
                rest = min(rest, rest ^ one)
            if rest:
                basis.append(rest)
        steps = tuple(_sum(access.steps, lane) for lane in sorted(basis))
        if steps not in seen:
            seen.add(steps)
            yield _Need(steps, access.width_bytes)


def _sum(steps: Sequence[tuple[int, int]], lane: int) -> tuple[int, int]:
    row = k = 0
    for bit, (rows, ks) in enumerate(steps):
        if lane >> bit & 1:
            row, k = row ^ rows, k ^ ks
    return row, k


# an access's width, and for each of its lane bits the byte that it adds without a swizzle and its row bits
_Places = tuple[int, list[tuple[int, tuple[int, ...]]]]


def _search(needs: Sequence[_Need], bits: int, line: Line) -> tuple[int, ...] | None:
    """The first assignment of images that meets all needs, by backtracking over the row bits; None where there is none.

    A step is decided by the images of the row bits that it has: when the last of them is chosen, it must be independent
    of the need's steps that were decided before. Bits that no need has add nothing, those beyond `bits` have no image.
    """
    decided: list[list[_Places]] = [[] for _ in range(bits + 1)]
    used: set[int] = set()
    for need in dict.fromkeys(needs):
        rows = [tuple(bit for bit in range(bits) if row >> bit & 1) for row, _ in need.steps]
        unturned = [row * line.row_bytes ^ k * line.element_bytes for row, k in need.steps]
        used.update(*rows)
        last = [max((bit + 1 for bit in row), default=0) for row in rows]
        for level in set(last):
            steps = [step for step, at in zip(zip(unturned, rows, strict=True), last, strict=True) if at <= level]
            decided[level].append((need.width_bytes, steps))

    def extend(images: tuple[int, ...]) -> tuple[int, ...] | None:
        bit = len(images)
        if not all(_independent(places, images, line) for places in decided[bit]):
            return None
        if bit == bits:
            return images
        for image in line.images(bit) if bit in used else (0,):
            found = extend((*images, image))
            if found is not None:
                return found
        return None

    return extend(())


def _independent(places: _Places, images: tuple[int, ...], line: Line) -> bool:
    width, steps = places
    basis: list[int] = []
    for byte, row_bits in steps:
        for bit in row_bits:
            byte ^= images[bit] * line.chunk_bytes
        rest = byte % line.banks_bytes // width
        for one in basis:
            rest = min(rest, rest ^ one)
        if not rest:
            return False
        basis.append(rest)
    return True


def _rotated(bits: int, line: Line, start: int) -> tuple[int, ...]:
    width = _log2(min(line.row_bytes // line.chunk_bytes, line.chunks))
    return tuple(1 << bit - start if start <= bit < start + width else 0 for bit in range(bits))


def _log2(value: int) -> int:
    return value.bit_length() - 1
