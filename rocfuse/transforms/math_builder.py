"""Write f32 (and a few f64) formulas that become ops: `x * x + 1.0` builds a mulf, a constant and an addf.

Works on scalars and on vectors alike; constants are splatted. Only ops that reach one or a few gfx942 instructions are
built. Three of them are asked for with `fastmath<afn>` and then mean the hardware instruction itself:

    math.exp2 afn → v_exp_f32      math.log2 afn → v_log_f32       math.sqrt afn → v_sqrt_f32
    arith.divf afn of 1 → v_rcp_f32

each within 1 ulp, with denormal f32 inputs and results flushed to zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlir import ir
from mlir.dialects import arith

from rocfuse.records import record

_AFN = "#arith.fastmath<afn>"
_PREDICATES = {"oeq": 1, "ogt": 2, "oge": 3, "olt": 4, "ole": 5, "one": 6, "ueq": 8, "une": 13, "uno": 14}


@record
class Builder:
    """Where ops go: their location, whether they are scalars (shape None) or vectors of a shape, and in f32 or f64."""

    shape: tuple[int, ...] | None
    location: ir.Location
    double: bool = False

    def type(self, element: ir.Type) -> ir.Type:
        """The scalar or vector type of one element type."""
        return element if self.shape is None else ir.VectorType.get(self.shape, element)

    def constant(self, value: float) -> Num:
        """A float constant; the attribute rounds it, so that the IR shows what is used."""
        element = ir.F64Type.get() if self.double else ir.F32Type.get()
        attribute: ir.Attribute = ir.FloatAttr.get(element, value)
        if self.shape is not None:
            attribute = ir.DenseElementsAttr.get_splat(self.type(element), attribute)
        return Num(self, arith.constant(self.type(element), attribute, loc=self.location))

    def integer(self, value: int) -> ir.Value:
        """An integer constant of this shape, as wide as the floats."""
        element = ir.IntegerType.get_signless(64 if self.double else 32)
        attribute: ir.Attribute = ir.IntegerAttr.get(element, value)
        if self.shape is not None:
            attribute = ir.DenseElementsAttr.get_splat(self.type(element), attribute)
        return arith.constant(self.type(element), attribute, loc=self.location)

    def number(self, value: Num | float) -> Num:
        """A formula's operand as a value."""
        return value if isinstance(value, Num) else self.constant(value)


@record
class Flag:
    """An i1 value (or vector of them)."""

    builder: Builder
    value: ir.Value

    def __and__(self, other: Flag) -> Flag:
        return Flag(self.builder, arith.andi(self.value, other.value, loc=self.builder.location))

    def __or__(self, other: Flag) -> Flag:
        return Flag(self.builder, arith.ori(self.value, other.value, loc=self.builder.location))

    def select(self, yes: Num | float, no: Num | float) -> Num:
        """yes where the flag is set, else no."""
        build = self.builder
        return Num(build, arith.select(self.value, build.number(yes).value, build.number(no).value, loc=build.location))


