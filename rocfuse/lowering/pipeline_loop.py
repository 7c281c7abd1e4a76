"""rocfuse-pipeline-loop: the K loop's steps in the planned order, tiles brought in ahead of their use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlir import ir
from mlir.dialects import arith, memref, scf

from rocfuse.analysis import schedule
from rocfuse.analysis.schedule import Shape, Slot
from rocfuse.dialect import PLAN, walk
from rocfuse.lowering.index_math import constant
from rocfuse.lowering.steps import Masked, action, copied, keep_loop, number, share_of
from rocfuse.passes import Pass, PassContext, register
from rocfuse.plan_attributes import RANGE, KernelPlan, read_plan

_STEPS = ("rocfuse.global_read", "rocfuse.lds_write", "rocfuse.barrier", "rocfuse.fragment_read", "rocfuse.mma")


@register
@dataclass(frozen=True)
class PipelineLoop(Pass):
    """Reorder the K loop by the plan's schedule: reads ahead of writes ahead of matrix work, one or more LDS stages.

    A prologue fills the stages, the loop multiplies one tile while it brings in later ones, an epilogue drains. A
    schedule of `plain` is left as it is.

        scf.for %k … { global_read; barrier; lds_write; barrier; fragment_read; mma }
      →
        global_read; global_read; lds_write; barrier; fragment_read                       // prologue
        scf.for %k … iter_args(acc, fragments, units) {
          wait; mma; fragment_read; mma; …; barrier; lds_write; global_read; mma; …; barrier; fragment_read }
        wait; mma; …                                                                      // epilogue
    """

    name = "rocfuse-pipeline-loop"
    requires = ("blockwise",)
    ensures = ("blockwise",)

    def run(self, module: ir.Module, context: PassContext) -> None:
        """Pipeline the loop of every kernel whose plan says so."""
        for func in list(walk(module, "gpu.func")):
            plan = read_plan(ir.DictAttr(func.attributes[PLAN]), context.target)
            if plan.schedule == "plain":
                continue
            for k_range in range(_ranges(func)):
                tiles = _read_tiles(func, k_range)
                with module.context, func.location:
                    _Pipeline(plan, tiles, func).run()


@dataclass
class _Tiles:
    """The plain K range: a loop over whole tiles and perhaps one masked tile after it."""

    loop: ir.Operation | None
    tail: list[ir.Operation]  # steps of the masked tile
    whole: int  # whole tiles
    accumulators: list[ir.Value]  # before the range
    template: list[ir.Operation] = field(default_factory=list)  # the steps of one tile


def _ranges(func: ir.Operation) -> int:
    """How many K ranges a plain kernel has."""
    found = [op.operation for op in func.regions[0].blocks[0].operations]
    return 1 + max(number(op, RANGE) for op in found if RANGE in op.attributes)


def _read_tiles(func: ir.Operation, range_number: int) -> _Tiles:
    every = [op.operation for op in func.regions[0].blocks[0].operations]
    ops = [op for op in every if RANGE in op.attributes and number(op, RANGE) == range_number]
    loop = next((op for op in ops if op.name == "scf.for"), None)
    tail = [op for op in ops if op.name in _STEPS]
    if loop is None:
        accumulators = [op.operands[2] for op in tail if op.name == "rocfuse.mma"]
        first = [value for value in accumulators if value.owner.name == "arith.constant"]
        return _Tiles(None, tail, 0, first, tail)
    steps = [op.operation for op in loop.regions[0].blocks[0].operations if op.operation.name in _STEPS]
    lower, upper, step = (ir.IntegerAttr(value.owner.attributes["value"]).value for value in loop.operands[:3])
    return _Tiles(loop, tail, (upper - lower) // step, list(loop.operands)[3:], steps)


class _Pipeline:
    """Rebuilds the K range from the steps of one tile."""

    def __init__(self, plan: KernelPlan, tiles: _Tiles, func: ir.Operation) -> None:
        self.plan, self.tiles, self.func = plan, tiles, func
        named = {name: [op for op in tiles.template if op.name == name] for name in _STEPS}
        self.reads, self.writes = named["rocfuse.global_read"], named["rocfuse.lds_write"]
        slices: dict[int, list[ir.Operation]] = {}
        for op in named["rocfuse.fragment_read"]:
            slices.setdefault(number(op, "k_slice"), []).append(op)
        self.fragments = [slices[s] for s in sorted(slices)]
        count, self.mmas = len(self.fragments), named["rocfuse.mma"]
        self.per_slice = len(self.mmas) // count
        self.shape = Shape(count, self.per_slice, len(self.fragments[0]), len(self.writes), plan.stages)
        self.total = tiles.whole + (1 if tiles.tail else 0)
        self.buffers = self._stage_buffers()
        self.ordered = plan.schedule in schedule.ORDERED

    def run(self) -> None:
        first = self.tiles.loop or self.tiles.tail[0]
        with ir.InsertionPoint(first):
            results = self._emit()
        last = [op for op in self.tiles.tail if op.name == "rocfuse.mma"][-len(results) :]
        old = list(self.tiles.loop.results) if self.tiles.loop else []
        if self.tiles.tail:
            old = [op.result for op in last]
        for before, after in zip(old, results, strict=True):
            before.replace_all_uses_with(after)
        for op in reversed(self.tiles.tail):
            op.erase()
        if self.tiles.loop:
            self.tiles.loop.erase()

    def _stage_buffers(self) -> list[dict[ir.Value, ir.Value]]:
        """For each stage, the LDS view that stands for a stage 0 view."""
        first = {op.operands[0]: number(op, "operand") for ops in self.fragments for op in ops}
        written = {op.operands[1]: self.plan.group(number(op, "operand")) for op in self.writes}
        stages: list[dict[ir.Value, ir.Value]] = [{view: view for view in (*first, *written)}]
        block = self.func.regions[0].blocks[0]
        lds = list(block.arguments)[-1]
        index = ir.IndexType.get()
        with ir.InsertionPoint(self.tiles.loop or self.tiles.tail[0]):
            for stage in range(1, self.plan.stages):
                views = {}
                for view, operand in first.items():
                    planned = self.plan.buffer(operand, stage)
                    offset = arith.constant(index, ir.IntegerAttr.get(index, planned.offset_bytes))
                    views[view] = memref.view(view.type, lds, offset, [])
                of_operand = {first[view]: value for view, value in views.items()}
                waves = self.plan.waves_m * self.plan.waves_n
                for tile, group in written.items():
                    views[tile] = share_of([of_operand[i] for i in group], waves)
                stages.append(views)
        return stages

    def _emit(self) -> list[ir.Value]:
        distance, stages = self.shape.distance, self.plan.stages
        units = self._bring_in(min(distance + 1, self.total))
        action("barrier")
        shifted = self.plan.schedule == "ping-pong"
        # shifted waves read the first fragments in the phase that they are needed in
        fragments = [] if shifted else [self.clone_fragment(op, 0) for op in self.fragments[0]]
        if shifted:
            action("phase_shift", half=1)
        state = _State(list(self.tiles.accumulators), fragments, units)
        # The last turn may load a tile past the end, of which nothing is read. Not one that would have to be masked: it
        # is loaded behind the loop
        turns = max(self.tiles.whole - distance - bool(self.tiles.tail), 0) // stages
        turns = turns if turns > 1 else 0  # a loop of one turn would only be in the way
        if turns:
            state = self._loop(turns, state)
        for tile in range(turns * stages, self.total):
            state = self._tile(tile % stages, tile, state, self._k(tile + distance + 1))
        if shifted:
            action("phase_shift", half=0)
        return state.accumulators

    def _bring_in(self, count: int) -> list[ir.Value]:
        """The first `count` tiles: in LDS, but for the units of the one that the loop writes first."""
        distance, fill = self.shape.distance, self.plan.fill
        units: list[ir.Value] = []
        for first in range(0, count, fill):
            batch = range(first, min(first + fill, count))
            loaded = []
            for tile in batch:
                if tile > first:  # the backend would mix the loads of all tiles, and the first would come in late
                    action("keep_order")
                loaded.append(self._read_all(self._k(tile), tile))
            for tile, values in zip(batch, loaded, strict=True):
                if tile < distance:
                    self._write_all(values, tile)
                else:
                    units = values
            if batch.stop < count or self.plan.late_zeros:
                action("keep_order")
        return units

    def _loop(self, turns: int, state: _State) -> _State:
        """`turns` iterations of `stages` tiles each; every tile they bring in is whole."""
        plan, distance = self.plan, self.shape.distance
        step = plan.tile_k * plan.stages
        past = turns * plan.stages + distance == self.tiles.whole
        # a counter of turns: LLVM tests the loop's end on an address that it has anyway
        start = plan.tile_k * (distance + 1)
        bounds = [constant(value) for value in (0, turns, 1)]
        loop = scf.ForOp(*bounds, iter_args=state.values())
        keep_loop(loop.operation)
        with ir.InsertionPoint(loop.body):
            state = state.with_values(list(loop.inner_iter_args))
            if plan.schedule == "iglp":
                action("schedule_hint", iglp=0)
            for stage in range(plan.stages):
                k = arith.addi(arith.muli(loop.induction_variable, constant(step)), constant(start))
                k = arith.addi(k, constant(stage * plan.tile_k)) if stage else k
                last = stage == plan.stages - 1
                state = self._tile(stage, stage, state, k, Masked.PAST if past and last else Masked.NO)
            scf.yield_(state.values())
        return state.with_values(list(loop.results))

    def _tile(self, stage: int, tile: int, state: _State, k: ir.Value, loads: Masked | None = None) -> _State:
        """Multiply one tile in the planned order. `k` is where the tile that is loaded begins; `loads` in the loop."""
        distance = self.shape.distance
        inside = loads is not None
        write = inside or tile + distance < self.total
        read = inside or tile + distance + 1 < self.total
        following = inside or tile + 1 < self.total
        order = schedule.ORDERS[self.plan.schedule](self.shape, write=write, read=read, following=following)
        emission = _Tile(self, state, stage, k, self.masked(tile + distance + 1) if loads is None else loads)
        for slot in order:
            emission.emit(slot)
        if not self.ordered:  # the backend would begin the next tile before this one's registers are free
            action("keep_order")
        following_fragments = emission.fragments.get(self.shape.slices, [])
        return _State(emission.accumulators, following_fragments, emission.units if read else [])

    def _k(self, tile: int) -> ir.Value:
        return constant(tile * self.plan.tile_k)

    def _read_all(self, k: ir.Value, tile: int) -> list[ir.Value]:
        return [self.clone_read(op, k, self.masked(tile)) for op in self.reads]

    def _write_all(self, units: Sequence[ir.Value], tile: int) -> None:
        for op, unit in zip(self.writes, units, strict=True):
            self.clone_write(op, unit, tile % self.plan.stages)

    def clone_read(self, op: ir.Operation, k: ir.Value, masked: Masked) -> ir.Value:
        """A global read at another k."""
        return copied(op, [op.operands[0], self.row_of(op), k], masked=int(masked)).result

    def row_of(self, op: ir.Operation) -> ir.Value:
        """The tile's first row; a constant inside the old loop is made again."""
        row = op.operands[1]
        if row.owner.name == "arith.constant":
            return constant(ir.IntegerAttr(row.owner.attributes["value"]).value)
        return row

    def clone_write(self, op: ir.Operation, unit: ir.Value, stage: int) -> None:
        """An LDS write of a unit to one stage."""
        copied(op, [unit, self.buffers[stage][op.operands[1]]])

    def clone_fragment(self, op: ir.Operation, stage: int) -> ir.Value:
        """A fragment read from one stage."""
        return copied(op, [self.buffers[stage][op.operands[0]]]).result

    def masked(self, tile: int) -> Masked:
        """How a tile is loaded that is not past the end: one that ends there is masked."""
        return Masked.END if self.tiles.tail and tile == self.total - 1 else Masked.NO


