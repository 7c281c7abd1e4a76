"""Reading a function in the fused or planned form: which arrays its kernel takes and how each is indexed."""

from __future__ import annotations

import math
from dataclasses import replace

from mlir import ir

from rocfuse.analysis import views
from rocfuse.analysis.problem import Access, Problem
from rocfuse.diagnostics import CompileError
from rocfuse.dialect import MULTI_GEMM, MultiGemm, walk
from rocfuse.passes import PassContext
from rocfuse.records import record
from rocfuse.transforms.views import memory_view


@record
class Array:
    """One kernel argument: an argument of the function that is used, or a result of it."""

    name: str
    kind: str  # "in" or "out"
    element_type: str
    shape: tuple[int, ...]
    type: ir.Type


@record
class FusedKernel:
    """A function with one multi_gemm and its combine, as arrays and accesses."""

    func: ir.Operation
    gemm: MultiGemm
    combine: ir.Operation
    arrays: tuple[Array, ...]
    inputs: tuple[str, ...]  # every argument of the function, used or not
    problem: Problem  # with the loop dims of the IR; see analysis.problem.canonical
    product_inputs: tuple[int, ...]  # for each combine input: its product's index, or -1
    name: str


def require_kernel(module: ir.Module, context: PassContext) -> None:
    """Raise the refusal of a program that was not fused as a CompileError; more than one refusal are remarks before."""
    if context.refusals:
        *others, refusal = context.refusals
        for other in others:
            context.remark(other.location, other.reason)
        raise CompileError(refusal.reason, refusal.location, refusal.notes)
    if not any(walk(module, MULTI_GEMM)):
        raise CompileError("rocfuse-form-multi-gemm: found nothing to fuse")


def read_kernel(func: ir.Operation) -> FusedKernel:
    """Read a `func.func` in the fused form. Raises CompileError at the op that does not fit."""
    block = func.regions[0].blocks[0]
    ops = list(block.operations)
    gemm = MultiGemm(next(op for op in ops if op.operation.name == MULTI_GEMM))
    combine = next(op.operation for op in ops if op.operation.name == "linalg.generic")
    return _Reader(func, gemm, combine, ops[-1].operation).read()


