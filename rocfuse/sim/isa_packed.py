"""Packed and mixed-precision instructions (CDNA3 ISA, "VOP3P"): op_sel and op_sel_hi pick the halves of each source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rocfuse.sim.arith import F16, F32, flush, fma_f16, fma_f32
from rocfuse.sim.decode import Instruction
from rocfuse.sim.isa_float import _maximum, _minimum
from rocfuse.sim.isa_integer import saturating, shift_left, shift_right
from rocfuse.sim.operands import Operand, Reader, parse_operand, vector_reader, vector_writer
from rocfuse.sim.state import State
from rocfuse.sim.step import Context, Step, ids_of, unsupported

Array = np.ndarray

# mnemonic -> (kind of one half, sources, function on halves, does the destination take part)
_PACKED: dict[str, tuple[str, int, Callable[..., Array], bool]] = {
    "v_pk_add_f16": ("f16", 2, lambda a, b: a + b, False),
    "v_pk_mul_f16": ("f16", 2, lambda a, b: a * b, False),
    "v_pk_max_f16": ("f16", 2, _maximum, False),
    "v_pk_min_f16": ("f16", 2, _minimum, False),
    "v_pk_fma_f16": ("f16", 3, fma_f16, False),
    "v_pk_fmac_f16": ("f16", 3, fma_f16, True),
    "v_pk_add_u16": ("u16", 2, lambda a, b: a + b, False),
    "v_pk_add_i16": ("i16", 2, lambda a, b: a + b, False),
    "v_pk_sub_u16": ("u16", 2, lambda a, b: a - b, False),
    "v_pk_sub_i16": ("i16", 2, lambda a, b: a - b, False),
    "v_pk_mul_lo_u16": ("u16", 2, lambda a, b: a * b, False),
    "v_pk_mad_u16": ("u16", 3, lambda a, b, c: a * b + c, False),
    "v_pk_mad_i16": ("i16", 3, lambda a, b, c: a * b + c, False),
    "v_pk_max_u16": ("u16", 2, np.maximum, False),
    "v_pk_max_i16": ("i16", 2, np.maximum, False),
    "v_pk_min_u16": ("u16", 2, np.minimum, False),
    "v_pk_min_i16": ("i16", 2, np.minimum, False),
    "v_pk_lshlrev_b16": ("u16", 2, lambda by, x: shift_left(x, by), False),
    "v_pk_lshrrev_b16": ("u16", 2, lambda by, x: shift_right(x, by), False),
    "v_pk_ashrrev_i16": ("i16", 2, lambda by, x: shift_right(x, by), False),
    "v_pk_add_f32": ("f32", 2, lambda a, b: a + b, False),
    "v_pk_mul_f32": ("f32", 2, lambda a, b: a * b, False),
    "v_pk_fma_f32": ("f32", 3, fma_f32, False),
    "v_pk_mov_b32": ("b32", 2, lambda a, b: a, False),
}

_SATURATING = {
    f"v_pk_{name}_{kind}": saturating(sign) for name, sign in (("add", 1), ("sub", -1)) for kind in ("u16", "i16")
}


def _flags(instruction: Instruction, name: str, count: int, default: int) -> list[int]:
    text = instruction.modifiers.get(name)
    flags = [int(part) for part in text.strip("[]").split(",")] if text else []
    return flags + [default] * (count - len(flags))


def _half_reader(operand: Operand, kind: str, half: int, negate: int, shadow: bool) -> Reader:
    operand = replace(operand, negate=bool(negate) ^ operand.negate)
    if kind.endswith("32"):
        if operand.bank != "c" and half:
            operand = replace(operand, row=operand.row + min(1, operand.count - 1), count=1)
        return vector_reader(operand, kind, shadow)
    if operand.bank == "c" and half:  # an inline constant fills the low half; a negative integer also the upper
        operand = replace(operand, text="-1" if operand.text.startswith("-") and operand.text[1:].isdigit() else "0")
        if (whole := _literal(operand)) is not None:
            operand = replace(operand, text=str(whole >> 16))
    return vector_reader(operand, kind, shadow, half if operand.bank != "c" else 0)


def _literal(operand: Operand) -> int | None:
    return int(operand.text, 16) if operand.text.startswith("0x") else None


def compile_packed(instruction: Instruction, context: Context) -> Step | None:
    """Compile a packed instruction: the low and the high half of the result are computed alike."""
    entry = _PACKED.get(instruction.mnemonic)
    if entry is None:
        return _compile_mix(instruction, context)
    kind, count, function, accumulate = entry
    if "clamp" in instruction.modifiers and instruction.mnemonic in _SATURATING:
        function = _SATURATING[instruction.mnemonic]
    elif set(instruction.modifiers) - {"op_sel", "op_sel_hi", "neg_lo", "neg_hi"}:
        raise unsupported(instruction, context.kernel.name, "modifiers")
    target, *sources = [parse_operand(text) for text in instruction.operands]
    if accumulate:
        sources.append(target)
    if len(sources) != count:
        raise unsupported(instruction, context.kernel.name, f"{len(sources)} sources")
    low_halves, high_halves = _flags(instruction, "op_sel", count, 0), _flags(instruction, "op_sel_hi", count, 1)
    low_signs, high_signs = _flags(instruction, "neg_lo", count, 0), _flags(instruction, "neg_hi", count, 0)
    if instruction.mnemonic == "v_pk_mov_b32":  # low result from the first source, high result from the second
        high_halves = [low_halves[1], 0]
        low_halves = [low_halves[0], 0]

    def readers(halves: list[int], signs: list[int], shadow: bool) -> list[Reader]:
        return [_half_reader(s, kind, h, n, shadow) for s, h, n in zip(sources, halves, signs, strict=True)]

    plane = [
        (readers(low_halves, low_signs, shadow), readers(high_halves, high_signs, shadow)) for shadow in (False, True)
    ]
    if instruction.mnemonic == "v_pk_mov_b32":
        for _, high in plane:
            high.reverse()
    if (context.flush_f32 and kind == "f32") or (context.flush_f16 and kind == "f16"):
        function = _flushing(function)
    run, tainted = _runners(target, kind, function, plane)
    wide = kind.endswith("32")
    writes = target.ids()[: 2 if wide else 1]
    return Step(instruction, "valu", run, tainted, ids_of(*sources), writes)


def _flushing(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda *values: flush(function(*[flush(value) for value in values]))


def _runners(
    target: Operand, kind: str, function: Callable[..., Array], plane: list[tuple[list[Reader], list[Reader]]]
) -> tuple[Callable[[State], None], Callable[[State], None]]:
    write, write_shadow = (_pair_writer(target, kind, shadow) for shadow in (False, True))
    (low, high), (low_shadow, high_shadow) = plane
    unsigned: Any = np.uint32 if kind.endswith("32") else np.uint16

    def run(state: State) -> None:
        write(state, function(*[read(state) for read in low]), function(*[read(state) for read in high]))

    def tainted(state: State) -> None:
        bits = []
        for part in (low_shadow, high_shadow):
            total = np.zeros((1, 1), bool)
            for read in part:
                total = total | (read(state) != 0)
            bits.append(np.where(total, ~unsigned(0), unsigned(0)))
        run(state)
        write_shadow(state, bits[0], bits[1])

    return run, tainted


def _pair_writer(target: Operand, kind: str, shadow: bool) -> Callable[[State, Array, Array], None]:
    if kind.endswith("32"):
        low, high = (vector_writer(replace(target, row=target.row + at, count=1), "u32", shadow) for at in (0, 1))

        def write_wide(state: State, first: Array, second: Array) -> None:
            low(state, first.view(np.uint32))
            high(state, second.view(np.uint32))

        return write_wide
    whole = vector_writer(target, "u32", shadow)

    def write(state: State, first: Array, second: Array) -> None:
        bits = second.view(np.uint16).astype(np.uint32) << np.uint32(16)
        whole(state, first.view(np.uint16).astype(np.uint32) | bits)

    return write


def _mixed(mode: int, sources: list[Operand], halves: list[int], wide: list[int], shadow: bool) -> list[Reader]:
    """v_fma_mix sources: op_sel_hi says f16, op_sel says which half."""
    readers = []
    for operand, half, is_half in zip(sources, halves, wide, strict=True):
        read = vector_reader(
            operand, "f16" if is_half else "f32", shadow, half if is_half and operand.bank != "c" else 0
        )
        readers.append(_widened(read) if is_half and not shadow else read)
    return readers


def _widened(read: Reader) -> Reader:
    return lambda state: read(state).astype(F32)


def _dot2(a: Array, b: Array, c: Array, d: Array, e: Array) -> Array:
    return (a.astype(np.float64) * b.astype(np.float64) + c.astype(np.float64) * d.astype(np.float64) + e).astype(F32)


def _compile_mix(instruction: Instruction, context: Context) -> Step | None:
    if instruction.mnemonic == "v_dot2_f32_f16":
        return _compile_dot2(instruction)
    if instruction.mnemonic not in ("v_fma_mix_f32", "v_fma_mixlo_f16", "v_fma_mixhi_f16"):
        return None
    target, *sources = [parse_operand(text) for text in instruction.operands]
    halves, wide = _flags(instruction, "op_sel", 3, 0), _flags(instruction, "op_sel_hi", 3, 0)
    low, low_shadow = (_mixed(0, sources, halves, wide, shadow) for shadow in (False, True))
    kind = "f32" if instruction.mnemonic.endswith("f32") else "f16"
    half = int(instruction.mnemonic.endswith("hi_f16"))
    clamp = "clamp" in instruction.modifiers
    write, write_shadow = (vector_writer(target, kind, shadow, half, True) for shadow in (False, True))
    unsigned: Any = np.uint32 if kind == "f32" else np.uint16

    def run(state: State) -> None:
        value = fma_f32(*[read(state) for read in low])
        value = np.clip(np.nan_to_num(value, nan=0.0), 0, 1).astype(F32) if clamp else value
        write(state, value if kind == "f32" else value.astype(F16))

    def tainted(state: State) -> None:
        total = np.zeros((1, 1), bool)
        for read in low_shadow:
            total = total | (read(state) != 0)
        run(state)
        write_shadow(state, np.where(total, ~unsigned(0), unsigned(0)))

    kept = frozenset() if kind == "f32" else frozenset(target.ids())
    return Step(instruction, "valu", run, tainted, ids_of(*sources) | kept, target.ids())


def _compile_dot2(instruction: Instruction) -> Step:
    target, a, b, c = [parse_operand(text) for text in instruction.operands]
    readers, shadows = (
        [vector_reader(source, "f16", shadow, half) for half in (0, 1) for source in (a, b)]
        + [vector_reader(c, "f32", shadow)]
        for shadow in (False, True)
    )

    def run(state: State) -> None:
        vector_writer(target, "f32")(state, _dot2(*[read(state) for read in readers]))

    def tainted(state: State) -> None:
        total = np.zeros((1, 1), bool)
        for read in shadows:
            total = total | (read(state) != 0)
        run(state)
        state.write_vector_shadow(target.row, np.where(total, np.uint32(0xFFFFFFFF), np.uint32(0)))

    return Step(instruction, "valu", run, tainted, ids_of(a, b, c), target.ids())
