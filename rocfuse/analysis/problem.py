"""A multi-GEMM kernel as numbers: extents, and for each array in memory its strides by loop dim.

Loop dims come from the IR with roles batch, m, n and k; several dims may share a role. `canonical` merges what is
evenly strided in every array and turns what is left over into batch dims, so that planner and lowering see one m, one
n, one k of each extent and a list of batch dims. Pure: no MLIR.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from rocfuse.records import record

Ask = ParamSpec("Ask")
Answer = TypeVar("Answer")


@record
class Access:
    """How one array is read or written: element offset and a stride for each loop dim (0: not indexed by it)."""

    array: int  # kernel argument
    element_type: str
    offset: int
    strides: tuple[int, ...]
    array_elements: int
    role: str = ""  # "a" or "b" for an operand of a GEMM: an array that is both is two operands

    def stride(self, dim: int) -> int:
        """Elements between neighbours along loop dim `dim`."""
        return self.strides[dim]


@record
class Problem:
    """G GEMMs and their combine over shared loop dims.

    `a[g]`, `b[g]` are the operands of GEMM g, `extras` what else the combine reads, `outputs` what it writes. `sizes`
    and `roles` are by loop dim. GEMMs of one k all sum over the dims of role "k". GEMMs of different k have dims of
    their own, with roles "k0", "k1"…: `k_roles[g]` is the one of GEMM g.
    """

    roles: tuple[str, ...]
    sizes: tuple[int, ...]
    a: tuple[Access, ...]
    b: tuple[Access, ...]
    extras: tuple[Access, ...]
    outputs: tuple[Access, ...]
    k_roles: tuple[str, ...] = ()  # by GEMM; empty: "k" for all

    @cached_property
    def remembered(self) -> dict[tuple[object, ...], Any]:
        """What functions that are `remembered` said of this problem."""
        return {}

    @property
    def gemms(self) -> int:
        """Number of products."""
        return len(self.a)

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Every array access of the kernel."""
        return self.a + self.b + self.extras + self.outputs

    def dims(self, role: str) -> tuple[int, ...]:
        """Loop dims with a role, outermost first."""
        return self._dims.get(role, ())

    @cached_property
    def _dims(self) -> dict[str, tuple[int, ...]]:
        return {role: tuple(d for d, r in enumerate(self.roles) if r == role) for role in dict.fromkeys(self.roles)}

    def size(self, role: str) -> int:
        """Product of the extents of a role's dims."""
        if role not in self._products and role != "batch":
            raise ValueError(f"no dim of role {role} in {', '.join(self.roles)}")
        return self._products.get(role, 1)

    @cached_property
    def _products(self) -> dict[str, int]:
        return {role: math.prod(self.sizes[d] for d in self.dims(role)) for role in set(self.roles)}

    def k_role(self, gemm: int) -> str:
        """The role of the dims that a GEMM sums over."""
        return self.k_roles[gemm] if self.k_roles else "k"

    @cached_property
    def k_sizes(self) -> tuple[int, ...]:
        """K of each GEMM."""
        return tuple(self.size(self.k_role(gemm)) for gemm in range(self.gemms))

    def k_dim(self, operand: Access) -> int:
        """The one loop dim of a canonical problem that an operand's GEMM sums over."""
        return self._k_dims[operand]

    @cached_property
    def _k_dims(self) -> dict[Access, int]:
        found: dict[Access, int] = {}
        for gemm, pair in enumerate(zip(self.a, self.b, strict=True)):
            (dim,) = self.dims(self.k_role(gemm))
            for operand in pair:
                found.setdefault(operand, dim)
        return found

    @property
    def multiplications(self) -> int:
        """Scalar multiplications of all GEMMs."""
        return self.size("batch") * self.size("m") * self.size("n") * sum(self.k_sizes)

    @cached_property
    def operands(self) -> tuple[Access, ...]:
        """The distinct operands of all GEMMs: what a K step must bring into LDS, each once."""
        return tuple(dict.fromkeys(access for pair in zip(self.a, self.b, strict=True) for access in pair))

    @cached_property
    def operand_names(self) -> tuple[str, ...]:
        """A name for each distinct operand: A, B0, B1… (A0, A1… when the GEMMs have different A)."""
        names: dict[Access, str] = {}
        for letter, accesses in (("A", self.a), ("B", self.b)):
            distinct = tuple(dict.fromkeys(accesses))
            for index, access in enumerate(distinct):
                names.setdefault(access, letter if len(distinct) == 1 else f"{letter}{index}")
        return tuple(names[access] for access in self.operands)


