"""DPP: how an instruction's first source is moved between lanes (CDNA3 ISA, "Data Parallel Processing")."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from rocfuse.sim.state import LANES, State

_LANE = np.arange(LANES)


def _source_lanes(modifiers: Mapping[str, str]) -> np.ndarray:
    """The lane that each lane reads; -1 where there is none."""
    in_row, row = _LANE % 16, _LANE // 16
    if "quad_perm" in modifiers:
        picks = np.array([int(part) for part in modifiers["quad_perm"].strip("[]").split(",")])
        return (_LANE & ~3) + picks[_LANE & 3]
    for name, sign in (("row_shl", 1), ("row_shr", -1)):
        if name in modifiers:
            source = in_row + sign * int(modifiers[name])
            return np.where((source >= 0) & (source < 16), 16 * row + source, -1)
    if "row_ror" in modifiers:
        return 16 * row + (in_row - int(modifiers["row_ror"])) % 16
    if "row_mirror" in modifiers:
        return 16 * row + 15 - in_row
    if "row_half_mirror" in modifiers:
        return (_LANE & ~7) + 7 - _LANE % 8
    if "row_newbcast" in modifiers:
        return 16 * row + int(modifiers["row_newbcast"])
    if modifiers.get("row_bcast") == "15":
        return np.where(row > 0, 16 * row - 1, -1)
    if modifiers.get("row_bcast") == "31":
        return np.where(_LANE >= 32, 31, -1)
    for name, sign in (("wave_shl", 1), ("wave_shr", -1)):
        if name in modifiers:
            source = _LANE + sign
            return np.where((source >= 0) & (source < LANES), source, -1)
    for name, sign in (("wave_rol", 1), ("wave_ror", -1)):
        if name in modifiers:
            return (_LANE + sign) % LANES
    raise ValueError("no DPP control")


def dpp_permutation(
    modifiers: Mapping[str, str],
) -> tuple[Callable[[State, np.ndarray], np.ndarray], Callable[[State], np.ndarray]]:
    """The permutation of a source, and which lanes are enabled.

    A lane that reads outside of its row, or from an inactive lane, gets 0 with bound_ctrl and is disabled without.
    """
    source = _source_lanes(modifiers)
    inside = source >= 0
    source = np.where(inside, source, 0)
    banks, rows = int(modifiers.get("bank_mask", "0xf"), 0), int(modifiers.get("row_mask", "0xf"), 0)
    masked_in = ((banks >> (_LANE // 4 % 4)) & 1 & (rows >> (_LANE // 16))) == 1
    zero_fill = "bound_ctrl" in modifiers

    def valid(state: State) -> np.ndarray:
        return inside & state.lanes[state.select][:, source]

    def permute(state: State, value: np.ndarray) -> np.ndarray:
        if value.shape[1] == 1:
            return value
        moved = value[:, source]
        return np.where(valid(state), moved, moved.dtype.type(0)) if zero_fill else moved

    def enabled(state: State) -> np.ndarray:
        lanes = np.broadcast_to(masked_in, state.active.shape)
        return lanes if zero_fill else lanes & valid(state)

    return permute, enabled
