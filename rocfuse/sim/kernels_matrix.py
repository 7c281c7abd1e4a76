"""Matrix instructions as loops (numba): increasing k, one f32 rounding a step, unless another order is asked for.

The lane layouts are AMD's documented ones, written here on their own and not taken from the compiler's target table,
because the simulator must notice when that table is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rocfuse.sim.jit import compiled, fma


@compiled
def unpack(vector: Any, row: int, wave: int, rows: int, length: int, bits: int, table: Any, out: Any) -> None:
    """out[k, i]: operand element k of row (or column) i; a lane holds `length` consecutive k of i = lane % rows."""
    each = 32 // bits
    mask = np.uint32((1 << bits) - 1) if bits < 32 else np.uint32(0xFFFFFFFF)
    for lane in range(64):
        k = lane // rows * length
        i = lane % rows
        for element in range(length):
            word = vector[row + element // each, wave, lane]
            part = (word >> np.uint32(element % each * bits)) & mask
            out[k + element, i] = table[part]


@compiled
def unpack_f32(vector: Any, row: int, wave: int, rows: int, out: Any) -> None:
    """The same for f32 operands: one element a lane."""
    for lane in range(64):
        out[lane // rows, lane % rows] = vector[row, wave, lane]


@compiled
def accumulate_32(left: Any, right: Any, total: Any, m: int, depth: int, backward: bool) -> None:
    """total[0:32] += left[k, m] * right[k, 0:32] over k."""
    for step in range(depth):
        k = depth - 1 - step if backward else step
        x = left[k, m]
        for n in range(32):
            total[n] = fma(x, right[k, n], total[n])


@compiled
def accumulate_16(left: Any, right: Any, total: Any, m: int, depth: int, backward: bool) -> None:
    """total[0:16] += left[k, m] * right[k, 0:16] over k."""
    for step in range(depth):
        k = depth - 1 - step if backward else step
        x = left[k, m]
        for n in range(16):
            total[n] = fma(x, right[k, n], total[n])


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
    left = np.empty((depth, size), np.float32)
    right = np.empty((depth, size), np.float32)
    total = np.empty(size, np.float32)
    for at in range(members.shape[0]):
        wave = members[at]
        if bits == 32:
            unpack_f32(vector, a, wave, size, left)
            unpack_f32(vector, b, wave, size, right)
        else:
            unpack(words, a, wave, size, length, bits, a_table, left)
            unpack(words, b, wave, size, length, bits, b_table, right)
        for register in range(size * size // 64):
            for part in range(64 // size):
                # 32x32: 4 rows a register group, 8 rows apart, the upper half wave 4 rows further; 16x16: 4 rows a part
                m = 8 * (register // 4) + 4 * part + register % 4 if size == 32 else 4 * part + register
                first = part * size
                if c >= 0:
                    total[:] = vector[c + register, wave, first : first + size]
                else:
                    total[:] = constant
                if size == 32:
                    accumulate_32(left, right, total, m, depth, backward)
                else:
                    accumulate_16(left, right, total, m, depth, backward)
                vector[target + register, wave, first : first + size] = total


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
        if bits == 32:
            unpack_f32(vector, a, wave, size, left)
            unpack_f32(vector, b, wave, size, right)
        else:
            unpack(words, a, wave, size, depth, bits, a_table, left)
            unpack(words, b, wave, size, depth, bits, a_table, right)
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
def matrix_i32(words: Any, target: int, a: int, b: int, c: int, constant: int, members: Any, size: int, depth: int) -> None:
    """D = A * B + C with i8 operands and wrapping i32 sums."""
    length = depth * size // 64
    left = np.empty((depth, size), np.int32)
    right = np.empty((depth, size), np.int32)
    for at in range(members.shape[0]):
        wave = members[at]
        for lane in range(64):
            for element in range(length):
                k = lane // size * length + element
                shift = np.uint32(8 * (element % 4))
                left[k, lane % size] = np.int8(words[a + element // 4, wave, lane] >> shift & np.uint32(255))
                right[k, lane % size] = np.int8(words[b + element // 4, wave, lane] >> shift & np.uint32(255))
        for register in range(size * size // 64):
            for lane in range(64):
                part = lane // size
                m = 8 * (register // 4) + 4 * part + register % 4 if size == 32 else 4 * part + register
                total = np.int64(constant)
                if c >= 0:
                    total = np.int64(words[c + register, wave, lane])
                for k in range(depth):
                    total += np.int64(left[k, m]) * np.int64(right[k, lane % size])
                words[target + register, wave, lane] = np.uint32(total & 0xFFFFFFFF)
