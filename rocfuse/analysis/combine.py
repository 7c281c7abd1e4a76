"""What the combine of a kernel needs beside its accumulators. Pure: no MLIR."""

from __future__ import annotations

from rocfuse.analysis.operands import ELEMENT_BYTES, output_direction
from rocfuse.analysis.problem import Problem

# f32 intermediates of a block that are alive at once: the body's longest live range is a function's argument and result
_INTERMEDIATES = 2


def registers(problem: Problem, block_elements: int, blocks: int) -> int:
    """32-bit registers a lane, at most: other operands, intermediates and results of one accumulator block.

    `block_elements` are a lane's elements of a block, `blocks` the blocks of a wave along the direction in which a lane
    holds consecutive results. An operand that varies only in that direction is read once for all blocks across it.
    """
    direction = output_direction(problem)
    along, across = (problem.dims(role)[0] for role in (direction, "m" if direction == "n" else "n"))
    need = _INTERMEDIATES * block_elements
    for access in dict.fromkeys(problem.extras):
        size = ELEMENT_BYTES[access.element_type]
        if not access.stride(along):
            need += 1  # one element for a whole run
        else:
            need += block_elements * size // 4 * (1 if access.stride(across) else blocks)
    return need + sum(block_elements * ELEMENT_BYTES[access.element_type] // 4 for access in problem.outputs)
