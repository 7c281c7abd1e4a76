"""The programs that do the same work without fusing, and what they take by the same cost model. Pure: no MLIR.

What today's compilers make of a gated layer: one GEMM as wide as all products, which writes them to memory, and an
elementwise kernel that reads them back; or a GEMM for each product, of which the last one combines the others. A
product in memory has the result's element type, and is served by the Infinity Cache where all of it fits.
"""

from __future__ import annotations

import math
from dataclasses import replace

from rocfuse.analysis.copies import LDS_ACCESS_BYTES
from rocfuse.analysis.cost import Objective
from rocfuse.analysis.operands import ELEMENT_BYTES
from rocfuse.analysis.problem import Access, Problem
from rocfuse.analysis.search import rough
from rocfuse.records import record
from rocfuse.targets import Target


@record
class Unfused:
    """One program without fusion: its kernels, predicted cycles, and bytes moved once each.

    Cycles are one kernel after another with their launches, or for throughput what all take of a full GPU.
    """

    name: str
    kernels: int
    cycles: int
    bytes: int


def alternatives(problem: Problem, target: Target, objective: Objective = "latency") -> tuple[Unfused, ...]:
    """Every unfused program that there is, the best for the objective first.

    Empty where a GEMM of it cannot be planned.
    """
    product = _product(problem)
    product_bytes = _bytes(problem, product)
    combine = sum(_bytes(problem, one) for one in dict.fromkeys(problem.extras + problem.outputs))
    launch = target.launch_ns * target.engine_clock_mhz / 1000 if objective == "latency" else 0.0
    found: list[Unfused] = []

    def consider(name: str, gemms: tuple[Problem, ...], kernels: int, read: int) -> None:
        """`kernels` more kernels than GEMMs, and `read` bytes of products that come back from memory."""
        best = {one: rough(one, target, objective) for one in dict.fromkeys(gemms)}
        costs = [plan.cost for plan in (best[one] for one in gemms) if plan]
        if len(costs) < len(gemms):
            return
        moved = sum(one.bytes for one in costs) + read + combine - (0 if kernels else product_bytes)
        cycles = (
            sum(one.predicted(objective) for one in costs) + kernels * launch + _cycles(read + combine, read, target)
        )
        found.append(Unfused(name, len(gemms) + kernels, round(cycles), moved))

    alone = tuple(
        replace(problem, a=(a,), b=(_aligned_alike(b),), extras=(), outputs=(product,), k_roles=(problem.k_role(g),))
        for g, (a, b) in enumerate(zip(problem.a, problem.b, strict=True))
    )
    if len(alone) == 1:
        consider("the GEMM, then an elementwise kernel", alone, 1, product_bytes)
        return tuple(found)
    if len(set(problem.a)) == 1 and len({(one.strides, one.element_type) for one in problem.b}) == 1:
        name = "one GEMM of all columns, then an elementwise kernel"
        consider(name, (_widened(alone[0], problem.gemms),), 1, problem.gemms * product_bytes)
    # the last GEMM reads the other products before it stores; its own never reaches memory
    consider(f"{len(alone)} GEMMs, the last one combines", alone, 0, (problem.gemms - 1) * product_bytes)
    return tuple(sorted(found, key=lambda one: one.cycles))


def _aligned_alike(operand: Access) -> Access:
    """The operand at the first offset of its alignment: slices of one array are then one and the same, planned once."""
    return replace(operand, offset=operand.offset % (LDS_ACCESS_BYTES // ELEMENT_BYTES[operand.element_type]))


def _product(problem: Problem) -> Access:
    """A product in memory: as the first result, over all of batch, m and n."""
    dims = [d for d, role in enumerate(problem.roles) if role in ("batch", "m", "n")]
    strides = [0] * len(problem.sizes)
    step = 1
    for dim in reversed(dims):
        strides[dim], step = step, step * problem.sizes[dim]
    return replace(problem.outputs[0], offset=0, strides=tuple(strides), array_elements=step, role="")


def _widened(problem: Problem, times: int) -> Problem:
    """One GEMM with `times` its columns."""
    (n,) = problem.dims("n")
    sizes = tuple(size * times if d == n else size for d, size in enumerate(problem.sizes))
    b, product = problem.b[0], problem.outputs[0]
    wide = replace(problem, sizes=sizes, b=(replace(b, array_elements=b.array_elements * times),))
    return replace(wide, outputs=(replace(product, array_elements=product.array_elements * times),))


def _bytes(problem: Problem, access: Access) -> int:
    extent = math.prod(size for size, step in zip(problem.sizes, access.strides, strict=True) if step)
    return extent * ELEMENT_BYTES[access.element_type]


def _cycles(moved: int, intermediate: int, target: Target) -> float:
    """Cycles to move bytes of which `intermediate` were written just before."""
    cached = intermediate <= target.infinity_cache_bytes
    rate = target.infinity_cache_bytes_per_us if cached else target.hbm_bytes_per_us
    return moved * target.engine_clock_mhz / rate
