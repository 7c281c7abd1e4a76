"""Vector comparisons: v_cmp writes a lane mask, v_cmpx writes it to EXEC as well (CDNA3 ISA, "VOPC")."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rocfuse.sim.vector_op import VectorOp, row

Array = np.ndarray


def _ordered(a: Array, b: Array) -> Array:
    return ~(np.isnan(a) | np.isnan(b))


def _always(a: Array, b: Array) -> Array:
    return np.ones(np.broadcast_shapes(a.shape, b.shape), bool)


_INTEGER: dict[str, Callable[[Array, Array], Array]] = {
    "f": lambda a, b: ~_always(a, b),
    "lt": lambda a, b: a < b,
    "eq": lambda a, b: a == b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ne": lambda a, b: a != b,
    "ge": lambda a, b: a >= b,
    "t": _always,
}
_FLOAT: dict[str, Callable[[Array, Array], Array]] = {
    "f": lambda a, b: ~_always(a, b),
    "lt": lambda a, b: a < b,
    "eq": lambda a, b: a == b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "lg": lambda a, b: (a < b) | (a > b),
    "ge": lambda a, b: a >= b,
    "o": _ordered,
    "u": lambda a, b: ~_ordered(a, b),
    "nge": lambda a, b: ~(a >= b),
    "nlg": lambda a, b: ~((a < b) | (a > b)),
    "ngt": lambda a, b: ~(a > b),
    "nle": lambda a, b: ~(a <= b),
    "neq": lambda a, b: ~(a == b),
    "nlt": lambda a, b: ~(a < b),
    "tru": _always,
}


def _rows() -> dict[str, VectorOp]:
    table = {}
    kinds = [(_INTEGER, kind) for kind in ("i16", "u16", "i32", "u32", "i64", "u64")]
    kinds += [(_FLOAT, kind) for kind in ("f16", "f32", "f64")]
    for tests, kind in kinds:
        for name, test in tests.items():
            table[f"v_cmp_{name}_{kind}"] = row(f"mask = {kind} {kind}", test)
            table[f"v_cmpx_{name}_{kind}"] = row(f"mask = {kind} {kind}", test, writes_exec=True)
    return table


TABLE: dict[str, VectorOp] = _rows()
