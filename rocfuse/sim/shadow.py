"""Rules for undefined bits: from the undefined bits of the operands to those of the result.

A rule takes (values, shadows, function) and returns the shadow of the result in the result's own width; values and
shadows are tuples over the operands. Rules may call more bits undefined than there are, never fewer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Rule = Callable[[tuple[np.ndarray, ...], tuple[np.ndarray, ...], Callable[..., np.ndarray]], np.ndarray]


def _or(shadows: tuple[np.ndarray, ...]) -> np.ndarray:
    total = shadows[0] != 0
    for shadow in shadows[1:]:
        total = total | (shadow != 0)
    return total


def any_bit(values: tuple[np.ndarray, ...], shadows: tuple[np.ndarray, ...], function: object) -> np.ndarray:
    """Everything depends on every bit; the caller widens the bool to the result's width."""
    return _or(shadows)


def upward(values: tuple[np.ndarray, ...], shadows: tuple[np.ndarray, ...], function: object) -> np.ndarray:
    """Carries: a bit depends on the bits at and below it."""
    total = shadows[0]
    for shadow in shadows[1:]:
        total = total | shadow
    return total | (~total + total.dtype.type(1))


def bitwise(values: tuple[np.ndarray, ...], shadows: tuple[np.ndarray, ...], function: object) -> np.ndarray:
    """A bit depends on the same bit of the operands."""
    total = shadows[0]
    for shadow in shadows[1:]:
        total = total | shadow
    return total


def bit_and(values: tuple[np.ndarray, ...], shadows: tuple[np.ndarray, ...], function: object) -> np.ndarray:
    """A defined 0 makes the result defined."""
    (a, b), (ua, ub) = (_unsigned(value) for value in values[:2]), shadows[:2]
    return (ua | ub) & (a | ua) & (b | ub)


def bit_or(values: tuple[np.ndarray, ...], shadows: tuple[np.ndarray, ...], function: object) -> np.ndarray:
    """A defined 1 makes the result defined."""
    (a, b), (ua, ub) = (_unsigned(value) for value in values[:2]), shadows[:2]
    return (ua | ub) & (~a | ua) & (~b | ub)


def and_or(values: tuple[np.ndarray, ...], shadows: tuple[np.ndarray, ...], function: object) -> np.ndarray:
    """(a & b) | c."""
    return bit_and(values, shadows, function) | shadows[2]


def moved(*data: int) -> Rule:
    """The operands at `data` are moved bit by bit, as the other operands (amounts, selectors) say."""

    def rule(
        values: tuple[np.ndarray, ...], shadows: tuple[np.ndarray, ...], function: Callable[..., np.ndarray]
    ) -> np.ndarray:
        arguments = [shadows[at] if at in data else value for at, value in enumerate(values)]
        result = _unsigned(np.asarray(function(*(a.view(v.dtype) for a, v in zip(arguments, values, strict=True)))))
        amounts = [shadow for at, shadow in enumerate(shadows) if at not in data]
        if amounts:
            result = np.where(_or(tuple(amounts)), ~result.dtype.type(0), result)
        return result

    return rule


def chosen(values: tuple[np.ndarray, ...], shadows: tuple[np.ndarray, ...], function: object) -> np.ndarray:
    """v_cndmask: (when false, when true, lane mask)."""
    off, on, lanes = values
    u_off, u_on, u_lanes = shadows
    picked = np.where(lanes.astype(bool), u_on, u_off)
    return np.where(u_lanes.astype(bool), (_unsigned(off) ^ _unsigned(on)) | u_off | u_on, picked)


def _unsigned(value: np.ndarray) -> np.ndarray:
    if value.dtype == bool:
        return value
    return value.view({2: np.uint16, 4: np.uint32, 8: np.uint64}[value.dtype.itemsize])
