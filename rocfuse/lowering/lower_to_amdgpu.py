"""rocfuse-lower-to-amdgpu: blockwise steps become vector loads and stores, swizzled LDS accesses and matrix ops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

from mlir import ir
from mlir.dialects import arith, memref, scf, vector

from rocfuse.bindings import amdgpu, gpu, rocdl
from rocfuse.bindings.vector import part_of
from rocfuse.dialect import PLAN, walk
from rocfuse.lowering import index_math as ix
from rocfuse.lowering.combine_steps import CombineSteps
from rocfuse.lowering.lanes import Lanes
from rocfuse.lowering.memory import Resource, joined, masked_elements, masked_k, stream_vector, write_vector
from rocfuse.lowering.steps import Masked, number
from rocfuse.passes import Pass, PassContext, register
from rocfuse.plan_attributes import KernelPlan, read_plan

_Made = TypeVar("_Made")
# what may pass a scheduling barrier, as llvm.amdgcn.sched.barrier counts it
_ALU, _DS_READ = 0x1 | 0x2 | 0x4 | 0x8, 0x100


@register
@dataclass(frozen=True)
class LowerToAmdgpu(Pass):
    """Lower every blockwise step to what one lane does, from the plan and the instruction's lane maps.

      %a0 = "rocfuse.global_read"(%x_view, %m0, %k) {operand = 0, part = 0, masked = 0} : … -> vector<1x8xf16>
      %acc0 = "rocfuse.mma"(%fa, %fb, %acc)
    →
      %buf = amdgpu.fat_raw_buffer_cast %x_flat
      %a0 = vector.load %buf[%i] : memref<4096xf16, #amdgpu.address_space<fat_raw_buffer>>, vector<8xf16>
      %t = amdgpu.mfma 32x32x8 %fb_low * %fa_low + %acc    %acc0 = amdgpu.mfma 32x32x8 %fb_high * %fa_high + %t
    """

    name = "rocfuse-lower-to-amdgpu"
    requires = ("blockwise",)
    ensures = ("wave",)

    def run(self, module: ir.Module, context: PassContext) -> None:
        """Lower every kernel of the module."""
        for func in list(walk(module, "gpu.func")):
            plan = read_plan(ir.DictAttr(func.attributes[PLAN]), context.target)
            with module.context, func.location:
                _Lowering(func, plan).run()


class _Lowering:
    def __init__(self, func: ir.Operation, plan: KernelPlan) -> None:
        self.func, self.plan = func, plan
        self.block = func.regions[0].blocks[0]
        self.made: dict[tuple[str | int, ...], object] = {}
        self.resources: dict[ir.Value, Resource] = {}
        self.later: Lanes | None = None
        self.scalars: dict[ir.Value, ir.Value] = {}
        self.slices: dict[ir.Value, list[ir.Value]] = {}  # of a fragment, one for each matrix instruction
        self.steps: dict[str, Callable[[ir.Operation], list[ir.Value]]] = {
            "rocfuse.global_read": self._global_read,
            "rocfuse.lds_write": self._lds_write,
            "rocfuse.wave_select": self._wave_select,
            "rocfuse.barrier": self._barrier,
            "rocfuse.wait_lds": self._wait_lds,
            "rocfuse.wait_memory": self._wait_memory,
            "rocfuse.keep_order": self._keep_order,
            "rocfuse.keep_copies": self._keep_copies,
            "rocfuse.begin_range": self._begin_range,
            "rocfuse.phase_shift": self._phase_shift,
            "rocfuse.set_priority": self._set_priority,
            "rocfuse.schedule_hint": self._schedule_hint,
            "rocfuse.fragment_read": self._fragment_read,
            "rocfuse.mma": self._mma,
        }

    def run(self) -> None:
        # the lane's terms stand before everything else, each once: prologue, loop and epilogue share them
        self.entry = ir.InsertionPoint(self.block.operations[0])
        with ir.InsertionPoint.at_block_begin(self.block):
            i32 = ir.IntegerType.get_signless(32)
            thread = arith.index_cast(i32, gpu.thread_id("x"))
            self.lanes = Lanes(self.plan, thread)
            self.wave = rocdl.readfirstlane(i32, ix.value_of(self.lanes.wave))
            self.steps |= CombineSteps(self.plan, self.lanes, self._combine_lanes, self.resources).steps
        self.views: list[ir.Operation] = []
        found: list[ir.Operation] = []

        def visit(op: ir.Operation) -> ir.WalkResult:
            name = op.name
            if name == "memref.reinterpret_cast":
                self.views.append(op)
            elif name == "memref.view" or name in self.steps:
                found.append(op)
            return ir.WalkResult.ADVANCE

        self.func.walk(visit)
        for op in self.views:
            with ir.InsertionPoint(op), op.location:
                self.resources[op.result] = Resource.of_view(op)
        for op in found:
            with ir.InsertionPoint(op), op.location:
                self._replace(op)
        for op in reversed(self.views):
            op.erase()

    def _replace(self, op: ir.Operation) -> None:
        name = op.name
        if name == "rocfuse.wave_select" and op.operands[0] in self.resources:
            self.resources[op.result] = self._selected(op)
            self.views.append(op)
            return
        results = [self._flat_buffer(op)] if name == "memref.view" else self.steps[name](op)
        for old, new in zip(op.results, results, strict=True):
            old.replace_all_uses_with(new)
        op.erase()

    def _flat_buffer(self, op: ir.Operation) -> ir.Value:
        """The LDS tile as one row: the swizzle works on whole offsets."""
        kind = ir.MemRefType(op.result.type)
        flat = ir.MemRefType.get([kind.shape[0] * kind.shape[1]], kind.element_type, memory_space=kind.memory_space)
        return memref.view(flat, op.operands[0], op.operands[1], [])

    def _once(self, key: tuple[str | int, ...], build: Callable[[], _Made]) -> _Made:
        """What `build` makes of the lane's number, made at the kernel's entry when it is first asked for."""
        if key not in self.made:
            with self.entry:
                self.made[key] = build()
        return cast(_Made, self.made[key])

    def _global_read(self, op: ir.Operation) -> list[ir.Value]:
        operand, part = number(op, "operand"), number(op, "part")
        view, row0, k0 = op.operands
        row0 = self._scalar(row0)
        resource = self.resources[view]
        copy = self.plan.copies[operand]
        row, k = self._once(("unit", operand, part), lambda: self.lanes.unit(operand, part))
        along_k, k_stride = copy.along == "k", resource.strides[1]
        first = ix.add(ix.mul(ix.add(row0, row), resource.strides[0]), ix.mul(k, k_stride))
        moving = ix.mul(k0, k_stride)
        masked = Masked.NO if resource.zero_past_k(self.plan.tile_k) else Masked(number(op, "masked"))
        loads = []
        for load in range(copy.loads):
            step = load * copy.vector if along_k else load
            here = ix.add(k0, k, step)
            fixed = masked_k(resource, first, here) if masked == Masked.END else first
            # The loads of a unit differ by a constant. Along k it goes to the scalar operand, one sum for all units;
            # along rows it is a row of memory, and a register each is cheaper than a sum for each load.
            vector_step, scalar_step = (0, step * k_stride) if along_k else (step * k_stride, 0)
            scalar = ix.add(moving, scalar_step)
            if masked == Masked.PAST:  # bounds count the scalar offset on CDNA: with the whole array, no lane is inside
                scalar = arith.select(ix.less(k0, resource.sizes[1]), ix.value_of(scalar), ix.constant(resource.extent))
            loaded = stream_vector(resource, ix.add(fixed, vector_step), scalar, copy.vector)
            ends = masked == Masked.END and along_k
            loads.append(masked_elements(loaded, here, resource.sizes[1]) if ends else loaded)
        return [joined(loads, ir.VectorType(op.result.type))]

    def _lds_write(self, op: ir.Operation) -> list[ir.Value]:
        operand, part = number(op, "operand"), number(op, "part")
        unit, buffer = op.operands
        copy = self.plan.copies[operand]
        row, k = self._once(("unit", operand, part), lambda: self.lanes.unit(operand, part))
        element = ir.VectorType(unit.type).element_type
        kind = ir.VectorType.get([copy.unit_k], element)
        for i in self.lanes.unit_rows(operand):
            if copy.along == "row":  # loads run along rows: gather this row's element of each
                elements = [vector.extract(unit, [], [load, i]) for load in range(copy.loads)]
                value = vector.from_elements(kind, elements)
            else:
                value = vector.shape_cast(kind, unit)
            index = self._once(("write", operand, part, i), partial(self.lanes.lds_index, operand, row, k, i))
            write_vector(value, buffer, index)
        return []

    def _wave_select(self, op: ir.Operation) -> list[ir.Value]:
        return [arith.select(self._from_wave(op), op.operands[1], op.operands[0])]

    def _selected(self, op: ir.Operation) -> Resource:
        low, high = (self.resources[value] for value in op.operands)
        return low.or_other(self._from_wave(op), high)

    def _from_wave(self, op: ir.Operation) -> ir.Value:
        """Whether this wave is one of the later ones: a scalar, so that what it selects stays in scalar registers."""
        return arith.cmpi(arith.CmpIPredicate.uge, self.wave, ix.constant(number(op, "from_wave")))

    def _barrier(self, op: ir.Operation) -> list[ir.Value]:
        amdgpu.lds_barrier()
        return []

    def _scalar(self, origin: ir.Value) -> ir.Value:
        """A tile's origin, the same in all lanes, in a scalar register, whichever unit LLVM computes it on."""
        if origin not in self.scalars:
            with ir.InsertionPoint.after(origin.owner):
                self.scalars[origin] = rocdl.readfirstlane(origin.type, origin)
        return self.scalars[origin]

    def _combine_lanes(self) -> Lanes:
        """The lane's coordinates in the combine, computed there: no register of a K loop holds them.

        The lane's number is a count of the active lanes before it. From the thread's number, or from a count that LLVM
        knows to be part of it, the coordinates would be computed early.
        """
        if self.later is None:
            i32, i64 = ir.IntegerType.get_signless(32), ir.IntegerType.get_signless(64)
            active = rocdl.ballot(i64, arith.constant(ir.IntegerType.get_signless(1), 1))
            low, high = (arith.trunci(i32, arith.shrui(active, arith.constant(i64, bits))) for bits in (0, 32))
            lane = rocdl.mbcnt_hi(i32, high, rocdl.mbcnt_lo(i32, low, ix.constant(0)))
            first = ix.shift_left(self.wave, self.plan.wave_lanes.bit_length() - 1)
            self.later = Lanes(self.plan, ix.add(first, lane))
        return self.later

    def _wait_lds(self, op: ir.Operation) -> list[ir.Value]:
        amdgpu.memory_counter_wait("ds", number(op, "outstanding"))
        return []

    def _wait_memory(self, op: ir.Operation) -> list[ir.Value]:
        amdgpu.memory_counter_wait("load", number(op, "outstanding"))
        return []

    def _keep_order(self, op: ir.Operation) -> list[ir.Value]:
        rocdl.sched_barrier(0)
        return []

    def _keep_copies(self, op: ir.Operation) -> list[ir.Value]:
        rocdl.sched_barrier(_ALU | _DS_READ)
        return []

    def _begin_range(self, op: ir.Operation) -> list[ir.Value]:
        """A barrier behind a branch that LLVM cannot decide: matrix ops before it do not drift behind what follows."""
        i32 = ir.IntegerType.get_signless(32)
        layer = arith.index_cast(i32, gpu.block_id("z"))
        branch = scf.IfOp(arith.cmpi(arith.CmpIPredicate.eq, layer, ix.constant(0)))
        with ir.InsertionPoint(branch.then_block):
            amdgpu.lds_barrier()
            scf.yield_([])
        return []

    def _phase_shift(self, op: ir.Operation) -> list[ir.Value]:
        """One barrier more for half of the waves; the branch is on a scalar, so that the others jump over it."""
        half = ix.constant(self.plan.threads // self.plan.wave_lanes // 2)
        predicate = arith.CmpIPredicate.uge if number(op, "half") else arith.CmpIPredicate.ult
        branch = scf.IfOp(arith.cmpi(predicate, self.wave, half))
        with ir.InsertionPoint(branch.then_block):
            amdgpu.lds_barrier()
            scf.yield_([])
        return []

    def _set_priority(self, op: ir.Operation) -> list[ir.Value]:
        rocdl.s_setprio(number(op, "level"))
        return []

    def _schedule_hint(self, op: ir.Operation) -> list[ir.Value]:
        rocdl.iglp_opt(number(op, "iglp"))
        return []

    def _fragment_read(self, op: ir.Operation) -> list[ir.Value]:
        operand = number(op, "operand")
        block, k_slice = number(op, "block"), number(op, "k_slice")
        key = ("read", operand, block, k_slice)
        index = self._once(key, lambda: ix.to_index(self.lanes.fragment(operand, block, k_slice)))
        kind = ir.VectorType(op.result.type)
        return [vector.load(kind, op.operands[0], [index], alignment=16)]

    def _mma(self, op: ir.Operation) -> list[ir.Value]:
        a, b, accumulator = op.operands
        row = self.plan.instruction
        if self.plan.along == "n":
            a, b = b, a
        for left, right in zip(self._slices(a), self._slices(b), strict=True):
            accumulator = amdgpu.mfma((row.m, row.n, row.k), left, right, accumulator)
        return [accumulator]

    def _slices(self, fragment: ir.Value) -> list[ir.Value]:
        """What each matrix instruction takes of a fragment; all that multiply it stand in one block."""
        if fragment not in self.slices:
            width, kind = self.plan.instruction.fragment_elements, ir.VectorType(fragment.type)
            self.slices[fragment] = [part_of(fragment, first, width) for first in range(0, kind.shape[0], width)]
        return self.slices[fragment]
