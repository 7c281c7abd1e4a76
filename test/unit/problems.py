"""Problems as numbers, for the tests of the analyses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rocfuse.analysis.problem import Access, Problem, canonical
from rocfuse.analysis.views import dense


def problem(
    dims: Sequence[str],
    sizes: Sequence[int],
    a: Sequence[int],
    b: Sequence[int],
    out: Sequence[int],
    gemms: int = 1,
    extras: Sequence[Sequence[int]] = (),
    element_type: str = "f16",
) -> Problem:
    """Dense arrays, one A for all GEMMs; `a`, `b`, `out` and `extras` are the loop dims of each, in memory order."""

    def access(array: int, order: Sequence[int], role: str = "") -> Access:
        shape = [sizes[d] for d in order]
        strides = dict(zip(order, dense(shape).strides, strict=True))
        steps = tuple(strides.get(d, 0) for d in range(len(sizes)))
        return Access(array, element_type, 0, steps, math.prod(shape), role)

    weights = tuple(access(1 + g, b, "b") for g in range(gemms))
    others = tuple(access(1 + gemms + i, order) for i, order in enumerate(extras))
    outputs = (access(1 + gemms + len(extras), out),)
    return Problem(tuple(dims), tuple(sizes), (access(0, a, "a"),) * gemms, weights, others, outputs)


def gemms(m: int, n: int, k: int, count: int = 2, layout: str = "kn", batch: int = 1, sliced: bool = False) -> Problem:
    """`count` products of one A, canonical; with `sliced`, the weights are the column blocks of one array."""
    b = (0, 3, 2) if layout == "kn" else (0, 2, 3)
    one = problem(("batch", "m", "n", "k"), (batch, m, n, k), (0, 1, 3), b, (0, 1, 2), count)
    if sliced and layout == "kn":
        stride = (k * n * count, 0, 1, n * count)
        views = (Access(1, "f16", g * n, stride, batch * k * n * count, "b") for g in range(count))
        one = replace(one, b=tuple(views))
    return canonical(one)


def different_k(m: int, n: int, k_sizes: Sequence[int]) -> Problem:
    """One product for each K, of arrays of its own (M x K and K x N), canonical."""
    distinct = tuple(dict.fromkeys(k_sizes))
    roles = ("m", "n", *(f"k{number}" for number in range(len(distinct))))
    dims = [2 + distinct.index(k) for k in k_sizes]

    def access(array: int, shape: Sequence[int], order: Sequence[int], role: str = "") -> Access:
        strides = dict(zip(order, dense(shape).strides, strict=True))
        steps = tuple(strides.get(d, 0) for d in range(len(roles)))
        return Access(array, "f16", 0, steps, math.prod(shape), role)

    a = tuple(access(2 * g, (m, k), (0, dims[g]), "a") for g, k in enumerate(k_sizes))
    b = tuple(access(2 * g + 1, (k, n), (dims[g], 1), "b") for g, k in enumerate(k_sizes))
    outputs = (access(2 * len(k_sizes), (m, n), (0, 1)),)
    k_roles = tuple(roles[dim] for dim in dims)
    return canonical(Problem(roles, (m, n, *distinct), a, b, (), outputs, k_roles))
