"""What one lane does of the combine's steps: lines and results by way of LDS, blocks read and written directly."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mlir import ir
from mlir.dialects import memref, scf, vector

from rocfuse.analysis.combine import LineLoad
from rocfuse.analysis.store_tile import Staging
from rocfuse.bindings import llvm
from rocfuse.bindings.vector import part_of
from rocfuse.lowering import index_math as ix
from rocfuse.lowering.lanes import Chunk, Lanes
from rocfuse.lowering.memory import Resource, joined, masked_row, read_vector, write_vector
from rocfuse.lowering.steps import number
from rocfuse.plan_attributes import KernelPlan


class CombineSteps:
    """Lowers each step at the insertion point; `steps` has them by name. `resources` is filled before any is used.

    `early` are a lane's coordinates before the K loops, `later` makes those of the first step after them.
    """

    def __init__(
        self, plan: KernelPlan, early: Lanes, later: Callable[[], Lanes], resources: dict[ir.Value, Resource]
    ) -> None:
        self.plan, self.early, self.later, self.resources = plan, early, later, resources
        self.tile = (plan.tile_m, plan.tile_n)
        self.along = 1 if plan.along == "n" else 0  # which of (m, n) a lane's consecutive results run along
        # the lane's part of places in a scratch, by its layout: blocks and vectors differ from it by constants
        self._of_units: dict[Staging, tuple[ix.Term, int]] = {}
        self._of_vectors: dict[Staging, tuple[ix.Term, int]] = {}
        self._wide_places: dict[Staging, tuple[ix.Term, ix.Term]] = {}
        self.steps: dict[str, Callable[[ir.Operation], list[ir.Value]]] = {
            "rocfuse.line_read": self._line_read,
            "rocfuse.line_write": self._line_write,
            "rocfuse.line_fragment": self._line_fragment,
            "rocfuse.stage_write": self._stage_write,
            "rocfuse.stage_store": self._stage_store,
            "rocfuse.stage_load": self._stage_load,
            "rocfuse.stage_fill": self._stage_fill,
            "rocfuse.stage_read": self._stage_read,
            "rocfuse.wave_fence": self._wave_fence,
            "rocfuse.tile_read": self._tile_read,
            "rocfuse.tile_write": self._tile_write,
        }

    @property
    def lanes(self) -> Lanes:
        """The lane's coordinates in a step after the K loops."""
        return self.later()

    def _line(self, op: ir.Operation) -> LineLoad:
        line = self.plan.lines[number(op, "extra")]
        assert line is not None
        return line

    def _line_place(self, lanes: Lanes, line: LineLoad, part: int) -> tuple[ix.Term, bool]:
        """(element of the line, may it be past its end) of this thread's load number `part`."""
        first = ix.add(ix.mul(lanes.thread, line.vector), part * self.plan.threads * line.vector)
        return first, (part + 1) * self.plan.threads * line.vector > line.extent

    def _line_read(self, op: ir.Operation) -> list[ir.Value]:
        line, (view, m0, n0) = self._line(op), op.operands
        resource = self.resources[view]
        at = 0 if line.direction == "m" else 1
        parts = []
        for part in range(line.parts):
            place, beyond = self._line_place(self.early, line, part)
            inside = [ix.less(place, line.extent)] if beyond else []
            index: ix.Term = 0
            if line.direction:
                place = ix.add((m0, n0)[at], place)
                index = ix.mul(place, resource.strides[at])
                if resource.sizes[at] % line.extent:
                    inside.append(ix.less(place, resource.sizes[at]))
            for condition in inside:
                index = ix.select(condition, index, resource.extent)
            parts.append(read_vector(resource, index, line.vector))
        return [joined(parts, ir.VectorType(op.result.type))]

    def _line_write(self, op: ir.Operation) -> list[ir.Value]:
        line, (unit, buffer) = self._line(op), op.operands
        kind = ir.VectorType.get([line.vector], ir.VectorType(unit.type).element_type)
        for part in range(line.parts):
            place, beyond = self._line_place(self.lanes, line, part)
            value = vector.extract(unit, [], [part]) if line.vector > 1 else None
            if value is None:
                value = vector.from_elements(kind, [vector.extract(unit, [], [part, 0])])
            if not beyond:
                write_vector(value, buffer, place)
                continue
            branch = scf.IfOp(ix.less(place, line.extent))
            with ir.InsertionPoint(branch.then_block):
                write_vector(value, buffer, place)
                scf.yield_([])
        return []

    def _line_fragment(self, op: ir.Operation) -> list[ir.Value]:
        line, buffer = self._line(op), op.operands[0]
        kind = ir.VectorType(op.result.type)
        parts: list[ir.Value] = []
        for chunk in self._chunks(op, op.result):
            place = chunk.m if line.direction == "m" else chunk.n
            if line.direction == self.plan.along:
                parts.append(_load(buffer, place, chunk.width, kind.element_type))
                continue
            single = _load(buffer, place if line.direction else 0, 1, kind.element_type)
            parts += [single] * chunk.width
        return [joined(parts, kind)]

    def _stage_write(self, op: ir.Operation) -> list[ir.Value]:
        value, buffer = op.operands
        staging, part = self._staging(op), _part(op, value)
        for first, index in self._units(staging, _block(op)):
            if first in part:
                write_vector(part_of(value, first - part.start, staging.unit), buffer, index)
        return []

    def _stage_read(self, op: ir.Operation) -> list[ir.Value]:
        staging, kind = self._staging(op), ir.VectorType(op.result.type)
        indices = [index for _, index in self._units(staging, _block(op))]
        return [joined([_load(op.operands[0], index, staging.unit, kind.element_type) for index in indices], kind)]

    def _stage_store(self, op: ir.Operation) -> list[ir.Value]:
        buffer, view, m0, n0 = op.operands
        staging, resource = self._staging(op), self.resources[view]
        element = ir.MemRefType(buffer.type).element_type
        for part in range(staging.parts):
            index, turned = self._vector(staging, part)
            value = _turn(_load(buffer, index, staging.vector, element), turned)
            write_vector(value, resource.buffer, self._place(op, staging, resource, (m0, n0), part))
        return []

    def _stage_load(self, op: ir.Operation) -> list[ir.Value]:
        view, m0, n0 = op.operands
        staging, resource = self._staging(op), self.resources[view]
        places = [self._place(op, staging, resource, (m0, n0), part) for part in range(staging.parts)]
        return [joined([read_vector(resource, place, staging.vector) for place in places], op.result.type)]

    def _stage_fill(self, op: ir.Operation) -> list[ir.Value]:
        unit, buffer = op.operands
        staging = self._staging(op)
        for part in range(staging.parts):
            index, turned = self._vector(staging, part)
            write_vector(_turn(vector.extract(unit, [], [part]), turned), buffer, index)
        return []

    def _chunks(self, op: ir.Operation, value: ir.Value) -> Iterator[Chunk]:
        """The runs of a block that the step's value has."""
        part = _part(op, value)
        return (one for one in self.lanes.chunks(*_block(op)) if one.first in part)

    def _units(self, staging: Staging, block: tuple[int, int]) -> Iterator[tuple[int, ix.Term]]:
        """(first register, offset in the scratch) of each unit that this lane holds of a block."""
        row = self.plan.instruction
        across, along = block[1 - self.along], block[self.along]
        if staging not in self._of_units:
            lane = (self.lanes.c_row, self.lanes.c_column)
            places = lane[1 - self.along], lane[self.along]
            self._of_units[staging] = self._scratch(staging, *places, row.n - 1, row.m - 1)
        base, moving = self._of_units[staging]
        for first in range(0, row.accumulator_elements, staging.unit):
            column, line = row.c_map.register_part(first)
            fixed = staging.offset(across * row.n % staging.rows + line, along * row.m + column)
            yield first, _moved(base, fixed, moving)

    def _vector(self, staging: Staging, part: int) -> tuple[ix.Term, int]:
        """Offset in the scratch of this lane's vector number `part`, and by how much its elements are turned."""
        if staging not in self._of_vectors:
            reach = sum(staging.lane_rows), staging.columns - staging.vector
            self._of_vectors[staging] = self._scratch(staging, *self._wide(staging), *reach)
        base, moving = self._of_vectors[staging]
        fixed = staging.offset(staging.part_row(part), 0)
        turned = fixed % staging.vector
        return _moved(base, fixed - turned, moving), turned

    def _place(
        self, op: ir.Operation, staging: Staging, resource: Resource, origin: tuple[ix.Term, ix.Term], part: int
    ) -> ix.Term:
        """Where vector number `part` of a fill is in an array: past its end where it is outside."""
        row, column = self._wide(staging)
        at = [ix.add(origin[0], self.lanes.wave_row["a"]), ix.add(origin[1], self.lanes.wave_row["b"])]
        first = number(op, "fill") * staging.rows + staging.part_row(part)
        at[1 - self.along] = ix.add(at[1 - self.along], row, first)
        at[self.along] = ix.add(at[self.along], column)
        index = ix.add(ix.mul(at[0], resource.strides[0]), ix.mul(at[1], resource.strides[1]))
        return masked_row(resource, index, (at[0], at[1]), self.tile)

    def _wide(self, staging: Staging) -> tuple[ix.Term, ix.Term]:
        """The lane's (row, column) in the scratch where it moves whole vectors."""
        if staging not in self._wide_places:
            bits = _log2(staging.columns // staging.vector)
            row = self._lane_row(staging, bits)
            self._wide_places[staging] = row, ix.mul(ix.mask(self.lanes.lane, bits), staging.vector)
        return self._wide_places[staging]

    def _staging(self, op: ir.Operation) -> Staging:
        staging = self.plan.stagings[number(op, "output")]
        assert staging is not None
        return staging

    def _lane_row(self, staging: Staging, first_bit: int) -> ix.Term:
        """The lane's row of a read: its bits from `first_bit` on, each worth a step of `lane_rows`."""
        terms: list[ix.Term] = []
        for bit, step in enumerate(staging.lane_rows, first_bit):
            terms.append(ix.mul(ix.mask(ix.shift_right(self.lanes.lane, bit), 1), step))
        return ix.add(*terms)

    def _scratch(self, staging: Staging, row: ix.Term, column: ix.Term, rows: int, columns: int) -> tuple[ix.Term, int]:
        """The lane's offset in the block of all waves' scratches, and the bits of it that may be set below a scratch.

        `rows` and `columns` are the bits that the lane's row and column may have.
        """
        turn = ix.shift_left(self.lanes.turn(row, staging.images), _log2(staging.unit))
        base = ix.xor(ix.add(ix.mul(row, staging.columns), column), turn)
        moving = rows * staging.columns | columns
        for bit, image in enumerate(staging.images):
            moving |= image * staging.unit if rows >> bit & 1 else 0
        return ix.add(ix.mul(self.lanes.wave, staging.elements), base), moving

    def _wave_fence(self, op: ir.Operation) -> list[ir.Value]:
        """LDS takes the accesses of a wave in order; this keeps the compiler from changing it. No instruction."""
        llvm.fence("wavefront")
        return []

    def _tile_read(self, op: ir.Operation) -> list[ir.Value]:
        view, m0, n0 = op.operands
        resource = self.resources[view]
        parts: list[ir.Value] = []
        for chunk in self._chunks(op, op.result):
            m, n = ix.add(m0, chunk.m), ix.add(n0, chunk.n)
            stride = resource.strides[1 if self.plan.along == "n" else 0]
            base = ix.add(ix.mul(m, resource.strides[0]), ix.mul(n, resource.strides[1]))
            width = chunk.width if stride == 1 else 1
            width = min(width, resource.vector)
            for first in range(0, chunk.width, width):
                if stride == 0 and first > 0:
                    parts.append(parts[-1])
                    continue
                # Past the end this would be the address where the next view of the same array starts. LLVM does not
                # know that the two views end at different places, and would reuse the zero that is read here.
                at = (m, ix.add(n, first)) if self.plan.along == "n" else (ix.add(m, first), n)
                index = ix.add(base, first * stride)
                index = masked_row(resource, index, at, self.tile)
                parts.append(read_vector(resource, index, width))
        return [joined(parts, ir.VectorType(op.result.type))]

    def _tile_write(self, op: ir.Operation) -> list[ir.Value]:
        value, view, m0, n0 = op.operands
        resource, part = self.resources[view], _part(op, value)
        along = self.along
        for chunk in self._chunks(op, value):
            m, n = ix.add(m0, chunk.m), ix.add(n0, chunk.n)
            stride = resource.strides[along]
            width = min(chunk.width, resource.vector) if stride == 1 else 1
            for first in range(0, chunk.width, width):
                at = (ix.add(m, first), n) if along == 0 else (m, ix.add(n, first))
                index = ix.add(ix.mul(at[0], resource.strides[0]), ix.mul(at[1], resource.strides[1]))
                index = masked_row(resource, index, at, self.tile)
                write_vector(part_of(value, chunk.first - part.start + first, width), resource.buffer, index)
        return []


def _moved(base: ix.Term, fixed: int, moving: int) -> ix.Term:
    """base ^ fixed, where `moving` are the bits that may be set in base: the others are added, into the immediate."""
    return ix.add(ix.xor(base, fixed & moving), fixed & ~moving)


def _turn(value: ir.Value, turned: int) -> ir.Value:
    """The elements of a vector by XOR of their number."""
    if not turned:
        return value
    return vector.shuffle(value, value, [at ^ turned for at in range(ir.VectorType(value.type).shape[0])])


def _load(buffer: ir.Value, index: ix.Term, width: int, element: ir.Type) -> ir.Value:
    """Load `width` elements of a flat LDS buffer, aligned to their size."""
    kind = ir.VectorType.get([width], element)
    if width == 1:
        return vector.from_elements(kind, [memref.load(buffer, [ix.to_index(index)])])
    return vector.load(kind, buffer, [ix.to_index(index)], alignment=width * element.width // 8)


def _part(op: ir.Operation, value: ir.Value) -> range:
    """Which of a lane's elements of a block a value has."""
    first = number(op, "first")
    return range(first, first + ir.VectorType(value.type).shape[0])


def _block(op: ir.Operation) -> tuple[int, int]:
    i, j = (ir.IntegerAttr(one).value for one in ir.ArrayAttr(op.attributes["block"]))
    return i, j


def _log2(value: int) -> int:
    return value.bit_length() - 1
