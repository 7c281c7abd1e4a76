"""Operands: from their text to functions that read and write them.

A reader or writer works on a *plane*: the values, or the shadow (the undefined bits of the same registers). Both planes
have the same geometry, so sub-dword selection, lane permutation and 64-bit pairing are written once.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rocfuse.diagnostics import CompileError
from rocfuse.sim.state import AGPR_ROW, EXEC, FLAT_SCRATCH, M0, SCALAR_ID, SCC, TTMP, VCC, XNACK, State

Reader = Callable[[State], np.ndarray]
Writer = Callable[[State, np.ndarray], None]

_NAMED = {
    "vcc": (VCC, 2),
    "vcc_lo": (VCC, 1),
    "vcc_hi": (VCC + 1, 1),
    "exec": (EXEC, 2),
    "exec_lo": (EXEC, 1),
    "exec_hi": (EXEC + 1, 1),
    "m0": (M0, 1),
    "scc": (SCC, 1),
    "src_scc": (SCC, 1),
    "flat_scratch": (FLAT_SCRATCH, 2),
    "flat_scratch_lo": (FLAT_SCRATCH, 1),
    "flat_scratch_hi": (FLAT_SCRATCH + 1, 1),
    "xnack_mask": (XNACK, 2),
    "xnack_mask_lo": (XNACK, 1),
    "xnack_mask_hi": (XNACK + 1, 1),
}
_REGISTER = re.compile(r"(v|s|a|ttmp|acc)(\d+)$|(v|s|a|ttmp)\[(\d+)(?::(\d+))?\]$")
TYPES = {
    "b32": np.uint32,
    "u32": np.uint32,
    "i32": np.int32,
    "f32": np.float32,
    "b16": np.uint16,
    "u16": np.uint16,
    "i16": np.int16,
    "f16": np.float16,
    "b64": np.uint64,
    "u64": np.uint64,
    "i64": np.int64,
    "f64": np.float64,
}


@dataclass(frozen=True)
class Operand:
    """A register range or a constant, with its source modifiers."""

    bank: str  # "v" (vector rows), "s" (scalar rows) or "c" (constant)
    row: int
    count: int
    text: str
    negate: bool = False
    absolute: bool = False
    extend: bool = False

    def ids(self, count: int = 0) -> tuple[int, ...]:
        """Register ids of the first `count` registers (0: all)."""
        base = {"v": self.row, "s": SCALAR_ID + self.row, "c": -1}[self.bank]
        return () if base < 0 else tuple(range(base, base + (count or self.count)))


@functools.lru_cache(maxsize=4096)
def parse_operand(text: str) -> Operand:
    """Read one operand; raises CompileError for a name that the machine state does not have."""
    negate = absolute = extend = False
    inner = text
    while True:
        if inner.startswith("-") and not re.match(r"-[\d.]", inner):
            negate, inner = True, inner[1:]
        elif inner.startswith("|") and inner.endswith("|"):
            absolute, inner = True, inner[1:-1]
        elif match := re.match(r"(neg|abs|sext)\((.*)\)$", inner):
            negate |= match.group(1) == "neg"
            absolute |= match.group(1) == "abs"
            extend |= match.group(1) == "sext"
            inner = match.group(2)
        else:
            break
    if inner in _NAMED:
        row, count = _NAMED[inner]
        return Operand("s", row, count, inner, negate, absolute, extend)
    match = _REGISTER.match(inner)
    if match:
        bank = match.group(1) or match.group(3)
        first = int(match.group(2) or match.group(4))
        last = int(match.group(5) or first)
        row = first + {"v": 0, "a": AGPR_ROW, "acc": AGPR_ROW, "s": 0, "ttmp": TTMP}[bank]
        return Operand("s" if bank in ("s", "ttmp") else "v", row, last - first + 1, inner, negate, absolute, extend)
    if re.match(r"[-+]?(0x[0-9a-fA-F]+|\d+(\.\d*)?([eE][-+]?\d+)?|\.\d+)$", inner):
        return Operand("c", 0, 1, inner, negate, absolute, extend)
    if inner in ("off", "null"):
        return Operand("c", 0, 1, "0")
    raise CompileError(f"operand '{text}' is not modelled")


def constant_bits(text: str, kind: str) -> int:
    """The bits that a constant operand has in an operand of `kind`."""
    width = int(kind[1:])
    if re.match(r"[-+]?0x", text) or re.match(r"[-+]?\d+$", text):
        value = int(text, 0)
        if kind == "i64" and 0x80000000 <= value <= 0xFFFFFFFF and text.startswith("0x"):
            value -= 1 << 32
        if kind == "f64" and text.startswith("0x"):
            value <<= 32  # a literal is the high half
        return value & ((1 << width) - 1)
    # 1/(2 pi) is printed with as many digits as its type needs; every other constant is exact
    form = {16: "<e", 32: "<f", 64: "<d"}[width]
    return int.from_bytes(struct.pack(form, float(text)), "little")


def _constant(operand: Operand, kind: str, shadow: bool) -> Reader:
    bits = 0 if shadow else constant_bits(operand.text, kind)
    unsigned = {16: np.uint16, 32: np.uint32, 64: np.uint64}[int(kind[1:])]
    value: np.ndarray = np.full((1, 1), bits, unsigned)
    if not shadow:
        value = value.view(TYPES[kind])
    return lambda state: value


def row_reader(bank: str, row: int, shadow: bool) -> Reader:
    """Read one 32-bit row as (waves, lanes), or (waves, 1) for a scalar."""
    if bank == "v":
        if shadow:
            return lambda state: state.read_vector_shadow(row)
        return lambda state: state.vector[row, state.select]
    if shadow:
        return lambda state: state.scalar_shadow[row, state.select][:, None]
    return lambda state: state.scalar[row, state.select][:, None]


def vector_reader(
    operand: Operand,
    kind: str,
    shadow: bool = False,
    half: int = 0,
    select: str = "",
    permute: Callable[[State, np.ndarray], np.ndarray] | None = None,
) -> Reader:
    """Read an operand of a vector instruction.

    `half` picks the half of a 16-bit operand, `select` is an SDWA selection, `permute` a DPP lane permutation.
    """
    if kind == "mask":
        return mask_reader(operand, shadow)
    if operand.bank == "c":
        return _with_sign(_constant(operand, kind, shadow), operand, kind, shadow)
    dtype = TYPES[kind] if not shadow else {16: np.uint16, 32: np.uint32, 64: np.uint64}[int(kind[1:])]
    low = row_reader(operand.bank, operand.row, shadow)
    if permute is not None:
        plain, change = low, permute
        low = lambda state: change(state, plain(state))  # noqa: E731
    if select and select != "DWORD":
        low = _sub_dword(low, select, operand.extend and not shadow)
    if kind.endswith("64"):
        high = row_reader(operand.bank, operand.row + 1, shadow)
        if operand.count == 1 and operand.bank == "s":
            high = lambda state: np.zeros((1, 1), np.uint32)  # noqa: E731
        read = _wide(low, high, dtype)
    elif kind.endswith("16"):
        read = _half(low, half, dtype)
    elif dtype is np.uint32:
        read = low
    else:
        read = lambda state: low(state).view(dtype)  # noqa: E731
    return _with_sign(read, operand, kind, shadow)


def _sub_dword(low: Reader, select: str, extend: bool) -> Reader:
    width = 8 if select.startswith("BYTE") else 16
    shift = np.uint32(width * int(select[-1]))
    mask, sign = np.uint32((1 << width) - 1), np.uint32(1 << (width - 1))

    def read(state: State) -> np.ndarray:
        value = (low(state) >> shift) & mask
        return (value ^ sign) - sign if extend else value

    return read


def _wide(low: Reader, high: Reader, dtype: type) -> Reader:
    def read(state: State) -> np.ndarray:
        return (low(state).astype(np.uint64) | (high(state).astype(np.uint64) << np.uint64(32))).view(dtype)

    return read


def _half(low: Reader, half: int, dtype: type) -> Reader:
    shift = np.uint32(16 * half)
    if half:
        return lambda state: (low(state) >> shift).astype(np.uint16).view(dtype)
    return lambda state: low(state).astype(np.uint16).view(dtype)


def _with_sign(read: Reader, operand: Operand, kind: str, shadow: bool) -> Reader:
    if shadow or not (operand.negate or operand.absolute):
        return read
    width = int(kind[1:])
    unsigned: type = {16: np.uint16, 32: np.uint32, 64: np.uint64}[width]
    sign = unsigned(1 << (width - 1))
    dtype = TYPES[kind]

    def modified(state: State) -> np.ndarray:
        value: np.ndarray = read(state).view(unsigned)
        if operand.absolute:
            value = value & ~sign
        return (value ^ sign if operand.negate else value).view(dtype)

    return modified


def mask_reader(operand: Operand, shadow: bool = False) -> Reader:
    """Read a pair of scalar registers as (waves, lanes) of bool."""
    if operand.bank == "c":
        bits = 0 if shadow else constant_bits(operand.text, "i64" if operand.text.startswith("-") else "b64")
        lanes = np.array([[bits >> lane & 1 for lane in range(64)]], bool)
        return lambda state: lanes
    row = operand.row

    def read(state: State) -> np.ndarray:
        rows = state.scalar_shadow if shadow else state.scalar
        pair = np.ascontiguousarray(rows[row : row + 2, state.select].T)
        return np.unpackbits(pair.view(np.uint8), axis=1, bitorder="little").view(bool)

    return read


def pack_lanes(lanes: np.ndarray) -> np.ndarray:
    """(waves, lanes) of bool to (waves, 2) of uint32."""
    return np.packbits(np.ascontiguousarray(lanes), axis=1, bitorder="little").view(np.uint32)


def mask_writer(operand: Operand, shadow: bool = False) -> Writer:
    """Write (waves, lanes) of bool to a pair of scalar registers; inactive lanes give 0."""
    row = operand.row

    def write(state: State, lanes: np.ndarray) -> None:
        pair = pack_lanes(np.broadcast_to(lanes, state.active.shape) & state.active)
        if shadow:
            state.write_scalar_shadow(row, pair[:, 0])
            state.write_scalar_shadow(row + 1, pair[:, 1])
        else:
            state.scalar[row : row + 2, state.select] = pair.T
            if row == EXEC:
                state.exec_changed()

    return write


def row_writer(row: int, shadow: bool) -> Writer:
    """Write one vector register row in the active lanes."""
    if shadow:
        return lambda state, value: state.write_vector_shadow(row, value)
    return lambda state, value: state.write_vector(row, value)


def vector_writer(operand: Operand, kind: str, shadow: bool = False, half: int = 0, keep: bool = False) -> Writer:
    """Write the result of a vector instruction.

    A 16-bit result goes to `half`; the other half becomes 0, or is kept.
    """
    if kind == "mask":
        return mask_writer(operand, shadow)
    if operand.bank != "v":
        raise CompileError(f"a vector result cannot go to '{operand.text}'")
    low = row_writer(operand.row, shadow)
    if kind.endswith("64"):
        high = row_writer(operand.row + 1, shadow)

        def write_wide(state: State, value: np.ndarray) -> None:
            bits = value.view(np.uint64)
            low(state, bits.astype(np.uint32))
            high(state, (bits >> np.uint64(32)).astype(np.uint32))

        return write_wide
    if kind.endswith("16"):
        read = row_reader("v", operand.row, shadow)
        shift = np.uint32(16 * half)
        other = np.uint32(0xFFFF0000 >> (16 * half))

        def write_half(state: State, value: np.ndarray) -> None:
            bits = value.view(np.uint16).astype(np.uint32) << shift
            low(state, bits | (read(state) & other) if keep or half else bits)

        return write_half
    if kind in ("u32", "b32"):
        return low
    return lambda state, value: low(state, value.view(np.uint32))
