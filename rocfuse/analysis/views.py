"""Views of an argument's memory: sizes, strides and an offset, all in elements.

A tensor that is sliced, collapsed or expanded out of a function argument needs no copy in the kernel: it is a view of
the argument. All functions here are pure.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from rocfuse.records import record


@record
class View:
    """`element[i…] = base[offset + Σ i·stride]`, in elements of the argument."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def extent(self) -> int:
        """Elements from the view's first element up to and with its last one."""
        return 1 + sum((size - 1) * stride for size, stride in zip(self.sizes, self.strides, strict=True))


def dense(sizes: Sequence[int]) -> View:
    """The row-major view of a whole array."""
    strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
    return View(tuple(sizes), tuple(strides))


def sliced(view: View, offsets: Sequence[int], sizes: Sequence[int], steps: Sequence[int]) -> View:
    """The part `offsets`, `sizes`, `steps` (one entry a dim) of a view."""
    offset = view.offset + sum(o * s for o, s in zip(offsets, view.strides, strict=True))
    return View(tuple(sizes), tuple(a * b for a, b in zip(view.strides, steps, strict=True)), offset)


def dropped(view: View, dims: Sequence[int]) -> View:
    """The view without the unit dims in `dims` (a rank-reducing slice)."""
    keep = [d for d in range(len(view.sizes)) if d not in set(dims)]
    return View(tuple(view.sizes[d] for d in keep), tuple(view.strides[d] for d in keep), view.offset)


def collapsed(view: View, groups: Sequence[Sequence[int]]) -> View | None:
    """Each group of dims as one dim, or None where a group is not evenly strided."""
    sizes, strides = [], []
    for group in groups:
        real = [d for d in group if view.sizes[d] != 1]
        if any(view.strides[a] != view.strides[b] * view.sizes[b] for a, b in itertools.pairwise(real)):
            return None
        sizes.append(math.prod(view.sizes[d] for d in group))
        strides.append(view.strides[real[-1]] if real else 1)
    return View(tuple(sizes), tuple(strides), view.offset)


def expanded(view: View, groups: Sequence[Sequence[int]], sizes: Sequence[int]) -> View:
    """Each dim split into the group of dims of `sizes`, row-major."""
    strides = [0] * len(sizes)
    for dim, group in enumerate(groups):
        step = view.strides[dim]
        for d in reversed(group):
            strides[d] = step
            step *= sizes[d]
    return View(tuple(sizes), tuple(strides), view.offset)


def vector_elements(strides: Sequence[int], contiguous: int, offset: int, total: int, most: int) -> int:
    """Largest power of two ≤ `most` by which every address along dim `contiguous` may be loaded as one vector.

    `strides` are those of dims with more than one element; that of `contiguous` must be 1. `total` is the number of
    elements in the argument: a vector that starts inside it ends inside it.
    """
    others = [stride for dim, stride in enumerate(strides) if dim != contiguous]
    width = most
    while width > 1 and any(value % width for value in (*others, offset, total)):
        width //= 2
    return width
