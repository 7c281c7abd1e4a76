"""Linear maps from hardware indices (lane, register) to matrix coordinates.

A matrix instruction scatters its operands over lanes and registers. Every CDNA and RDNA instruction we know does so
linearly over the bits of the two indices, so a map is a table: bit of lane or register -> coordinate step. The same
table evaluates on numbers (tests, planning) and emits index arithmetic (lowering), so no lane formula is written twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from rocfuse.records import record


@record
class BitField:
    """A run of input bits that moves as one: ((index >> source) & mask) << destination."""

    source_bit: int
    width: int
    destination_bit: int


@record
class LinearMap:
    """(lane, register) -> coordinates, by the step that each bit adds.

    `lane_bits[i][d]` and `register_bits[i][d]` are what bit i adds to coordinate d. A step is 0 or a power of two and
    no two bits of one map add the same step to the same coordinate, so sums never carry.
    """

    dims: tuple[str, ...]
    lane_bits: tuple[tuple[int, ...], ...]
    register_bits: tuple[tuple[int, ...], ...]

    @property
    def lanes(self) -> int:
        """Number of lanes that the map covers (a wave)."""
        return 1 << len(self.lane_bits)

    @cached_property
    def registers(self) -> int:
        """Number of elements that each lane holds."""
        return 1 << len(self.register_bits)

    def __call__(self, lane: int, register: int) -> tuple[int, ...]:
        """Coordinates of element `register` of `lane`, in the order of `dims`."""
        return tuple(
            a + b for a, b in zip(self._evaluate(self.lane_bits, lane), self.register_part(register), strict=True)
        )

    def register_part(self, register: int) -> tuple[int, ...]:
        """What the register index alone adds to each coordinate (a compile-time constant)."""
        return self._evaluate(self.register_bits, register)

    def _evaluate(self, bits: tuple[tuple[int, ...], ...], index: int) -> tuple[int, ...]:
        total = [0] * len(self.dims)
        for bit in _set_bits(index):
            total = [value + step for value, step in zip(total, bits[bit], strict=True)]
        return tuple(total)

    def lane_fields(self, dim: str) -> tuple[BitField, ...]:
        """The lane's share of one coordinate as the fewest shifted bit runs; their values are disjoint bits."""
        d = self.dims.index(dim)
        fields: list[BitField] = []
        for bit, steps in enumerate(self.lane_bits):
            if not steps[d]:
                continue
            destination = steps[d].bit_length() - 1
            last = fields[-1] if fields else None
            follows = last and (last.source_bit + last.width, last.destination_bit + last.width) == (bit, destination)
            if last and follows:
                fields[-1] = BitField(last.source_bit, last.width + 1, last.destination_bit)
            else:
                fields.append(BitField(bit, 1, destination))
        return tuple(fields)

    def contiguous_registers(self, dim: str) -> int:
        """How many registers in a row hold consecutive elements along `dim` (the natural vector width)."""
        d = self.dims.index(dim)
        width = 1
        for steps in self.register_bits:
            if steps[d] != width or any(step for i, step in enumerate(steps) if i != d):
                break
            width *= 2
        return width


def linear_map(dims: Sequence[str], lane: Sequence[str], register: Sequence[str]) -> LinearMap:
    """Build a map from the ISA guide's words: for each bit, `"m4"` (adds 4 to m) or `""` (adds nothing)."""

    def row(text: str) -> tuple[int, ...]:
        return tuple(int(text[1:]) if text and text[0] == dim else 0 for dim in dims)

    return LinearMap(tuple(dims), tuple(map(row, lane)), tuple(map(row, register)))


def _set_bits(index: int) -> Iterator[int]:
    bit = 0
    while index >> bit:
        if index >> bit & 1:
            yield bit
        bit += 1
