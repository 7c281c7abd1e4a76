"""Scalar instructions (CDNA3 ISA, "SOP1", "SOP2", "SOPC", "SOPK").

A row gives the kinds of result and sources and a function; `scc` says what becomes of SCC: "nz" (result is not zero),
"out" (the function returns it as well) or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rocfuse.sim.arith import I16, I32, I64, U32, U64, high_product
from rocfuse.sim.decode import Instruction
from rocfuse.sim.isa_integer import (
    field_signed,
    field_unsigned,
    leading_zeros,
    popcount,
    reverse_bits,
    shift_left,
    shift_right,
    sign_run,
    trailing_zeros,
)
from rocfuse.sim.operands import TYPES, Operand, constant_bits, parse_operand
from rocfuse.sim.shadow import Rule, any_bit, bit_and, bit_or, bitwise, moved, upward
from rocfuse.sim.state import EXEC, SCALAR_ID, SCC, State
from rocfuse.sim.step import Context, Step, ids_of, unsupported

Array = np.ndarray
SCC_ID = SCALAR_ID + SCC
EXEC_IDS = (SCALAR_ID + EXEC, SCALAR_ID + EXEC + 1)


@dataclass(frozen=True)
class ScalarOp:
    """One row of the table."""

    result: str  # "" for comparisons
    sources: tuple[str, ...]
    function: Callable[..., Any]
    scc: str = ""
    rule: Rule = any_bit
    reads_scc: bool = False  # the function's last argument
    accumulate: bool = False  # the destination is the first source


def _op(signature: str, function: Callable[..., Any], scc: str = "", rule: Rule = any_bit, **more: Any) -> ScalarOp:
    result, _, sources = signature.partition("=")
    return ScalarOp(result.strip(), tuple(sources.split()), function, scc, rule, **more)


def _carry(a: Array, b: Array) -> tuple[Array, Array]:
    total = a.astype(U64) + b.astype(U64)
    return total.astype(U32), total > U64(0xFFFFFFFF)


def _carry_in(a: Array, b: Array, scc: Array) -> tuple[Array, Array]:
    total = a.astype(U64) + b.astype(U64) + scc.astype(U64)
    return total.astype(U32), total > U64(0xFFFFFFFF)


def _borrow_in(a: Array, b: Array, scc: Array) -> tuple[Array, Array]:
    return a - b - scc.astype(U32), b.astype(U64) + scc.astype(U64) > a.astype(U64)


def _signed_sum(sign: int) -> Callable[[Array, Array], tuple[Array, Array]]:
    def compute(a: Array, b: Array) -> tuple[Array, Array]:
        exact = a.astype(I64) + sign * b.astype(I64)
        value = exact.astype(I32)
        return value, exact != value

    return compute


def _field(signed: bool, wide: bool) -> Callable[[Array, Array], Array]:
    def compute(x: Array, control: Array) -> Array:
        offset, width = control & U32(63 if wide else 31), (control >> U32(16)) & U32(127)
        if not wide:
            function = field_signed if signed else field_unsigned
            whole = (x >> offset.astype(x.dtype)).astype(x.dtype)
            return np.where(width >= 32, whole, function(x, offset, np.minimum(width, U32(31))))
        value = x >> offset.astype(x.dtype)
        left = (U32(64) - np.clip(width, 1, 64)).astype(x.dtype)
        return np.where(width == 0, x.dtype.type(0), (value << left) >> left)

    return compute


def _mask(width: Array, offset: Array) -> Array:
    return ((U32(1) << (width & U32(31))) - U32(1)) << (offset & U32(31))


def _mask64(width: Array, offset: Array) -> Array:
    return ((U64(1) << (width & U32(63)).astype(U64)) - U64(1)) << (offset & U32(63)).astype(U64)


def _absolute(x: Array) -> Array:
    return np.where(x < 0, -x, x)


def _lshl_add(by: int) -> Callable[[Array, Array], tuple[Array, Array]]:
    def compute(a: Array, b: Array) -> tuple[Array, Array]:
        total = (a.astype(U64) << U64(by)) + b.astype(U64)
        return total.astype(U32), total > U64(0xFFFFFFFF)

    return compute


def _pack(a_half: int, b_half: int) -> Callable[[Array, Array], Array]:
    def compute(a: Array, b: Array) -> Array:
        low, high = (x >> U32(16 * half) & U32(0xFFFF) for x, half in ((a, a_half), (b, b_half)))
        return low | high << U32(16)

    return compute


def _both_widths(name: str, function: Callable[[Array, Array], Array], rule: Rule) -> dict[str, ScalarOp]:
    return {f"s_{name}_b{w}": _op(f"b{w} = b{w} b{w}", function, "nz", rule) for w in (32, 64)}


def _shifts() -> dict[str, ScalarOp]:
    table = {}
    for width in (32, 64):
        for name, kind, function in (("lshl", "b", shift_left), ("lshr", "b", shift_right), ("ashr", "i", shift_right)):
            signature = f"{kind}{width} = {kind}{width} u32"
            table[f"s_{name}_{kind}{width}"] = _op(signature, function, "nz", moved(0))
    return table


def _compares() -> dict[str, ScalarOp]:
    tests: dict[str, Callable[[Array, Array], Array]] = {
        "eq": lambda a, b: a == b,
        "lg": lambda a, b: a != b,
        "gt": lambda a, b: a > b,
        "ge": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
        "le": lambda a, b: a <= b,
    }
    table = {}
    for name, test in tests.items():
        for kind in ("i32", "u32", "u64"):
            table[f"s_cmp_{name}_{kind}"] = _op(f"= {kind} {kind}", test, "out")
        for kind in ("i32", "u32"):
            table[f"s_cmpk_{name}_{kind}"] = _op(f"= {kind} {kind}", test, "out")
    for width in (32, 64):
        kind = f"u{width}"
        for bit in (0, 1):
            table[f"s_bitcmp{bit}_b{width}"] = _op(
                f"= {kind} u32", lambda a, b, bit=bit: (shift_right(a, b) & a.dtype.type(1)) == bit, "out"
            )
    return table


TABLE: dict[str, ScalarOp] = {
    "s_mov_b32": _op("b32 = b32", lambda a: a, "", bitwise),
    "s_mov_b64": _op("b64 = b64", lambda a: a, "", bitwise),
    "s_movk_i32": _op("i32 = i32", lambda a: a),
    "s_add_u32": _op("u32 = u32 u32", _carry, "out"),
    "s_addc_u32": _op("u32 = u32 u32", _carry_in, "out", reads_scc=True),
    "s_sub_u32": _op("u32 = u32 u32", lambda a, b: (a - b, b > a), "out"),
    "s_subb_u32": _op("u32 = u32 u32", _borrow_in, "out", reads_scc=True),
    "s_add_i32": _op("i32 = i32 i32", _signed_sum(1), "out"),
    "s_sub_i32": _op("i32 = i32 i32", _signed_sum(-1), "out"),
    "s_addk_i32": _op("i32 = i32 i32", _signed_sum(1), "out", accumulate=True),
    "s_mulk_i32": _op("i32 = i32 i32", lambda a, b: a * b, accumulate=True),
    "s_mul_i32": _op("i32 = i32 i32", lambda a, b: a * b, "", upward),
    "s_mul_hi_u32": _op("u32 = u32 u32", lambda a, b: high_product(a, b, U32)),
    "s_mul_hi_i32": _op("i32 = i32 i32", lambda a, b: high_product(a, b, I32)),
    **{f"s_lshl{by}_add_u32": _op("u32 = u32 u32", _lshl_add(by), "out") for by in (1, 2, 3, 4)},
    **_both_widths("and", lambda a, b: a & b, bit_and),
    **_both_widths("or", lambda a, b: a | b, bit_or),
    **_both_widths("xor", lambda a, b: a ^ b, bitwise),
    **_both_widths("andn2", lambda a, b: a & ~b, any_bit),
    **_both_widths("orn2", lambda a, b: a | ~b, any_bit),
    **_both_widths("nand", lambda a, b: ~(a & b), any_bit),
    **_both_widths("nor", lambda a, b: ~(a | b), any_bit),
    **_both_widths("xnor", lambda a, b: ~(a ^ b), bitwise),
    "s_not_b32": _op("b32 = b32", lambda a: ~a, "nz", bitwise),
    "s_not_b64": _op("b64 = b64", lambda a: ~a, "nz", bitwise),
    **_shifts(),
    "s_bfe_u32": _op("u32 = u32 u32", _field(False, False), "nz", moved(0)),
    "s_bfe_i32": _op("i32 = i32 u32", _field(True, False), "nz", moved(0)),
    "s_bfe_u64": _op("u64 = u64 u32", _field(False, True), "nz", moved(0)),
    "s_bfe_i64": _op("i64 = i64 u32", _field(True, True), "nz", moved(0)),
    "s_bfm_b32": _op("b32 = u32 u32", _mask),
    "s_bfm_b64": _op("b64 = u32 u32", _mask64),
    "s_bitset0_b32": _op("b32 = b32 u32", lambda d, at: d & ~shift_left(np.ones(1, U32), at), accumulate=True),
    "s_bitset1_b32": _op("b32 = b32 u32", lambda d, at: d | shift_left(np.ones(1, U32), at), accumulate=True),
    "s_bitset0_b64": _op("b64 = b64 u32", lambda d, at: d & ~shift_left(np.ones(1, U64), at), accumulate=True),
    "s_bitset1_b64": _op("b64 = b64 u32", lambda d, at: d | shift_left(np.ones(1, U64), at), accumulate=True),
    "s_min_i32": _op("i32 = i32 i32", lambda a, b: (np.minimum(a, b), a <= b), "out"),
    "s_min_u32": _op("u32 = u32 u32", lambda a, b: (np.minimum(a, b), a <= b), "out"),
    "s_max_i32": _op("i32 = i32 i32", lambda a, b: (np.maximum(a, b), a >= b), "out"),
    "s_max_u32": _op("u32 = u32 u32", lambda a, b: (np.maximum(a, b), a >= b), "out"),
    "s_absdiff_i32": _op("i32 = i32 i32", lambda a, b: _absolute(a - b), "nz"),
    "s_abs_i32": _op("i32 = i32", _absolute, "nz"),
    "s_brev_b32": _op("b32 = b32", reverse_bits, "", moved(0)),
    "s_bcnt0_i32_b32": _op("u32 = b32", lambda a: popcount(~a), "nz"),
    "s_bcnt1_i32_b32": _op("u32 = b32", popcount, "nz"),
    "s_bcnt0_i32_b64": _op("u32 = b64", lambda a: popcount(~a), "nz"),
    "s_bcnt1_i32_b64": _op("u32 = b64", popcount, "nz"),
    "s_ff1_i32_b32": _op("u32 = b32", trailing_zeros),
    "s_ff1_i32_b64": _op("u32 = b64", trailing_zeros),
    "s_flbit_i32_b32": _op("u32 = b32", leading_zeros),
    "s_flbit_i32_b64": _op("u32 = b64", leading_zeros),
    "s_flbit_i32": _op("u32 = i32", sign_run),
    "s_sext_i32_i8": _op("i32 = i32", lambda a: (a << I32(24)) >> I32(24), "", moved(0)),
    "s_sext_i32_i16": _op("i32 = i32", lambda a: a.astype(I16).astype(I32), "", moved(0)),
    "s_pack_ll_b32_b16": _op("b32 = b32 b32", _pack(0, 0), "", moved(0, 1)),
    "s_pack_lh_b32_b16": _op("b32 = b32 b32", _pack(0, 1), "", moved(0, 1)),
    "s_pack_hh_b32_b16": _op("b32 = b32 b32", _pack(1, 1), "", moved(0, 1)),
    "s_cselect_b32": _op("b32 = b32 b32", lambda a, b, scc: np.where(scc, a, b), reads_scc=True),
    "s_cselect_b64": _op("b64 = b64 b64", lambda a, b, scc: np.where(scc, a, b), reads_scc=True),
    **_compares(),
}
_SIXTEEN_BIT = ("s_movk_i32", "s_addk_i32", "s_mulk_i32", "s_cmovk_i32", "s_cmpk_")


def scalar_reader(operand: Operand, kind: str, shadow: bool = False) -> Callable[[State], Array]:
    """Read an operand of a scalar instruction as one value a wave."""
    wide = kind.endswith("64")
    dtype: Any = TYPES[kind] if not shadow else (U64 if wide else U32)
    if operand.bank == "c":
        bits = 0 if shadow else constant_bits(operand.text, kind)
        value = np.full(1, bits, U64 if wide else U32).view(dtype)
        return lambda state: value
    row = operand.row

    def read(state: State) -> Array:
        rows = state.scalar_shadow if shadow else state.scalar
        if not wide:
            return rows[row, state.select].view(dtype)
        return (rows[row, state.select].astype(U64) | rows[row + 1, state.select].astype(U64) << U64(32)).view(dtype)

    return read


def scalar_writer(operand: Operand, kind: str, shadow: bool = False) -> Callable[[State, Array], None]:
    """Write the result of a scalar instruction."""
    row = operand.row
    wide = kind.endswith("64")

    def write(state: State, value: Array) -> None:
        store = state.write_scalar_shadow if shadow else state.write_scalar
        if not wide:
            store(row, value.view(U32))
            return
        bits = value.view(U64)
        low, high = bits.astype(U32), (bits >> U64(32)).astype(U32)
        if shadow:
            store(row, low)
            store(row + 1, high)
            return
        state.scalar[row, state.select] = low
        state.scalar[row + 1, state.select] = high
        if row == EXEC:
            state.exec_changed()

    return write


def compile_scalar(instruction: Instruction, context: Context) -> Step | None:
    """Compile a scalar ALU instruction."""
    op = TABLE.get(instruction.mnemonic)
    if op is None:
        return _compile_saveexec(instruction) or _compile_cmov(instruction)
    texts = list(instruction.operands)
    if instruction.mnemonic.startswith(_SIXTEEN_BIT):
        bits = int(texts[-1], 0) & 0xFFFF
        signed = bits - 0x10000 if bits >= 0x8000 and "u32" not in instruction.mnemonic else bits
        texts[-1] = str(signed)
    operands = [parse_operand(text) for text in texts]
    target = operands.pop(0) if op.result else None
    if op.accumulate and target is not None:
        operands.insert(0, target)
    if len(operands) != len(op.sources):
        raise unsupported(instruction, context.kernel.name, f"{len(operands)} operands")
    return _build(instruction, op, target, operands)


def _build(instruction: Instruction, op: ScalarOp, target: Operand | None, sources: list[Operand]) -> Step:
    pairs = list(zip(sources, op.sources, strict=True))
    readers = [scalar_reader(operand, kind) for operand, kind in pairs]
    shadows = [scalar_reader(operand, kind, True) for operand, kind in pairs]
    if op.reads_scc:
        readers.append(lambda state: state.scalar[SCC, state.select] != 0)
        shadows.append(lambda state: state.scalar_shadow[SCC, state.select])
    write = scalar_writer(target, op.result) if target else None
    write_shadow = scalar_writer(target, op.result, True) if target else None
    function, scc_from = op.function, op.scc

    def finish(state: State, result: Any) -> None:
        value, scc = result if isinstance(result, tuple) else (result, result)
        if scc_from:
            state.scalar[SCC, state.select] = scc != 0 if scc_from == "nz" else scc
        if write is not None:
            write(state, value)

    def run(state: State) -> None:
        finish(state, function(*[read(state) for read in readers]))

    def tainted(state: State) -> None:
        values = tuple(read(state) for read in readers)
        undefined = tuple(read(state) for read in shadows)
        result = function(*values)
        bits = op.rule(values, undefined, function)
        finish(state, result)
        dirty = bits != 0
        if scc_from:
            state.write_scalar_shadow(SCC, dirty.astype(U32))
        if target is not None and write_shadow is not None:
            unsigned: Any = U64 if op.result.endswith("64") else U32
            wide = bits if bits.dtype == unsigned else np.where(dirty, ~unsigned(0), unsigned(0))
            write_shadow(state, wide)
            if target.row == EXEC:
                state.report_lanes("undefined", "an undefined value reaches EXEC", dirty[:, None])

    reads = set(ids_of(*sources)) | ({SCC_ID} if op.reads_scc else set())
    writes = list(target.ids()) if target else []
    writes += [SCC_ID] if scc_from else []
    return Step(instruction, "salu", run, tainted, frozenset(reads), tuple(writes))


_SAVEEXEC: dict[str, Callable[[Array, Array], Array]] = {
    "and": lambda s, e: s & e,
    "or": lambda s, e: s | e,
    "xor": lambda s, e: s ^ e,
    "andn2": lambda s, e: s & ~e,
    "andn1": lambda s, e: ~s & e,
    "orn2": lambda s, e: s | ~e,
    "nand": lambda s, e: ~(s & e),
}


def _compile_saveexec(instruction: Instruction) -> Step | None:
    name = instruction.mnemonic.removeprefix("s_").removesuffix("_saveexec_b64")
    if not instruction.mnemonic.endswith("_saveexec_b64") or name not in _SAVEEXEC:
        return None
    target, source = (parse_operand(text) for text in instruction.operands)
    exec_mask = parse_operand("exec")
    read, read_exec = scalar_reader(source, "b64"), scalar_reader(exec_mask, "b64")
    write, write_exec = scalar_writer(target, "b64"), scalar_writer(exec_mask, "b64")

    def run(state: State) -> None:
        old = read_exec(state).copy()
        new = _SAVEEXEC[name](read(state), old)
        write(state, old)
        write_exec(state, new)
        state.scalar[SCC, state.select] = new != 0

    def tainted(state: State) -> None:
        bits = scalar_reader(source, "b64", True)(state)
        if name in ("and", "andn2"):  # lanes that are off anyway may be undefined
            bits = bits & read_exec(state)
        state.report_lanes("undefined", "an undefined value reaches EXEC", (bits != 0)[:, None])
        run(state)
        state.define(step.writes)

    writes = (*target.ids(), *EXEC_IDS, SCC_ID)
    step = Step(instruction, "salu", run, tainted, ids_of(source, exec_mask), writes)
    return step


def _compile_cmov(instruction: Instruction) -> Step | None:
    if instruction.mnemonic not in ("s_cmov_b32", "s_cmov_b64", "s_cmovk_i32"):
        return None
    kind = "b64" if instruction.mnemonic.endswith("64") else "b32"
    select = replace(TABLE["s_cselect_" + kind])
    target, source = (parse_operand(text) for text in instruction.operands)
    return _build(instruction, select, target, [source, target])
