"""What a kernel moves from and to memory, and its work. Pure: no MLIR."""

from __future__ import annotations

from functools import cached_property

from rocfuse.analysis.operands import ELEMENT_BYTES
from rocfuse.analysis.problem import Access, Problem, remembered
from rocfuse.analysis.tiling import Tiling, loaded
from rocfuse.records import record


@record
class Stream:
    """One array of a kernel: the bytes of it that the kernel needs, and those that its workgroups ask for in all."""

    name: str
    once: int
    with_rereads: int


@record
class Traffic:
    """All arrays of a kernel. What is asked for again may come from a cache: the truth is between the two sums."""

    streams: tuple[Stream, ...]
    flops: int

    @cached_property
    def once(self) -> int:
        """Bytes when each array is moved once."""
        return sum(stream.once for stream in self.streams)

    @cached_property
    def with_rereads(self) -> int:
        """Bytes that all workgroups ask for."""
        return sum(stream.with_rereads for stream in self.streams)

    @property
    def flop_per_byte(self) -> float:
        """Work for each byte when each array is moved once."""
        return self.flops / self.once

    @property
    def flop_per_byte_with_rereads(self) -> float:
        """Work for each byte that the workgroups ask for."""
        return self.flops / self.with_rereads


def traffic(problem: Problem, tiling: Tiling) -> Traffic:
    """The traffic of a canonical problem; operands by name, then what else the combine reads, then the results."""
    return _traffic(problem, (tiling.tile_m, tiling.tile_n), tiling.loop_form)


@remembered
def _traffic(problem: Problem, tile: tuple[int, int], loop_form: str) -> Traffic:
    brought = loaded(problem, loop_form)
    streams = [
        _stream(name, problem, access, tile, brought.count(access))
        for name, access in zip(problem.operand_names, problem.operands, strict=True)
    ]
    for prefix, accesses in (("combine", problem.extras), ("result", problem.outputs)):
        distinct = tuple(dict.fromkeys(accesses))
        names = [prefix if len(distinct) == 1 else f"{prefix}{index}" for index in range(len(distinct))]
        streams += [_stream(name, problem, one, tile) for name, one in zip(names, distinct, strict=True)]
    return Traffic(tuple(streams), 2 * problem.multiplications)


def _stream(name: str, problem: Problem, access: Access, tile: tuple[int, int], again: int = 1) -> Stream:
    """Elements along the dims that index the array; a tile of any other dim asks for them again."""
    elements = 1
    for role, size, stride in zip(problem.roles, problem.sizes, access.strides, strict=True):
        if stride:
            elements *= size
        elif role == "batch":
            again *= size
        elif role in ("m", "n"):
            again *= -(-size // tile[role == "n"])
    once = elements * ELEMENT_BYTES[access.element_type]
    return Stream(name, once, once * again)
