"""Evaluate a linalg-on-tensors function with numpy, box by box, for programs too large for the execution engine.

A box is a (start, stop) for each dim of a value. To get a box of a result, the boxes of the operands that it needs are
evaluated first, and nothing else: a band of a full-size layer costs a band's work. f32 and f64 contractions are BLAS
calls, everything else is what the IR says, op by op (scalar_ops.py). An f32 contraction therefore accumulates in BLAS's
order, not in increasing k; a contraction with narrower accumulators is a loop over k that rounds at each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from mlir import ir

from rocfuse.diagnostics import CompileError
from rocfuse.sim import cpu, scalar_ops
from rocfuse.sim.shapes import SHAPE_OPS, Box, whole

GENERALIZE = "func.func(convert-elementwise-to-linalg,linalg-generalize-named-ops),cse"
_BAND_ELEMENTS = 1 << 22  # of a result that are evaluated together
_CHUNK_ELEMENTS = 1 << 20  # of a body that are evaluated together, so that they stay in cache


def evaluate(
    module: ir.Module, arrays: Sequence[np.ndarray], band: Box | None = None, name: str = ""
) -> list[np.ndarray]:
    """The results of a function (or a band of each), in the IR's types; `module` is generalized in place.

    Raises CompileError for an op that is not known here.
    """
    cpu.run_passes(module, GENERALIZE)
    function = cpu.entry_function(module, name)
    arguments = cpu.check_arguments(function, arrays)
    block = function.regions[0].blocks[0]
    returned = list(list(block.operations)[-1].operation.operands)
    evaluator = Evaluator(dict(zip(block.arguments, arguments, strict=True)))
    return [evaluator.assemble(value, band or whole(value)) for value in returned]


class Evaluator:
    """Reads boxes of the values of one function, whose arguments are given."""

    def __init__(self, arguments: dict[ir.Value, np.ndarray]) -> None:
        self.arguments = arguments
        self._kept: dict[ir.Value, tuple[Box, np.ndarray]] = {}

    def assemble(self, value: ir.Value, box: Box) -> np.ndarray:
        """A box of a value, evaluated in bands of rows so that no intermediate is large."""
        shape = tuple(stop - start for start, stop in box)
        result = np.empty(shape, cpu.numpy_type(ir.RankedTensorType(value.type).element_type))
        for band in _bands(box):
            place = tuple(slice(a - c, b - c) for (a, b), (c, _) in zip(band, box, strict=True))
            result[place] = self.read(value, band)
            # what does not depend on the band (weights, say) is asked for whole, and is kept
            self._kept = {one: kept for one, kept in self._kept.items() if kept[0] == whole(one)}
        return result

    def read(self, value: ir.Value, box: Box) -> np.ndarray:
        """A box of a value in its own element type. The array may be a view: it is not to be written."""
        if value in self.arguments:
            return self.arguments[value][tuple(slice(*one) for one in box)]
        if value in self._kept:
            kept, array = self._kept[value]
            if all(a <= c and d <= b for (a, b), (c, d) in zip(kept, box, strict=True)):
                return array[tuple(slice(c - a, d - a) for (a, _), (c, d) in zip(kept, box, strict=True))]
        op = value.owner.operation
        if op.name == "linalg.generic":
            self._kept.update({one: (box, array) for one, array in _Generic(self, op).evaluate(value, box).items()})
            return self._kept[value][1]
        if op.name not in SHAPE_OPS:
            raise CompileError(f"the numpy reference does not know '{op.name}'", str(op.location))
        array = SHAPE_OPS[op.name](op, box, self.read)
        self._kept[value] = (box, array)
        return array

    def scalar(self, value: ir.Value) -> np.ndarray:
        """A scalar outside of any body, as it is held."""
        op = value.owner.operation
        if op.name == "arith.constant":
            attribute = op.attributes["value"]
            return np.asarray(attribute.value, scalar_ops.held_type(str(value.type)))
        return scalar_ops.evaluate(op, [self.scalar(operand) for operand in op.operands])


def _bands(box: Box) -> Iterator[Box]:
    """Cut a box along its leading dims into boxes of at most _BAND_ELEMENTS."""
    sizes = [stop - start for start, stop in box]
    for dim, (start, stop) in enumerate(box):
        inner = math.prod(sizes[dim + 1 :])
        if sizes[dim] > 1 and sizes[dim] * inner > _BAND_ELEMENTS:
            step = max(1, _BAND_ELEMENTS // max(1, inner))
            for first in range(start, stop, step):
                yield from _bands((*box[:dim], (first, min(stop, first + step)), *box[dim + 1 :]))
            return
    yield box


class _Generic:
    """One linalg.generic: its maps, its iterators, its body."""

    def __init__(self, evaluator: Evaluator, op: ir.Operation) -> None:
        self.evaluator, self.op = evaluator, op
        self.maps = [ir.AffineMapAttr(one).value for one in ir.ArrayAttr(op.attributes["indexing_maps"])]
        self.body = op.regions[0].blocks[0]
        self.outputs = len(op.results)
        self.inputs = len(self.maps) - self.outputs
        iterators = ir.ArrayAttr(op.attributes["iterator_types"])
        self.reduced = [number for number, one in enumerate(iterators) if "reduction" in str(one)]
        self.used = {operand for inner in self.body.operations for operand in inner.operation.operands}

    def evaluate(self, value: ir.Value, box: Box) -> dict[ir.Value, np.ndarray]:
        """A box of one result, and of those that are indexed alike."""
        index = next(number for number, one in enumerate(self.op.results) if one == value)
        ranges = self._ranges(self.maps[self.inputs + index], box)
        split = self._contraction() if self.reduced else None
        if split:
            arrays = [self._contract(ranges, *split)]
        else:
            arrays = self._reduce(ranges) if self.reduced else self._copied(ranges) or self._parallel(ranges)
        pairs = zip(self.op.results, self.maps[self.inputs :], arrays, strict=True)
        return {one: array for one, indexing, array in pairs if indexing == self.maps[self.inputs + index]}

    def _ranges(self, indexing: ir.AffineMap, box: Box) -> list[tuple[int, int]]:
        """The loop ranges that make a box of an output; reduced loops are whole."""
        ranges: list[tuple[int, int]] = [(0, 0)] * self.maps[0].n_dims
        for operand, one in zip(self.op.operands, self.maps, strict=True):
            for position, expression in enumerate(one.results):
                if isinstance(expression, ir.AffineDimExpr):
                    extent = ir.RankedTensorType(operand.type).shape[position]
                    ranges[expression.position] = (0, extent)
        for expression, one in zip(indexing.results, box, strict=True):
            if isinstance(expression, ir.AffineDimExpr):
                ranges[expression.position] = one
            elif one != (0, 1):
                raise CompileError("the numpy reference needs outputs indexed by loop dims", str(self.op.location))
        return ranges

    def _operand(self, number: int, ranges: list[tuple[int, int]], held: bool = True) -> np.ndarray:
        """Operand `number` on loop ranges, one axis a loop (1 long where it does not depend on the loop), as held."""
        value = self.op.operands[number]
        if not isinstance(value.type, ir.RankedTensorType):
            return self.evaluator.scalar(value)
        kind = str(ir.RankedTensorType(value.type).element_type)
        expressions = list(self.maps[number].results)
        indices = [_affine(expression, ranges) for expression in expressions]
        box = tuple((int(index.min()), int(index.max()) + 1) for index in indices)
        array = self.evaluator.read(value, box)
        loops = [one.position if isinstance(one, ir.AffineDimExpr) else -1 for one in expressions]
        if all(loop >= 0 for loop in loops) and len(set(loops)) == len(loops):
            order = sorted(range(len(loops)), key=lambda axis: loops[axis])
            shape = [stop - start if loop in loops else 1 for loop, (start, stop) in enumerate(ranges)]
            moved = array.transpose(order).reshape(shape)
            return scalar_ops.hold(moved, kind) if held else moved
        gathered = array[tuple(index - start for index, (start, _) in zip(indices, box, strict=True))]
        moved = gathered.reshape((1,) * (len(ranges) - gathered.ndim) + gathered.shape)
        return scalar_ops.hold(moved, kind) if held else moved

    def _copied(self, ranges: list[tuple[int, int]]) -> list[np.ndarray] | None:
        """The result of a body that only yields its input (a transpose, say), as a view."""
        value = self.op.operands[0]
        yielded = self.body.operations[0].operation.operands
        if len(self.body.operations) > 1 or self.outputs > 1 or not isinstance(value.type, ir.RankedTensorType):
            return None
        if yielded[0] != self.body.arguments[0] or not self.inputs:
            return None
        shape = [stop - start for start, stop in ranges]
        return self._to_outputs([np.broadcast_to(self._operand(0, ranges, held=False), shape)])

    def _parallel(self, ranges: list[tuple[int, int]]) -> list[np.ndarray]:
        shape = tuple(stop - start for start, stop in ranges)
        results = [np.empty(shape, cpu.numpy_type(self._kind(number))) for number in range(self.outputs)]
        if 0 in shape:
            return self._to_outputs(results)
        operands = [self._operand(number, ranges) for number in self._wanted()]
        axis = int(np.argmax(shape)) if shape else 0
        step = max(1, _CHUNK_ELEMENTS * shape[axis] // math.prod(shape)) if shape else 1
        for first in range(0, shape[axis] if shape else 1, step):
            place = (slice(None),) * axis + (slice(first, first + step),) if shape else ()
            parts = [one[place] if one.ndim > axis and one.shape[axis] > 1 else one for one in operands]
            values = dict(zip((self.body.arguments[number] for number in self._wanted()), parts, strict=True))
            part = list(ranges)
            if shape:
                part[axis] = (ranges[axis][0] + first, min(ranges[axis][1], ranges[axis][0] + first + step))
            for result, array in zip(results, self._run(values, part), strict=True):
                result[place] = array
        return self._to_outputs(results)

    def _reduce(self, ranges: list[tuple[int, int]]) -> list[np.ndarray]:
        """Any reduction, one step of the reduced loops after another, in order."""
        accumulators = [self._initial(number, ranges) for number in range(self.outputs)]
        for step in np.ndindex(*(ranges[loop][1] - ranges[loop][0] for loop in self.reduced)):
            part = list(ranges)
            for loop, offset in zip(self.reduced, step, strict=True):
                part[loop] = (ranges[loop][0] + offset, ranges[loop][0] + offset + 1)
            values = {}
            for number in self._wanted():
                output = number - self.inputs
                values[self.body.arguments[number]] = (
                    accumulators[output] if output >= 0 else self._operand(number, part)
                )
            accumulators = self._run(values, part)
        shape = [1 if loop in self.reduced else stop - start for loop, (start, stop) in enumerate(ranges)]
        return self._to_outputs([np.broadcast_to(one, shape) for one in accumulators])

    def _contraction(self) -> tuple[ir.Value, ir.Value] | None:
        """The two factors if the body adds the product of two f32 or f64 numbers to its one output."""
        ops = [one.operation for one in self.body.operations]
        last = ops[-1].operands[0].owner if self.outputs == 1 else None
        if not isinstance(last, (ir.Operation, ir.OpView)) or last.operation.name != "arith.addf":
            return None
        output = self.body.arguments[self.inputs]
        terms = list(last.operation.operands)
        others = [one for one in terms if one != output]
        if len(others) != 1 or str(output.type) not in ("f32", "f64"):
            return None
        product = others[0].owner
        if not isinstance(product, (ir.Operation, ir.OpView)) or product.operation.name != "arith.mulf":
            return None
        factors = list(product.operation.operands)
        sources = [_sources(factor, self.body) for factor in factors]
        if any(len(one) != 1 or self.inputs in one for one in sources):
            return None
        loops = [
            {one.position for one in self.maps[number].results if isinstance(one, ir.AffineDimExpr)}
            for (number,) in sources
        ]
        outer = {one.position for one in self.maps[self.inputs].results if isinstance(one, ir.AffineDimExpr)}
        if any(len(one) != len(self.maps[number].results) for one, (number,) in zip(loops, sources, strict=True)):
            return None
        return (
            (factors[0], factors[1])
            if set(self.reduced) <= loops[0] & loops[1] and outer <= loops[0] | loops[1]
            else None
        )

    def _contract(self, ranges: list[tuple[int, int]], left: ir.Value, right: ir.Value) -> np.ndarray:
        """A contraction as a batched matrix product of (batch, m, k) and (batch, k, n)."""
        sides = []
        for factor in (left, right):
            (number,) = _sources(factor, self.body)
            values = {self.body.arguments[number]: self._operand(number, ranges)}
            sides.append(self._value(factor, values, ranges))
        a, b = sides
        loops = range(len(ranges))
        inner = list(self.reduced)
        batch = [loop for loop in loops if loop not in inner and a.shape[loop] > 1 and b.shape[loop] > 1]
        rows = [loop for loop in loops if loop not in inner and loop not in batch and a.shape[loop] > 1]
        columns = [loop for loop in loops if loop not in (*inner, *batch, *rows)]

        def matrix(array: np.ndarray, *groups: list[int]) -> np.ndarray:
            order = [loop for group in groups for loop in group]
            rest = [loop for loop in loops if loop not in order]
            shape = [math.prod(array.shape[loop] for loop in group) for group in groups]
            return array.transpose([*order, *rest]).reshape(shape)

        product = matrix(a, batch, rows, inner) @ matrix(b, batch, inner, columns)
        sizes = [ranges[loop][1] - ranges[loop][0] for loop in (*batch, *rows, *columns)]
        ordered = np.argsort([*batch, *rows, *columns])
        full = product.reshape(sizes).transpose(ordered)
        for loop in inner:
            full = np.expand_dims(full, loop)
        return self._to_outputs([full + self._initial(0, ranges)])[0]

    def _initial(self, output: int, ranges: list[tuple[int, int]]) -> np.ndarray:
        part = [(0, 1) if loop in self.reduced else one for loop, one in enumerate(ranges)]
        return self._operand(self.inputs + output, part)

    def _wanted(self) -> list[int]:
        """The operands that the body uses."""
        return [number for number, one in enumerate(self.body.arguments) if one in self.used]

    def _run(self, values: dict[ir.Value, np.ndarray], ranges: list[tuple[int, int]]) -> list[np.ndarray]:
        return [self._value(one, values, ranges) for one in list(self.body.operations)[-1].operation.operands]

    def _value(self, value: ir.Value, values: dict[ir.Value, np.ndarray], ranges: list[tuple[int, int]]) -> np.ndarray:
        """A value of the body, remembered in `values`."""
        if value not in values:
            op = value.owner.operation
            if op.name == "linalg.index":
                dim = ir.IntegerAttr(op.attributes["dim"]).value
                shape = [-1 if loop == dim else 1 for loop in range(len(ranges))]
                values[value] = np.arange(*ranges[dim]).reshape(shape)
            elif op.block != self.body or op.name == "arith.constant":
                values[value] = self.evaluator.scalar(value)
            else:
                values[value] = scalar_ops.evaluate(op, [self._value(one, values, ranges) for one in op.operands])
        return values[value]

    def _kind(self, output: int) -> ir.Type:
        return ir.RankedTensorType(self.op.results[output].type).element_type

    def _to_outputs(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Arrays over the loops as the outputs index them, in their types."""
        results = []
        for number, array in enumerate(arrays):
            loops = [
                one.position for one in self.maps[self.inputs + number].results if isinstance(one, ir.AffineDimExpr)
            ]
            rest = [loop for loop in range(array.ndim) if loop not in loops]
            moved = array.transpose([*loops, *rest]).reshape([array.shape[loop] for loop in loops])
            shape = ir.RankedTensorType(self.op.results[number].type).shape
            if len(shape) != len(loops):
                moved = moved.reshape([1] * (len(shape) - len(loops)) + list(moved.shape))
            with np.errstate(over="ignore", invalid="ignore"):
                results.append(moved.astype(cpu.numpy_type(self._kind(number)), copy=False))
        return results