@record
class Num:
    """A float value (or vector of them) with operators. Comparisons are methods named as arith.cmpf's predicates."""

    builder: Builder
    value: ir.Value

    def __add__(self, other: Num | float) -> Num:
        return self._wrap(arith.addf(self.value, self._other(other), loc=self.builder.location))

    def __sub__(self, other: Num | float) -> Num:
        return self._wrap(arith.subf(self.value, self._other(other), loc=self.builder.location))

    def __rsub__(self, other: float) -> Num:
        return self.builder.constant(other) - self

    def __mul__(self, other: Num | float) -> Num:
        return self._wrap(arith.mulf(self.value, self._other(other), loc=self.builder.location))

    __radd__ = __add__
    __rmul__ = __mul__

    def __truediv__(self, other: Num | float) -> Num:
        """IEEE division: 11 instructions."""
        return self._wrap(arith.divf(self.value, self._other(other), loc=self.builder.location))

    def __rtruediv__(self, other: float) -> Num:
        return self.builder.constant(other) / self

    def __neg__(self) -> Num:
        return self._wrap(arith.negf(self.value, loc=self.builder.location))

    def __abs__(self) -> Num:
        return self._op("math.absf", self.value)

    def fma(self, factor: Num | float, addend: Num | float) -> Num:
        """self * factor + addend, rounded once."""
        return self._op("math.fma", self.value, self._other(factor), self._other(addend))

    def polynomial(self, coefficients: Sequence[float]) -> Num:
        """Horner's scheme in fused multiply-adds; the highest power comes first."""
        result = self.builder.constant(coefficients[0])
        for coefficient in coefficients[1:]:
            result = result.fma(self, coefficient)
        return result

    def copysign(self, sign: Num) -> Num:
        """|self| with the sign of `sign`."""
        return self._op("math.copysign", self.value, sign.value)

    def hardware_exp2(self) -> Num:
        """2**self by v_exp_f32."""
        return self._approximate("math.exp2", self.value)

    def hardware_log2(self) -> Num:
        """log2(self) by v_log_f32."""
        return self._approximate("math.log2", self.value)

    def hardware_sqrt(self) -> Num:
        """The square root by v_sqrt_f32."""
        return self._approximate("math.sqrt", self.value)

    def hardware_reciprocal(self) -> Num:
        """1 / self by v_rcp_f32."""
        return self._approximate("arith.divf", self.builder.constant(1.0).value, self.value)

    def exp(self) -> Num:
        """e**self within 1 ulp: 13 instructions."""
        return self._op("math.exp", self.value)

    def log(self) -> Num:
        """The natural logarithm within 1 ulp: 11 instructions."""
        return self._op("math.log", self.value)

    def sqrt(self) -> Num:
        """The square root, correctly rounded: 16 instructions."""
        return self._op("math.sqrt", self.value)

    def floor(self) -> Num:
        """The largest whole number that is not above self."""
        return self._op("math.floor", self.value)

    def round_even(self) -> Num:
        """The nearest whole number, ties to even."""
        return self._op("math.roundeven", self.value)

    def compare(self, predicate: str, other: Num | float) -> Flag:
        """arith.cmpf by its predicate's name."""
        build = self.builder
        return Flag(build, arith.cmpf(_PREDICATES[predicate], self.value, self._other(other), loc=build.location))

    def to_double(self) -> Num:
        """The same number in f64."""
        build = replace(self.builder, double=True)
        return Num(build, arith.extf(build.type(ir.F64Type.get()), self.value, loc=build.location))

    def to_single(self) -> Num:
        """An f64 number rounded to f32."""
        build = replace(self.builder, double=False)
        return Num(build, arith.truncf(build.type(ir.F32Type.get()), self.value, loc=build.location))

    def power_of_two(self) -> Num:
        """2**self of an f64 whole number from -1022 to 1023, exactly."""
        build = self.builder
        exponent = arith.fptosi(build.type(ir.IntegerType.get_signless(64)), self.value, loc=build.location)
        biased = arith.addi(exponent, build.integer(1023), loc=build.location)
        bits = arith.shli(biased, build.integer(52), loc=build.location)
        return self._wrap(arith.bitcast(self.value.type, bits, loc=build.location))

    def split_exponent(self) -> tuple[Num, Num]:
        """(e, m) with self = 2**e m and sqrt(1/2) <= m < sqrt(2), of a positive, finite f64 number."""
        build, location = self.builder, self.builder.location
        integers = build.type(ir.IntegerType.get_signless(64))
        bits = arith.bitcast(integers, self.value, loc=location)
        above = arith.subi(bits, build.integer(0x3FE6A09E667F3BCD), loc=location)  # the bits of sqrt(1/2)
        exponent = arith.shrsi(above, build.integer(52), loc=location)
        mantissa = arith.subi(bits, arith.shli(exponent, build.integer(52), loc=location), loc=location)
        number = arith.sitofp(self.value.type, exponent, loc=location)
        return self._wrap(number), self._wrap(arith.bitcast(self.value.type, mantissa, loc=location))

    def _approximate(self, name: str, *operands: ir.Value) -> Num:
        return self._op(name, *operands, fastmath=ir.Attribute.parse(_AFN))

    def _op(self, name: str, *operands: ir.Value, **attributes: ir.Attribute) -> Num:
        """An op on numbers of this type, by its name: upstream's module of math first defines a class for every op."""
        op = ir.Operation.create(name, [self.value.type], operands, attributes=attributes, loc=self.builder.location)
        return self._wrap(op.results[0])

    def _other(self, value: Num | float) -> ir.Value:
        return self.builder.number(value).value

    def _wrap(self, value: ir.Value) -> Num:
        return Num(self.builder, value)
