"""How a tensor is read: index arithmetic of slices, unit reshapes and views. Numbers in, numbers out.

An `Access` says, for each dimension of a tensor, which loop dimension indexes it and from which offset on, or at which
constant it is read. Slices, permutations, broadcasts and unit-extent reshapes all compose in this form; what does not
(strided slices, diagonals, splitting reshapes) yields None.
"""

from __future__ import annotations

from collections.abc import Sequence

from rocfuse.records import record


@record
class Index:
    """The index of one tensor dimension: `loop dim + offset`, or the constant `offset` if `dim` is None."""

    dim: int | None
    offset: int = 0

    def shifted(self, offset: int) -> Index:
        """The same index, `offset` further."""
        return Index(self.dim, self.offset + offset)


Access = tuple[Index, ...]


def identity(rank: int) -> Access:
    """Dimension i is indexed by loop i."""
    return tuple(Index(i) for i in range(rank))


def dims_of(access: Access) -> tuple[int, ...]:
    """The loop dims that occur, in order."""
    return tuple(index.dim for index in access if index.dim is not None)


def is_projected_permutation(access: Access) -> bool:
    """Whether every index is a distinct loop dim without an offset."""
    dims = dims_of(access)
    return len(dims) == len(access) == len(set(dims)) and all(index.offset == 0 for index in access)


def loops_of_result(result_map: Access, access: Access, loops: int) -> Access | None:
    """How the loops of a structured op run when its result, written through `result_map`, is read through `access`.

    Loops that the result does not cover (reductions) come out as None; the caller fills them in.
    """
    if not is_projected_permutation(result_map):
        return None
    found: list[Index | None] = [None] * loops
    for index, read in zip(result_map, access, strict=True):
        if index.dim is not None:
            found[index.dim] = read
    if any(index is None for index in found):
        return None
    return tuple(index for index in found if index is not None)


def through_map(operand_map: Access, loops: Access) -> Access:
    """The access of an operand that is read through `operand_map` while the loops run as `loops`."""
    return tuple(index if index.dim is None else loops[index.dim].shifted(index.offset) for index in operand_map)


def through_slice(access: Access, offsets: Sequence[int], dropped: frozenset[int]) -> Access:
    """The access of a slice's source; `dropped` are the source dims that a rank-reducing slice leaves out."""
    kept = iter(access)
    return tuple(
        Index(None, offset) if dim in dropped else next(kept).shifted(offset) for dim, offset in enumerate(offsets)
    )


def dropped_dims(sizes: Sequence[int], result_shape: Sequence[int]) -> frozenset[int] | None:
    """Which dims a rank-reducing slice drops: unit ones, the leftmost that fit (as MLIR infers them)."""
    dropped: set[int] = set()
    position = 0
    for dim, size in enumerate(sizes):
        if position < len(result_shape) and result_shape[position] == size:
            position += 1
        elif size == 1:
            dropped.add(dim)
        else:
            return None
    return frozenset(dropped) if position == len(result_shape) else None


def through_expand(access: Access, groups: Sequence[Sequence[int]], shape: Sequence[int]) -> Access | None:
    """The access of the source of an expand_shape to `shape`, if it only adds unit dims."""
    result: list[Index] = []
    for group in groups:
        wide = [dim for dim in group if shape[dim] != 1]
        if len(wide) > 1:
            return None
        # all unit: every index is 0; keep a loop if there is one, so that a product of one row keeps its row dim
        loops = [dim for dim in group if access[dim].dim is not None]
        result.append(access[(wide or loops or list(group))[0]] if group else Index(None, 0))
    return tuple(result)


def through_collapse(access: Access, groups: Sequence[Sequence[int]], shape: Sequence[int]) -> Access | None:
    """The access of the source (of `shape`) of a collapse_shape, if it only drops unit dims."""
    result = dict.fromkeys(range(len(shape)), Index(None, 0))
    for position, group in enumerate(groups):
        wide = [dim for dim in group if shape[dim] != 1]
        if len(wide) > 1:
            return None
        result[wide[0] if wide else group[0]] = access[position]
    return tuple(result[dim] for dim in range(len(shape)))


Box = tuple[tuple[int, int], ...]  # offset and size for each dim of a tensor


def full_box(shape: Sequence[int]) -> Box:
    """The whole of a tensor."""
    return tuple((0, size) for size in shape)


def box_of(access: Access, extents: Sequence[int]) -> Box:
    """Which part of a tensor is read through `access` when the loops have `extents`."""
    return tuple((index.offset, 1 if index.dim is None else extents[index.dim]) for index in access)


def box_through_reshape(
    box: Box, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], shape: Sequence[int], source: Sequence[int]
) -> Box | None:
    """The part of a reshape's source that `box` of its result (of `shape`) is made of.

    `pairs` are the dims of the result and of the `source` shape that become one another. None if the box cuts a dim
    that is merged or split.
    """
    found: list[tuple[int, int]] = [(0, size) for size in source]
    for result_dims, source_dims in pairs:
        wide = [[dim for dim in result_dims if shape[dim] != 1], [dim for dim in source_dims if source[dim] != 1]]
        if len(wide[0]) == len(wide[1]) == 1:
            found[wide[1][0]] = box[wide[0][0]]
        elif any(box[dim] != (0, shape[dim]) for dim in result_dims):
            return None
    return tuple(found)
