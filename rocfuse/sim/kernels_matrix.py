"""Matrix instructions as loops (numba): increasing k, one f32 rounding a step, unless another order is asked for.

The lane layouts are AMD's documented ones, written here on their own and not taken from the compiler's target table,
because the simulator must notice when that table is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rocfuse.sim.jit import compiled, fma


@compiled
def unpack(
    vector: Any, row: int, wave: int, rows: int, length: int, bits: int, table: Any, last: int, out: Any
) -> None:
    """out[k, i]: operand element k of row (or column) i; a lane holds `length` consecutive k of i = lane % rows.

    `last` >= 0 reverses k.
    """
    if bits == 32:
        floats = vector.view(np.float32)
        for lane in range(64):
            k = lane // rows
            out[last - k if last >= 0 else k, lane % rows] = floats[row, wave, lane]
        return
    # no divisions in the loops: they would take longer than the products
    each = 32 // bits
    mask = np.uint32((1 << bits) - 1)
    for part in range(64 // rows):
        for word in range((length + each - 1) // each):
            first = part * length + word * each
            for i in range(rows):
                value = vector[row + word, wave, part * rows + i]
                for element in range(min(each, length)):
                    k = first + element
                    out[last - k if last >= 0 else k, i] = table[value & mask]
                    value = value >> np.uint32(bits)


@compiled
def matrix_f32(
    vector: Any,
    words: Any,
    target: int,
    a: int,
    b: int,
    c: int,
    constant: float,
    members: Any,
    size: int,
    depth: int,
    bits: int,
    a_table: Any,
    b_table: Any,
    backward: bool,
) -> None:
    """D = A * B + C for one block of size x size, `vector` being the f32 view of `words`; c < 0: C is `constant`."""
    length = depth * size // 64
    last = depth - 1 if backward else -1
    left = np.zeros((max(depth, 8), size), np.float32)  # steps beyond `depth` add 0
    right = np.empty((depth, size), np.float32)
    eight = np.empty((8, 32), np.float32)
    sums = np.empty(64, np.float32)
    result = np.empty(64, np.float32)
    width = np.uint64(size)
    registers = size * size // 64
    downward = 0 <= c < target
    for at in range(members.shape[0]):
        wave = members[at]
        unpack(words, a, wave, size, length, bits, a_table, last, left)
        unpack(words, b, wave, size, length, bits, b_table, last, right)
        for k in range(0, depth, 8):
            eight[:] = 0
            eight[: min(8, depth - k), :size] = right[k : k + 8]
            for step in range(registers):
                # D may start in the middle of C: no row of C may be overwritten before it is read
                register = registers - 1 - step if downward else step
                source = target if k > 0 else c
                for lane in range(np.uint64(64)):
                    sums[lane] = vector[source + register, wave, lane] if source >= 0 else np.float32(constant)
                for part in range(np.uint64(64 // size)):
                    # 32x32: 4 rows a register group, 8 rows apart, the upper half wave 4 rows further
                    # 16x16: 4 rows a quarter wave
                    m = 8 * (register // 4) + 4 * part + register % 4 if size == 32 else 4 * part + register
                    x0, x1, x2, x3 = left[k, m], left[k + 1, m], left[k + 2, m], left[k + 3, m]
                    x4, x5, x6, x7 = left[k + 4, m], left[k + 5, m], left[k + 6, m], left[k + 7, m]
                    first = part * width
                    # written out, from one array to another, with unsigned indices: only so does LLVM use vectors for n
                    for n in range(width):
                        total = fma(x0, eight[0, n], sums[first + n])
                        total = fma(x1, eight[1, n], total)
                        total = fma(x2, eight[2, n], total)
                        total = fma(x3, eight[3, n], total)
                        total = fma(x4, eight[4, n], total)
                        total = fma(x5, eight[5, n], total)
                        total = fma(x6, eight[6, n], total)
                        result[first + n] = fma(x7, eight[7, n], total)
                for lane in range(np.uint64(64)):
                    vector[target + register, wave, lane] = result[lane]


@compiled
def matrix_blocks(
    vector: Any,
    words: Any,
    target: int,
    a: int,
    b: int,
    c: int,
    constant: float,
    members: Any,
    size: int,
    depth: int,
    bits: int,
    a_table: Any,
    backward: bool,
) -> None:
    """The forms with 64 / size independent blocks: block = lane / size holds its own A, B and result rows."""
    blocks = 64 // size
    left = np.empty((depth * blocks, size), np.float32)
    right = np.empty((depth * blocks, size), np.float32)
    registers = size * size // 64
    result = np.empty((max(registers, 1) * (blocks if size > 4 else 4), 64), np.float32)
    for at in range(members.shape[0]):
        wave = members[at]
        unpack(words, a, wave, size, depth, bits, a_table, -1, left)
        unpack(words, b, wave, size, depth, bits, a_table, -1, right)
        for register in range(result.shape[0]):
            for lane in range(64):
                if size == 4:
                    block, m = lane // 4, register
                else:
                    block, local = register // registers, register % registers
                    part = lane // size
                    m = 8 * (local // 4) + 4 * part + local % 4 if size == 32 else 4 * part + local
                total = vector[c + register, wave, lane] if c >= 0 else np.float32(constant)
                for step in range(depth):
                    k = block * depth + (depth - 1 - step if backward else step)
                    total = fma(left[k, m], right[k, lane % size], total)
                result[register, lane] = total
        for register in range(result.shape[0]):
            for lane in range(64):
                vector[target + register, wave, lane] = result[register, lane]


@compiled
def matrix_i32(
    words: Any, target: int, a: int, b: int, c: int, constant: int, members: Any, size: int, depth: int
) -> None:
    """D = A * B + C with i8 operands and wrapping i32 sums."""
    length = depth * size // 64
    left = np.empty((depth, size), np.int32)
    right = np.empty((depth, size), np.int32)
    registers = size * size // 64
    for at in range(members.shape[0]):
        wave = members[at]
        for lane in range(64):
            for element in range(length):
                k = lane // size * length + element
                shift = np.uint32(8 * (element % 4))
                left[k, lane % size] = np.int8(words[a + element // 4, wave, lane] >> shift & np.uint32(255))
                right[k, lane % size] = np.int8(words[b + element // 4, wave, lane] >> shift & np.uint32(255))
        for step in range(registers):
            register = registers - 1 - step if 0 <= c < target else step  # as in matrix_f32
            for lane in range(64):
                part = lane // size
                m = 8 * (register // 4) + 4 * part + register % 4 if size == 32 else 4 * part + register
                total = np.int64(constant)
                if c >= 0:
                    total = np.int64(words[c + register, wave, lane])
                for k in range(depth):
                    total += np.int64(left[k, m]) * np.int64(right[k, lane % size])
                words[target + register, wave, lane] = np.uint32(total & 0xFFFFFFFF)
