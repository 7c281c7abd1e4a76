"""The operands of a problem: their direction in memory and how they are loaded. Pure: no MLIR."""

from __future__ import annotations

from collections.abc import Mapping

from rocfuse.analysis.copies import LDS_ACCESS_BYTES
from rocfuse.analysis.problem import Access, Problem, remembered
from rocfuse.analysis.views import vector_elements
from rocfuse.records import record

ELEMENT_BYTES: Mapping[str, int] = {"f16": 2, "bf16": 2, "f32": 4}


def contiguous(problem: Problem, access: Access) -> str:
    """Which direction of an operand is contiguous in memory: "k" or "row" (m of A, n of B)."""
    k = problem.k_dim(access)
    row = row_dim(problem, access)
    if access.stride(k) == 1 or (problem.sizes[k] == 1 and access.stride(row) != 1):
        return "k"
    return "row" if access.stride(row) == 1 else "k"


@remembered
def output_direction(problem: Problem) -> str:
    """Along which of m and n a lane's consecutive results are stored: what is contiguous in the first output."""
    m, n = problem.dims("m")[0], problem.dims("n")[0]
    first = problem.outputs[0]
    return "m" if first.stride(m) == 1 and first.stride(n) != 1 else "n"


def row_dim(problem: Problem, access: Access) -> int:
    """The loop dim of an operand's rows: m for an A, n for a B."""
    return problem.dims("m" if access.role == "a" else "n")[0]


def access_vector(problem: Problem, access: Access, dim: int, most: int) -> int:
    """Elements that one load or store may move along loop dim `dim`: 1 unless it is contiguous and aligned."""
    if access.stride(dim) != 1:
        return 1
    strides = [1 if d == dim else access.stride(d) if problem.sizes[d] > 1 else 0 for d in range(len(problem.sizes))]
    return vector_elements(strides, dim, access.offset, access.array_elements, most)


@record
class Load:
    """How an operand is loaded from memory: along "k" or "row", `vector` elements at a time."""

    along: str
    vector: int


@remembered
def operand_loads(problem: Problem) -> tuple[Load, ...]:
    """The load of each distinct operand, whatever the tile.

    Operands that differ only in their offset take what the worst aligned of them can: dealt alike, they share their
    addresses in memory and in LDS, which is worth more registers than the wider loads of one are.
    """

    def kind(access: Access) -> tuple[str, str, tuple[int, ...]]:
        return access.role, access.element_type, access.strides

    loads = []
    for access in problem.operands:
        along = contiguous(problem, access)
        dim = problem.k_dim(access) if along == "k" else row_dim(problem, access)
        most = LDS_ACCESS_BYTES // ELEMENT_BYTES[access.element_type]
        alike = (one for one in problem.operands if kind(one) == kind(access))
        loads.append(Load(along, min(access_vector(problem, one, dim, most) for one in alike)))
    return tuple(loads)
