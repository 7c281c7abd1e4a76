"""The ops of ROCDL that rocfuse builds; upstream's module first defines a class for each of hundreds."""

from __future__ import annotations

from mlir import ir


def readfirstlane(kind: ir.Type, value: ir.Value) -> ir.Value:
    """The first active lane's value, in a scalar register."""
    return _value("readfirstlane", kind, value)


def ballot(kind: ir.Type, flag: ir.Value) -> ir.Value:
    """A bit for each active lane whose flag is set."""
    return _value("ballot", kind, flag)


def mbcnt_lo(kind: ir.Type, mask: ir.Value, start: ir.Value) -> ir.Value:
    """`start`, and how many bits of the mask are set for lanes before this one, of the first 32 lanes."""
    return _value("mbcnt.lo", kind, mask, start)


def mbcnt_hi(kind: ir.Type, mask: ir.Value, start: ir.Value) -> ir.Value:
    """The same of the other lanes."""
    return _value("mbcnt.hi", kind, mask, start)


def sched_barrier(mask: int) -> None:
    """What the scheduler may move past this place, as a mask."""
    _hint("sched.barrier", "mask", mask)


def s_setprio(priority: int) -> None:
    """The wave's priority from here on."""
    _hint("s.setprio", "priority", priority, bits=16)


def iglp_opt(variant: int) -> None:
    """Have the scheduler order this block in one of its own ways."""
    _hint("iglp.opt", "variant", variant)


def _value(name: str, kind: ir.Type, *operands: ir.Value) -> ir.Value:
    return ir.Operation.create(f"rocdl.{name}", results=[kind], operands=operands).result


def _hint(name: str, key: str, value: int, bits: int = 32) -> None:
    number = ir.IntegerAttr.get(ir.IntegerType.get_signless(bits), value)
    ir.Operation.create(f"rocdl.{name}", attributes={key: number})