def remembered(function: Callable[Concatenate[Problem, Ask], Answer]) -> Callable[Concatenate[Problem, Ask], Answer]:
    """Keep with a problem what `function` says of it: candidates of one search share most of their parts."""
    name = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def ask(problem: Problem, /, *arguments: Ask.args, **named: Ask.kwargs) -> Answer:
        key = (name, arguments, *named.items()) if named else (name, arguments)
        known = problem.remembered
        if key in known:
            answer: Answer = known[key]
        else:
            answer = known[key] = function(problem, *arguments, **named)
        return answer

    return ask


def canonical(problem: Problem) -> Problem:
    """The same problem with exactly one m and n dim and one dim for each k role, in the order batch…, m, n, k….

    Unit dims disappear, dims of one role that are evenly strided in every array become one, and m or n dims that remain
    beside the largest become batch dims. A dim of extent 1 that stays has stride 0: no step along it is ever taken, and
    a tile that reaches past it repeats its element, at an address that is as well aligned.
    """
    problem = _zero_unit_strides(problem)
    every = ("batch", "m", "n", *dict.fromkeys(problem.k_role(gemm) for gemm in range(problem.gemms)))
    for role in every:
        problem = _merge_role(_drop_units(problem, role), role)
    for role in ("m", "n"):
        largest = max(problem.dims(role), key=lambda d: problem.sizes[d])
        roles = tuple("batch" if r == role and d != largest else r for d, r in enumerate(problem.roles))
        problem = replace(problem, roles=roles)
    order = [d for role in every for d in problem.dims(role)]
    return _merge_role(_reorder(problem, order), "batch")


def _zero_unit_strides(problem: Problem) -> Problem:
    def strides(access: Access) -> list[int]:
        return [0 if size == 1 else stride for size, stride in zip(problem.sizes, access.strides, strict=True)]

    return _with_strides(problem, strides)


def _reorder(problem: Problem, order: Sequence[int]) -> Problem:
    roles, sizes = tuple(problem.roles[d] for d in order), tuple(problem.sizes[d] for d in order)
    return replace(_with_strides(problem, lambda access: [access.strides[d] for d in order]), roles=roles, sizes=sizes)


def _with_strides(problem: Problem, strides: Callable[[Access], list[int]]) -> Problem:
    def of(accesses: tuple[Access, ...]) -> tuple[Access, ...]:
        return tuple(replace(access, strides=tuple(strides(access))) for access in accesses)

    return replace(problem, a=of(problem.a), b=of(problem.b), extras=of(problem.extras), outputs=of(problem.outputs))


def _drop_units(problem: Problem, role: str) -> Problem:
    dims = problem.dims(role)
    units = [d for d in dims if problem.sizes[d] == 1]
    if role != "batch" and len(units) == len(dims):
        units = units[1:]
    return _reorder(problem, [d for d in range(len(problem.roles)) if d not in units])


def _merge_role(problem: Problem, role: str) -> Problem:
    """Merge neighbours (outer, inner) of a role while outer stride = inner stride · inner size everywhere."""
    dims = problem.dims(role)
    for outer, inner in itertools.pairwise(dims):
        if all(access.strides[outer] == access.strides[inner] * problem.sizes[inner] for access in problem.accesses):
            sizes = list(problem.sizes)
            sizes[inner] *= sizes[outer]
            merged = replace(problem, sizes=tuple(sizes))
            keep = [d for d in range(len(problem.roles)) if d != outer]
            return _merge_role(_reorder(merged, keep), role)
    return problem
