"""The combine of a kernel on accumulator blocks: the linalg body, element by element, as vector ops in registers."""

from __future__ import annotations

from collections.abc import Callable

from mlir import ir
from mlir.dialects import arith

from rocfuse.analysis.problem import Problem
from rocfuse.analysis.store_tile import Staging
from rocfuse.bindings.vector import part_of
from rocfuse.fused_kernel import FusedKernel
from rocfuse.lowering import index_math as ix
from rocfuse.lowering.steps import action, step
from rocfuse.plan_attributes import KernelPlan


class Combine:
    """Emits reads of the extra operands, the body and the stores, by blocks of the accumulators and parts of them.

    `extras` and `outputs` are views of one batch, `origin` is the tile's (m, n), `buffer(kind, number, element)` makes
    the view of a planned LDS buffer. Where results go through a scratch, blocks are taken row by row of what is
    contiguous in the results, so that it is full after as few blocks as can be. Where lanes store what they hold,
    column by column: past the edge of an array each column has a mask, and those of a part are dead before the next.
    """

    def __init__(
        self,
        kernel: FusedKernel,
        problem: Problem,
        plan: KernelPlan,
        extras: list[ir.Value],
        outputs: list[ir.Value],
        origin: tuple[ix.Term, ix.Term],
        buffer: Callable[[str, int, ir.Type], ir.Value],
    ) -> None:
        self.kernel, self.plan, self.extras, self.outputs = kernel, plan, extras, outputs
        self.distinct = [problem.extras.index(access) for access in problem.extras]
        self.origin, self.buffer = origin, buffer
        self.lines: dict[int, ir.Value] = {}  # what each lane holds of a line, by extra operand; later the LDS view
        self.ahead: dict[int, ir.Value] = {}  # the next fill of each operand that comes through a scratch
        self.seen: dict[tuple[int, int, int, int], ir.Value] = {}  # by extra operand, block (i, j), first element
        self.elements = plan.instruction.accumulator_elements
        # The elements of a block that the body is computed for at once: a run of the layout. They are independent of
        # each other, which is enough for a SIMD to have something to issue; more would need more registers.
        size = plan.instruction.c_map.contiguous_registers("m")
        self.parts = [range(first, first + size) for first in range(0, self.elements, size)]
        blocks = [[(i, j) for j in range(plan.blocks_n)] for i in range(plan.blocks_m)]
        # rows of blocks along the results' direction
        self.rows = blocks if plan.along == "n" else [list(column) for column in zip(*blocks, strict=True)]

    def read_lines(self) -> None:
        """Load this lane's share of each line. They stand before the K loop, which hides how long they take."""
        self.place = [ix.value_of(term) for term in self.origin]
        for number in sorted(set(self.distinct)):
            line = self.plan.lines[number]
            if line is not None:
                kind = ir.VectorType.get([line.parts, line.vector], _element(self.extras[number]))
                self.lines[number] = step("line_read", [self.extras[number], *self.place], kind, extra=number)

    def emit(self, accumulators: list[list[ir.Value]]) -> None:
        """Everything behind the K loop. `accumulators[g][i * blocks_n + j]` is block (i, j) of product g."""
        plan = self.plan
        self.body = _Body(self.kernel, len(self.parts[0]))
        staged = {o: staging for o, staging in enumerate(plan.stagings) if staging}
        for number in sorted(set(self.distinct)):
            if plan.through[number] is not None:
                self.ahead[number] = self._load(number, 0)
        if self.lines or staged:
            action("begin_range")
        self._share_lines()
        if staged:
            self._by_rows(accumulators, staged)
        else:
            self._by_columns(accumulators)

    def _by_rows(self, accumulators: list[list[ir.Value]], staged: dict[int, Staging]) -> None:
        """Rows of blocks, each block's operands at once; a scratch is stored when it is full."""
        plan = self.plan
        scratch = {o: self.buffer("result", o, _element(self.outputs[o])) for o in staged}
        for row, blocks in enumerate(self.rows):
            for number in self.ahead:
                self._fetch(number, row)
            for block in blocks:
                others = [self._operand(number, block, range(self.elements)) for number in self.distinct]
                for part in self.parts:
                    # the backend would compute all parts at once, and hold what that takes
                    if len(self.parts) > 1:
                        action("keep_order")
                    here = [part_of(value, part.start, len(part)) for value in others]
                    self._part(accumulators, block, part, here, scratch)
            full = [o for o, staging in staged.items() if (row + 1) * plan.instruction.n % staging.rows == 0]
            if not full:
                continue
            action("wave_fence")
            for o in full:
                fill = row * plan.instruction.n // staged[o].rows
                action("stage_store", scratch[o], self.outputs[o], *self.place, output=o, fill=fill)
            if row + 1 < len(self.rows):
                action("wave_fence")

    def _by_columns(self, accumulators: list[list[ir.Value]]) -> None:
        """Columns of blocks, part by part; the operands of the next part are on their way meanwhile."""
        places = [(block, part) for column in zip(*self.rows, strict=True) for part in self.parts for block in column]

        def operands(at: int) -> list[ir.Value]:
            return [self._operand(number, *places[at]) for number in self.distinct] if at < len(places) else []

        ahead = operands(0)
        for at, (block, part) in enumerate(places):
            others, ahead = ahead, operands(at + 1)
            action("keep_order")
            self._part(accumulators, block, part, others, {})

    def _scratch(self, number: int) -> tuple[int, Staging]:
        """The output whose scratch an operand comes through, and its layout."""
        output = self.plan.through[number]
        staging = self.plan.stagings[output] if output is not None else None
        assert output is not None and staging is not None
        return output, staging

    def _load(self, number: int, fill: int) -> ir.Value:
        """Load the rows of one fill."""
        (output, staging), view = self._scratch(number), self.extras[number]
        kind = ir.VectorType.get([staging.parts, staging.vector], _element(view))
        return step("stage_load", [view, *self.place], kind, output=output, fill=fill)

    def _fetch(self, number: int, row: int) -> None:
        """Where a fill begins with a row of blocks, take its elements to where lanes need them, and load the next."""
        output, staging = self._scratch(number)
        rows = staging.rows // self.plan.instruction.n
        if row % rows:
            return
        view = self.buffer("result", output, _element(self.extras[number]))
        action("stage_fill", self.ahead[number], view, output=output)
        if row + rows < len(self.rows):
            self.ahead[number] = self._load(number, row // rows + 1)
        action("wave_fence")
        kind = ir.VectorType.get([self.elements], _element(self.extras[number]))
        for block in (one for line in self.rows[row : row + rows] for one in line):
            self.seen[number, block[0], block[1], 0] = step(
                "stage_read", [view], kind, output=output, block=list(block)
            )
        action("wave_fence")

    def _share_lines(self) -> None:
        """Lines go to LDS, where every lane of the workgroup finds what it needs."""
        for number, unit in self.lines.items():
            self.lines[number] = self.buffer("extra", number, _element(self.extras[number]))
            action("line_write", unit, self.lines[number], extra=number)
        if self.lines:
            action("barrier")

    def _part(
        self,
        accumulators: list[list[ir.Value]],
        block: tuple[int, int],
        part: range,
        others: list[ir.Value],
        scratch: dict[int, ir.Value],
    ) -> None:
        """The body on a part of one block of each product, and its results to where they are stored from."""
        i, j = block
        products = [part_of(blocks[i * self.plan.blocks_n + j], part.start, len(part)) for blocks in accumulators]
        results = self.body.on(products, others)
        for o, (value, view) in enumerate(zip(results, self.outputs, strict=True)):
            if o in scratch:
                action("stage_write", value, scratch[o], output=o, block=list(block), first=part.start)
            else:
                action("tile_write", value, view, *self.place, block=list(block), first=part.start)

    def _operand(self, number: int, block: tuple[int, int], part: range) -> ir.Value:
        """A part of a block of an extra operand; what does not depend on m (or n) is read once for all of them."""
        view = self.extras[number]
        strides = ir.StridedLayoutAttr(ir.MemRefType(view.type).layout).strides
        at = [position if stride else 0 for position, stride in zip(block, strides, strict=True)]
        first = part.start if strides[1 if self.plan.along == "n" else 0] else 0
        key = (number, at[0], at[1], first)
        if key not in self.seen:
            kind = ir.VectorType.get([len(part)], _element(view))
            if number in self.lines:
                self.seen[key] = step("line_fragment", [self.lines[number]], kind, extra=number, block=at, first=first)
            else:
                self.seen[key] = step("tile_read", [view, *self.place], kind, block=at, first=first)
        return self.seen[key]


def _element(view: ir.Value) -> ir.Type:
    return ir.MemRefType(view.type).element_type


class _Body:
    """The combine's scalar body with every scalar a vector of `width`: read once, emitted for each part.

    The vectors of its constants stand where it is made.
    """

    def __init__(self, kernel: FusedKernel, width: int) -> None:
        block = kernel.combine.regions[0].blocks[0]
        *ops, last = (view.operation for view in block.operations)
        self.arguments = list(zip(block.arguments, kernel.product_inputs, strict=False))
        self.constants: dict[ir.Value, ir.Value] = {}
        self.steps: list[tuple[ir.Operation, list[ir.Value], list[ir.Type], dict[str, ir.Attribute]]] = []
        self.yielded = list(last.operands)
        made = set(block.arguments)
        for op in ops:
            if op.name != "arith.constant":
                kinds = [ir.VectorType.get([width], result.type) for result in op.results]
                self.steps.append((op, list(op.operands), kinds, {name: op.attributes[name] for name in op.attributes}))
                made.update(op.results)
        read = [value for _, operands, *_ in self.steps for value in operands]
        for value in (*read, *self.yielded):
            if value not in made and value not in self.constants:  # of the body, or from outside of it
                self.constants[value] = _splat(value.owner, ir.VectorType.get([width], value.type))

    def on(self, products: list[ir.Value], others: list[ir.Value]) -> list[ir.Value]:
        """The results, of vectors of each product and of the other operands."""
        remaining = iter(others)
        values = dict(self.constants)
        for argument, product in self.arguments:
            values[argument] = products[product] if product >= 0 else next(remaining)
        for op, operands, kinds, attributes in self.steps:
            inputs = [values[value] for value in operands]
            clone = ir.Operation.create(op.name, results=kinds, operands=inputs, attributes=attributes, loc=op.location)
            values.update(zip(op.results, clone.results, strict=True))
        return [values[value] for value in self.yielded]


def _splat(op: ir.Operation | ir.OpView, kind: ir.VectorType) -> ir.Value:
    return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, op.attributes["value"]))