class _Reader:
    def __init__(self, func: ir.Operation, gemm: MultiGemm, combine: ir.Operation, ret: ir.Operation) -> None:
        self.func, self.gemm, self.combine, self.ret = func, gemm, combine, ret
        shapes = [dict(zip(_positions(g.a_map), _shape(g.a), strict=True)) for g in gemm.gemms]
        k = len(gemm.dims) - 1  # the last loop dim of the IR; in the problem one for each extent that it has
        self.k_sizes = tuple(shape[k] for shape in shapes)
        distinct = tuple(dict.fromkeys(self.k_sizes))
        self.k_places = [k + distinct.index(size) for size in self.k_sizes]
        k_roles = ("k",) if len(distinct) == 1 else tuple(f"k{number}" for number in range(len(distinct)))
        self.roles = (*gemm.dims[:k], *k_roles)
        self.arguments: list[ir.Value] = list(func.regions[0].blocks[0].arguments)
        self.arrays: list[Array] = []
        self.array_of_argument: dict[int, int] = {}

    def read(self) -> FusedKernel:
        sizes = self._sizes()
        pairs = [
            (self._operand(g.a, g.a_map, "a", k), self._operand(g.b, g.b_map, "b", k))
            for g, k in zip(self.gemm.gemms, self.k_places, strict=True)
        ]
        maps = [m.value for m in map(ir.AffineMapAttr, ir.ArrayAttr(self.combine.attributes["indexing_maps"]))]
        inputs = self.combine.operands[: len(maps) - len(self.combine.results)]
        products = [list(self.gemm.op.results).index(v) if v.owner == self.gemm.op else -1 for v in inputs]
        to_loop = self._combine_dims([m for m, p in zip(maps, products, strict=False) if p >= 0])
        extras = [
            self._extra(value, one, to_loop)
            for value, one, product in zip(inputs, maps, products, strict=False)
            if product < 0
        ]
        outputs = [
            self._output(index, one, to_loop) for index, one in zip(self._returned(), maps[len(inputs) :], strict=True)
        ]
        name = ir.StringAttr(self.func.attributes["sym_name"]).value
        names = tuple(f"arg{i}" for i in range(len(self.arguments)))
        a, b = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
        k_roles = tuple(self.roles[k] for k in self.k_places)
        problem = Problem(self.roles, sizes, a, b, tuple(extras), tuple(outputs), k_roles)
        arrays = tuple(self.arrays)
        return FusedKernel(self.func, self.gemm, self.combine, arrays, names, problem, tuple(products), name)

    def _sizes(self) -> tuple[int, ...]:
        sizes = [0] * len(self.roles)
        first = self.gemm.gemms[0]
        for value, one in ((first.a, first.a_map), (first.b, first.b_map)):
            for size, dim in zip(_shape(value), _positions(one), strict=True):
                sizes[dim] = size
        for size, place in zip(self.k_sizes, self.k_places, strict=True):
            sizes[place] = size
        return tuple(sizes)

    def _view(self, value: ir.Value) -> tuple[int, views.View]:
        """(function argument, view of it) behind a tensor."""
        view = memory_view(value)
        if view is None:
            raise CompileError("an operand is not a view of a function argument", str(self.gemm.op.location))
        while not isinstance(value.owner, ir.Block):
            value = value.owner.operands[0]
        return ir.BlockArgument(value).arg_number, view

    def _access(self, value: ir.Value, strides_of: dict[int, int]) -> Access:
        """Access of a tensor; `strides_of` takes loop dims to dims of the tensor."""
        number, view = self._view(value)
        if number not in self.array_of_argument:
            self.array_of_argument[number] = len(self.arrays)
            argument = self.arguments[number]
            self.arrays.append(Array(f"arg{number}", "in", _element(argument.type), _shape(argument), argument.type))
        index = self.array_of_argument[number]
        strides = tuple(view.strides[strides_of[d]] if d in strides_of else 0 for d in range(len(self.roles)))
        array = self.arrays[index]
        return Access(index, array.element_type, view.offset, strides, math.prod(array.shape))

    def _operand(self, value: ir.Value, one: ir.AffineMap, role: str, k: int) -> Access:
        """The operand of a GEMM whose k is loop dim `k` of the problem."""
        dims = [k if self.gemm.dims[dim] == "k" else dim for dim in _positions(one)]
        return replace(self._access(value, {dim: i for i, dim in enumerate(dims)}), role=role)

    def _combine_dims(self, maps: list[ir.AffineMap]) -> dict[int, int]:
        """Combine loop dim -> multi_gemm loop dim; products are indexed by the loop dims without k, in order."""
        loop = [d for d, role in enumerate(self.gemm.dims) if role != "k"]
        found = {tuple(_positions(one)) for one in maps}
        if len(found) > 1:
            text = "the combine reads its products in different orders; give all of them one indexing map"
            raise CompileError(text, str(self.combine.location))
        return dict(zip(found.pop(), loop, strict=True))

    def _extra(self, value: ir.Value, one: ir.AffineMap, to_loop: dict[int, int]) -> Access:
        return self._access(value, {to_loop[dim]: i for i, dim in enumerate(_positions(one))})

    def _returned(self) -> list[int]:
        """For each combine result the function result that it becomes."""
        returned: dict[int, int] = {}
        for index, value in enumerate(self.ret.operands):
            while value.owner != self.combine:
                value = value.owner.operands[0]
            returned[ir.OpResult(value).result_number] = index
        return [returned[i] for i in range(len(self.combine.results))]

    def _output(self, index: int, one: ir.AffineMap, to_loop: dict[int, int]) -> Access:
        result = self.ret.operands[index]
        self.arrays.append(Array(f"out{index}", "out", _element(result.type), _shape(result), result.type))
        combine_map = _positions(one)
        sizes = self._sizes()
        view = views.dense([sizes[to_loop[dim]] for dim in combine_map])
        strides = {to_loop[dim]: stride for dim, stride in zip(combine_map, view.strides, strict=True)}
        ordered = tuple(strides.get(d, 0) for d in range(len(self.roles)))
        return Access(len(self.arrays) - 1, _element(result.type), 0, ordered, math.prod(_shape(result)))


def _positions(one: ir.AffineMap) -> list[int]:
    return [ir.AffineDimExpr(result).position for result in one.results]


def _shape(value: ir.Value) -> tuple[int, ...]:
    return tuple(ir.RankedTensorType(value.type).shape)


def _element(tensor: ir.Type) -> str:
    return str(ir.RankedTensorType(tensor).element_type)
