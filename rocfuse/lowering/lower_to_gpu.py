"""rocfuse-lower-to-gpu: a planned function becomes a gpu.func of blockwise steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlir import ir
from mlir.dialects import arith, memref, scf

from rocfuse.analysis.copies import LDS_ACCESS_BYTES
from rocfuse.analysis.lds import Buffer
from rocfuse.analysis.operands import ELEMENT_BYTES, access_vector, row_dim
from rocfuse.analysis.problem import Access, Problem, canonical
from rocfuse.analysis.registers import waves_per_simd
from rocfuse.bindings import gpu
from rocfuse.diagnostics import CompileError
from rocfuse.dialect import MULTI_GEMM, PLAN, walk
from rocfuse.fused_kernel import FusedKernel, read_kernel
from rocfuse.lowering import index_math as ix
from rocfuse.lowering.combine import Combine
from rocfuse.lowering.grid_order import Grid, tile_of
from rocfuse.lowering.steps import Masked, action, keep_loop, share_of, step
from rocfuse.passes import Pass, PassContext, register
from rocfuse.plan_attributes import RANGE, VECTOR, KernelPlan, read_plan, to_attribute
from rocfuse.targets import Target

KERNELS = "kernels"
# LLVM 22 makes symbols KERNEL.kd (the descriptor) and KERNEL.num_vgpr, … (figures) of each kernel, and ends the process
# where there is one already
_SYMBOLS = (
    *("kd", "num_vgpr", "num_agpr", "numbered_sgpr", "num_named_barrier", "private_seg_size", "uses_vcc"),
    *("uses_flat_scratch", "has_dyn_sized_stack", "has_recursion", "has_indirect_call"),
)
_NO_LETTERS = "\0@"  # LLVM ends the process at the one; the linker takes what follows the other for a version


@register
@dataclass(frozen=True)
class LowerToGpu(Pass):
    """Outline every planned kernel: grid, K loop over blockwise steps, combine on accumulator blocks.

      func.func @f(%x: tensor<…>, %w: tensor<…>) -> tensor<…> {
        %g:2 = "rocfuse.multi_gemm"() ({…}) {…, rocfuse.plan = {…}}
        %o = linalg.generic {…} ins(%g#0, %g#1)
    →
      gpu.module @kernels {
        gpu.func @f(%x: memref<…>, %w: memref<…>, %out: memref<…>) workgroup(%lds: memref<49152xi8, …>) kernel {
          %acc:8 = scf.for %k = %c0 to %K step %tile_k iter_args(…) {
            %a0 = "rocfuse.global_read"(%x_view, %m0, %k) {operand = 0, part = 0, masked = 0}
            "rocfuse.barrier"()   "rocfuse.lds_write"(%a0, %a_tile) {operand = 0, part = 0}   "rocfuse.barrier"()
            %fa = "rocfuse.fragment_read"(%a_tile) {operand = 0, block = 0, k_slice = 0}
            %acc0 = "rocfuse.mma"(%fa, %fb, %acc) …
          "rocfuse.tile_write"(%y, %out_view, %m0, %n0) {block = [0, 0], first = 0}
    """

    name = "rocfuse-lower-to-gpu"
    requires = ("planned",)
    ensures = ("blockwise",)

    def run(self, module: ir.Module, context: PassContext) -> None:
        """Lower every planned function of the module to a kernel of one gpu.module."""
        gemms = list(walk(module, MULTI_GEMM))
        kernels = [read_kernel(op.parent) for op in gemms]
        _check_names(kernels)
        block = None
        for op, kernel in zip(gemms, kernels, strict=True):
            plan = read_plan(ir.DictAttr(op.attributes[PLAN]), context.target)
            with module.context, op.location:
                block = block or _holder(module, kernel.func, context.target)
                with ir.InsertionPoint(block):
                    _KernelBuilder(kernel, plan, context.target).build()
            kernel.func.erase()


def _check_names(kernels: Sequence[FusedKernel]) -> None:
    """Refuse names of kernels that are, or make, other symbols of the code object."""
    names = {kernel.name for kernel in kernels}
    for kernel in kernels:
        text = f"LLVM reserves the name @{kernel.name}" if kernel.name.startswith("llvm.") else ""
        if not kernel.name:
            text = "a kernel needs a name, and the function has an empty one"
        if wrong := set(_NO_LETTERS) & set(kernel.name):
            text = f"a kernel's name has no {max(wrong)!r}, have {kernel.name!r}"
        owner, _, suffix = kernel.name.rpartition(".")
        if owner in names and suffix in _SYMBOLS:
            text = f"kernel @{owner} has a symbol {kernel.name} in the code object, as kernel @{kernel.name} would have"
        if text:
            raise CompileError(f"{LowerToGpu.name}: {text}; rename the function", str(kernel.func.location))


def _holder(module: ir.Module, before: ir.Operation, target: Target) -> ir.Block:
    """The body of a new gpu.module in front of a function."""
    module.operation.attributes["gpu.container_module"] = ir.UnitAttr.get()
    chip = ir.Attribute.parse(f'[#rocdl.target<chip = "{target.name}">]')
    taken = {
        ir.StringAttr(op.attributes["sym_name"]).value for op in module.body.operations if "sym_name" in op.attributes
    }
    name = KERNELS
    while name in taken:
        name += "_"
    with ir.InsertionPoint(before):
        return gpu.module(name, chip)


class _KernelBuilder:
    """Builds one gpu.func. `tile` values are i32: the origin (m, n) of the workgroup's tile."""

    def __init__(self, kernel: FusedKernel, plan: KernelPlan, target: Target) -> None:
        self.kernel, self.plan, self.target = kernel, plan, target
        self.problem: Problem = canonical(kernel.problem)
        self.operands = self.problem.operands

    def build(self) -> None:
        func = self._func()
        self.arguments = list(func.arguments)
        with ir.InsertionPoint(func):
            self._body()
            gpu.return_()

    def _func(self) -> ir.Block:
        """The body of a new gpu.func."""
        types = [ir.MemRefType.get(array.shape, _element_type(array.element_type)) for array in self.kernel.arrays]
        lds_space = ir.Attribute.parse("#gpu.address_space<workgroup>")
        i8 = ir.IntegerType.get_signless(8)
        lds = ir.MemRefType.get([self.plan.lds_bytes], i8, memory_space=lds_space)
        # the budget as LLVM takes it: waves that must fit a SIMD, and a ceiling where that is not exact. It warns where
        # LDS has no room for that many
        i32 = ir.IntegerType.get_signless(32)
        target, plan = self.target, self.plan
        room = waves_per_simd(target, target.register_granule, plan.lds_allocated_bytes, plan.waves_m * plan.waves_n)
        waves = min(target.registers_per_lane // plan.register_budget, room)
        ceiling = [ir.StringAttr.get("amdgpu-num-vgpr"), ir.StringAttr.get(str(self.plan.register_budget))]
        flags = [
            {"llvm.noalias": ir.UnitAttr.get()} | ({"llvm.readonly": ir.UnitAttr.get()} if array.kind == "in" else {})
            for array in self.kernel.arrays
        ]
        attributes = {
            "workgroup_attributions": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 1),
            "rocdl.waves_per_eu": ir.IntegerAttr.get(i32, waves),
            "passthrough": ir.ArrayAttr.get([ir.ArrayAttr.get(ceiling)]),
            PLAN: self.kernel.gemm.op.attributes[PLAN],
            "arg_attrs": ir.ArrayAttr.get([ir.DictAttr.get(one) for one in flags]),
        }
        func = gpu.func(ir.FunctionType.get(types, []), self.kernel.name, plan.threads, attributes)
        return func.regions[0].blocks.append(*types, lds)

    def _body(self) -> None:
        batch, tile_m, tile_n = self._tile_coordinates()
        self.m0, self.n0 = ix.mul(tile_m, self.plan.tile_m), ix.mul(tile_n, self.plan.tile_n)
        problem = self.problem
        (m,), (n,) = problem.dims("m"), problem.dims("n")
        self.views = [
            self._view(one, (row_dim(problem, one), problem.k_dim(one)), batch, copy.vector)
            for one, copy in zip(self.operands, self.plan.copies, strict=True)
        ]
        extras = [self._view(access, (m, n), batch) for access in problem.extras]
        outputs = [self._view(access, (m, n), batch) for access in problem.outputs]
        self.buffers = [self._buffer(i) for i in range(len(self.operands))]
        waves = self.plan.waves_m * self.plan.waves_n
        self.sources = [share_of([self.views[i] for i in group], waves) for group in self.plan.groups]
        self.tiles = [share_of([self.buffers[i] for i in group], waves) for group in self.plan.groups]
        combine = Combine(self.kernel, problem, self.plan, extras, outputs, (self.m0, self.n0), self._combine_buffer)
        combine.read_lines()
        accumulators = self._k_ranges()
        combine.emit(accumulators)

    def _tile_coordinates(self) -> tuple[ix.Term, ix.Term, ix.Term]:
        """(batch, m tile, n tile) of this workgroup, in the planned order."""
        i32 = ir.IntegerType.get_signless(32)
        workgroup = arith.index_cast(i32, gpu.block_id("x"))
        tiles_m = -(-self.problem.size("m") // self.plan.tile_m)
        tiles_n = -(-self.problem.size("n") // self.plan.tile_n)
        grid = Grid(self.problem.size("batch"), tiles_m, tiles_n, self.plan.group_m, self.target.xcds)
        return tile_of(workgroup, grid)

    def _view(self, access: Access, dims: tuple[int, int], batch: ix.Term, width: int | None = None) -> ir.Value:
        """A rank-2 view of one batch of an array: its elements along two loop dims, `width` of them an access.

        Without a width, the widest that is aligned.
        """
        sizes, strides = [self.problem.sizes[d] for d in dims], [access.strides[d] for d in dims]
        offset = self._batch_offset(access, batch)
        static = access.offset if offset is None else ir.ShapedType.get_dynamic_stride_or_offset()
        layout = ir.StridedLayoutAttr.get(static, strides)
        element = _element_type(access.element_type)
        view = ir.MemRefType.get(sizes, element, layout=layout)
        offsets = [] if offset is None else [offset]
        value = memref.reinterpret_cast(view, self.arguments[access.array], offsets, [], [], [static], sizes, strides)
        most = LDS_ACCESS_BYTES // ELEMENT_BYTES[access.element_type]
        width = width or max(access_vector(self.problem, access, dim, most) for dim in dims)
        value.owner.attributes[VECTOR] = to_attribute(width)
        return value

    def _batch_offset(self, access: Access, batch: ix.Term) -> ir.Value | None:
        """Element offset of this workgroup's batch as an index value, or None where it does not depend on the batch.

        64-bit: an array may be larger than one buffer resource as long as its batches are not.
        """
        index = ir.IndexType.get()
        total: ir.Value | None = None
        rest = batch
        for dim in reversed(self.problem.dims("batch")):
            size, stride = self.problem.sizes[dim], access.strides[dim]
            here, rest = ix.remainder(rest, size), ix.divide(rest, size)
            if stride == 0 or isinstance(here, int):
                continue
            term = arith.muli(ix.to_index(here), arith.constant(index, ir.IntegerAttr.get(index, stride)))
            total = term if total is None else arith.addi(total, term)
        if total is not None and access.offset:
            total = arith.addi(total, arith.constant(index, ir.IntegerAttr.get(index, access.offset)))
        return total

    def _buffer(self, operand: int) -> ir.Value:
        """The operand's tile in the kernel's one LDS block."""
        shape = [self.plan.rows(operand), self.plan.tile_k]
        return self._lds_view(self.plan.buffer(operand, 0), shape, self.operands[operand].element_type)

    def _combine_buffer(self, kind: str, number: int, element: ir.Type) -> ir.Value:
        """A buffer of the combine there, as one row of elements."""
        planned = self.plan.combine_buffer(kind, number)
        return self._lds_view(planned, [1, planned.size_bytes * 8 // element.width], str(element))

    def _lds_view(self, planned: Buffer, shape: list[int], element: str) -> ir.Value:
        space = ir.Attribute.parse("#gpu.address_space<workgroup>")
        kind = ir.MemRefType.get(shape, _element_type(element), memory_space=space)
        index = ir.IndexType.get()
        offset = arith.constant(index, ir.IntegerAttr.get(index, planned.offset_bytes))
        return memref.view(kind, self.arguments[-1], offset, [])

    def _k_ranges(self) -> list[list[ir.Value]]:
        """The accumulator blocks of each GEMM, row by row: of one K range for all, or of one after another."""
        every = list(range(self.problem.gemms))
        groups = [every] if self.plan.loop_form == "fused" else [[g] for g in every]
        return [blocks for number, group in enumerate(groups) for blocks in self._k_range(number, group)]

    def _k_range(self, number: int, gemms: list[int]) -> list[list[ir.Value]]:
        """All K steps of some GEMMs. Ranges are numbered, so that a pass can tell their steps apart."""
        plan, k_size = self.plan, self.problem.k_sizes[gemms[0]]
        self.range, self.gemms = number, gemms
        # A later range reads some of what the first one read. LLVM would keep those values in registers all along.
        # The grid has one layer, so the workgroup's z is 0, which LLVM does not know.
        i32 = ir.IntegerType.get_signless(32)
        again = ix.mul(arith.index_cast(i32, gpu.block_id("z")), number) if number else 0
        if number:
            action("begin_range")
        self.origin = {"a": ix.value_of(ix.add(self.m0, again)), "b": ix.value_of(ix.add(self.n0, again))}
        row = plan.instruction
        kind = ir.VectorType.get([row.accumulator_elements], ir.F32Type.get())
        zero = arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, ir.FloatAttr.get(ir.F32Type.get(), 0.0)))
        blocks = plan.blocks_m * plan.blocks_n
        accumulators = [zero] * (len(gemms) * blocks)
        whole = k_size // plan.tile_k * plan.tile_k
        if whole:
            bounds = [ix.constant(value) for value in (0, whole, plan.tile_k)]
            loop = scf.ForOp(*bounds, iter_args=accumulators)
            loop.operation.attributes[RANGE] = to_attribute(number)
            keep_loop(loop.operation)
            with ir.InsertionPoint(loop.body):
                accumulators = self._k_step(loop.induction_variable, list(loop.inner_iter_args), masked=False)
                scf.yield_(accumulators)
            accumulators = list(loop.results)
        if whole < k_size:
            accumulators = self._k_step(ix.constant(whole), accumulators, masked=True)
        return [accumulators[g * blocks : (g + 1) * blocks] for g in range(len(gemms))]

    def _k_step(self, k: ir.Value, accumulators: list[ir.Value], masked: bool) -> list[ir.Value]:
        """One tile of K in the plain order: read, barrier, write, barrier, multiply."""
        plan, units = self.plan, []
        tag = {RANGE: self.range}
        for group, source, tile in zip(plan.groups, self.sources, self.tiles, strict=True):
            operand = group[0]
            if operand not in self._operands():
                continue
            copy = plan.copies[operand]
            element = _element_type(self.operands[operand].element_type)
            kind = ir.VectorType.get([copy.loads, copy.vector], element)
            for part in range(copy.parts):
                where = [source, self.origin[plan.roles[operand]], k]
                unit = step(
                    "global_read",
                    where,
                    kind,
                    operand=operand,
                    part=part,
                    masked=int(Masked.END if masked else Masked.NO),
                    **tag,
                )
                units.append((unit, tile, {"operand": operand, "part": part}))
        action("barrier", **tag)
        for unit, tile, numbers in units:
            action("lds_write", unit, tile, **numbers, **tag)
        action("barrier", **tag)
        for k_slice in range(plan.tile_k // plan.k_slice(2)):
            accumulators = self._multiply(k_slice, accumulators)
        return accumulators

    def _multiply(self, k_slice: int, accumulators: list[ir.Value]) -> list[ir.Value]:
        """All accumulator blocks of all GEMMs by one k slice; each fragment is read once."""
        plan = self.plan
        fragments = {operand: self._fragments(operand, k_slice) for operand in self._operands()}
        result = list(accumulators)
        position = 0
        for gemm in self.gemms:
            a, b = self.problem.a[gemm], self.problem.b[gemm]
            rows, columns = fragments[self.operands.index(a)], fragments[self.operands.index(b)]
            for i in range(plan.blocks_m):
                for j in range(plan.blocks_n):
                    inputs = [rows[i], columns[j], result[position]]
                    result[position] = step("mma", inputs, result[position].type, **{RANGE: self.range})
                    position += 1
        return result

    def _fragments(self, operand: int, k_slice: int) -> list[ir.Value]:
        plan = self.plan
        element = _element_type(self.operands[operand].element_type)
        kind = ir.VectorType.get([plan.sharing(2) * plan.instruction.fragment_elements], element)
        blocks = plan.blocks_m if plan.roles[operand] == "a" else plan.blocks_n
        tag = {RANGE: self.range}
        return [
            step("fragment_read", [self.buffers[operand]], kind, operand=operand, block=i, k_slice=k_slice, **tag)
            for i in range(blocks)
        ]

    def _operands(self) -> list[int]:
        """The distinct operands of the range's GEMMs, as numbers of the plan's."""
        used = [access for g in self.gemms for access in (self.problem.a[g], self.problem.b[g])]
        return [i for i, access in enumerate(self.operands) if access in used]


def _element_type(name: str) -> ir.Type:
    return ir.Type.parse(name)