@dataclass
class _State:
    """What one tile hands to the next: accumulators, the first fragments, and units on their way to LDS."""

    accumulators: list[ir.Value]
    fragments: list[ir.Value]
    units: list[ir.Value]

    def values(self) -> list[ir.Value]:
        return [*self.accumulators, *self.fragments, *self.units]

    def with_values(self, values: list[ir.Value]) -> _State:
        a, f = len(self.accumulators), len(self.fragments)
        return _State(values[:a], values[a : a + f], values[a + f :])


class _Tile:
    """Emits the slots of one tile and keeps track of the values."""

    def __init__(self, pipeline: _Pipeline, state: _State, stage: int, k: ir.Value, loads: Masked) -> None:
        self.pipeline, self.stage, self.k, self.loads = pipeline, stage, k, loads
        self.accumulators, self.units = list(state.accumulators), list(state.units)
        self.fragments: dict[int, list[ir.Value]] = {0: state.fragments}
        self.sources = {op.result: (s, i) for s, ops in enumerate(pipeline.fragments) for i, op in enumerate(ops)}

    def emit(self, slot: Slot) -> None:
        """Emit one slot; schedules that say where each step stands keep it there."""
        pipeline, stages = self.pipeline, self.pipeline.plan.stages
        if slot.kind == "mma":
            op = pipeline.mmas[slot.k_slice * pipeline.per_slice + slot.number]
            a, b = (self._fragment(value) for value in op.operands[:2])
            self.accumulators[slot.number] = copied(op, [a, b, self.accumulators[slot.number]]).result
        elif slot.kind == "fragment":
            following = slot.k_slice == pipeline.shape.slices
            op = pipeline.fragments[0 if following else slot.k_slice][slot.number]
            stage = (self.stage + following) % stages
            self.fragments.setdefault(slot.k_slice, []).append(pipeline.clone_fragment(op, stage))
        elif slot.kind == "write":
            stage = (self.stage + pipeline.shape.distance) % stages
            pipeline.clone_write(pipeline.writes[slot.number], self.units[slot.number], stage)
        elif slot.kind == "read":
            self.units[slot.number] = pipeline.clone_read(pipeline.reads[slot.number], self.k, self.loads)
        elif slot.kind in ("barrier", "keep_copies"):
            action(slot.kind)
        elif slot.kind == "set_priority":
            action("set_priority", level=slot.count)
        else:
            action(slot.kind, outstanding=slot.count)
        if pipeline.ordered:
            action("keep_order")

    def _fragment(self, value: ir.Value) -> ir.Value:
        s, i = self.sources[value]
        return self.fragments[s][i]