def _sources(value: ir.Value, body: ir.Block) -> set[int]:
    """The numbers of the block arguments that a value of the body depends on."""
    if isinstance(value.owner, ir.Block):
        return {ir.BlockArgument(value).arg_number} if value.owner == body else set()
    return {number for operand in value.owner.operation.operands for number in _sources(operand, body)}


def _affine(expression: ir.AffineExpr, ranges: list[tuple[int, int]]) -> np.ndarray:
    """An index expression at every point of the loops it depends on, one axis a loop."""
    if isinstance(expression, ir.AffineDimExpr):
        shape = [-1 if loop == expression.position else 1 for loop in range(len(ranges))]
        return np.arange(*ranges[expression.position]).reshape(shape)
    if isinstance(expression, ir.AffineConstantExpr):
        return np.full([1] * len(ranges), expression.value)
    operations: dict[type, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
        ir.AffineAddExpr: np.add,
        ir.AffineMulExpr: np.multiply,
        ir.AffineFloorDivExpr: np.floor_divide,
        ir.AffineModExpr: np.mod,
    }
    for kind, operation in operations.items():
        if isinstance(expression, kind):
            two = ir.AffineBinaryExpr(expression)
            return operation(_affine(two.lhs, ranges), _affine(two.rhs, ranges))
    raise CompileError(f"the numpy reference does not know the index expression {expression}")
