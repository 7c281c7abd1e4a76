"""Index arithmetic in the IR that folds as it is built.

Terms are Python ints or i32 values; a sum or product of ints stays an int, so constant addresses cost no op. A kernel
has hundreds of these ops: they are made as plain ones, in half of the time that the ops' classes take.
"""

from __future__ import annotations

from typing import TypeAlias

from mlir import ir
from mlir.dialects import arith

Term: TypeAlias = int | ir.Value


def constant(value: int) -> ir.Value:
    """An i32 constant."""
    i32 = ir.IntegerType.get_signless(32)
    attributes = {"value": ir.IntegerAttr.get(i32, value)}
    return ir.Operation.create("arith.constant", results=[i32], attributes=attributes).result


def _binary(name: str, left: ir.Value, right: ir.Value) -> ir.Value:
    return ir.Operation.create(f"arith.{name}", results=[left.type], operands=[left, right]).result


def value_of(term: Term) -> ir.Value:
    """The term as an i32 value."""
    return constant(term) if isinstance(term, int) else term


def add(*terms: Term) -> Term:
    """Sum; the values first, the constant last, so that it ends in an address immediate."""
    known = sum(term for term in terms if isinstance(term, int))
    total: ir.Value | None = None
    for term in terms:
        if not isinstance(term, int):
            total = term if total is None else _binary("addi", total, term)
    if total is None:
        return known
    return _binary("addi", total, constant(known)) if known else total


def mul(term: Term, factor: int) -> Term:
    """Product with a constant."""
    if isinstance(term, int) or factor == 0:
        return 0 if factor == 0 else term * factor
    return term if factor == 1 else _binary("muli", term, constant(factor))


def shift_right(term: Term, bits: int) -> Term:
    """term >> bits for a term that is not negative."""
    if isinstance(term, int):
        return term >> bits
    return term if bits == 0 else _binary("shrui", term, constant(bits))


def shift_left(term: Term, bits: int) -> Term:
    """term << bits."""
    if isinstance(term, int):
        return term << bits
    return term if bits == 0 else _binary("shli", term, constant(bits))


def mask(term: Term, width: int) -> Term:
    """The low `width` bits of a term."""
    return bits(term, (1 << width) - 1)


def bits(term: Term, which: int) -> Term:
    """The bits of a term that are set in `which`, in place."""
    if isinstance(term, int):
        return term & which
    return _binary("andi", term, constant(which)) if which else 0


def xor(left: Term, right: Term) -> Term:
    """left ^ right."""
    if isinstance(left, int) and isinstance(right, int):
        return left ^ right
    if left == 0 or right == 0:
        return right if left == 0 else left
    return _binary("xori", value_of(left), value_of(right))


def divide(term: Term, divisor: int) -> Term:
    """term / divisor for terms that are not negative."""
    if isinstance(term, int):
        return term // divisor
    return term if divisor == 1 else _binary("divui", term, constant(divisor))


def remainder(term: Term, divisor: int) -> Term:
    """term % divisor for terms that are not negative."""
    if isinstance(term, int):
        return term % divisor
    return 0 if divisor == 1 else _binary("remui", term, constant(divisor))


def less(left: Term, right: Term) -> ir.Value:
    """left < right, unsigned."""
    return arith.cmpi(arith.CmpIPredicate.ult, value_of(left), value_of(right))


def to_index(term: Term) -> ir.Value:
    """The term as an `index` value."""
    index = ir.IndexType.get()
    if isinstance(term, int):
        return arith.constant(index, ir.IntegerAttr.get(index, term))
    return ir.Operation.create("arith.index_cast", results=[index], operands=[term]).result


def equal(left: Term, right: int) -> ir.Value | bool:
    """left == right."""
    if isinstance(left, int):
        return left == right
    return arith.cmpi(arith.CmpIPredicate.eq, left, constant(right))


def select(condition: ir.Value | bool, yes: Term, no: Term) -> Term:
    """yes where the condition holds, else no."""
    if isinstance(condition, bool):
        return yes if condition else no
    return arith.select(condition, value_of(yes), value_of(no))


def minimum(left: Term, right: int) -> Term:
    """The smaller one of terms that are not negative."""
    if isinstance(left, int):
        return min(left, right)
    return _binary("minui", left, constant(right))
