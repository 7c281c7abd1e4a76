"""The roles of a contraction's loop dims. Maps in, roles out; no IR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rocfuse.records import record

Role = Literal["batch", "m", "n", "k"]
ROLE_ORDER: tuple[Role, ...] = ("batch", "m", "n", "k")


@record
class Roles:
    """What each loop dim of a product is; `swapped()` is the same product with A and B exchanged."""

    of_dim: tuple[Role, ...]

    def dims(self, role: Role) -> tuple[int, ...]:
        """The loop dims of one role."""
        return tuple(dim for dim, one in enumerate(self.of_dim) if one == role)

    def swapped(self) -> Roles:
        """The roles when the second operand is called A."""
        exchanged: dict[Role, Role] = {"m": "n", "n": "m"}
        return Roles(tuple(exchanged.get(role, role) for role in self.of_dim))


def infer_roles(a: Sequence[int], b: Sequence[int], out: Sequence[int], loops: int) -> Roles | str:
    """Roles from the loop dims that A, B and the result use; a text that says why if it is no product."""
    roles: list[Role] = []
    for dim in range(loops):
        key = (dim in a, dim in b, dim in out)
        match key:
            case (True, True, True):
                roles.append("batch")
            case (True, False, True):
                roles.append("m")
            case (False, True, True):
                roles.append("n")
            case (True, True, False):
                roles.append("k")
            case _:
                where = [name for name, used in zip(("a", "b", "the result"), key, strict=True) if used]
                return f"loop dim d{dim} is used by {' and '.join(where) or 'nothing'} alone"
    return Roles(tuple(roles))


def dims_in_order(dims: Sequence[str]) -> bool:
    """Whether `dims` is batch* m+ n+ k."""
    order = [ROLE_ORDER.index(dim) if dim in ROLE_ORDER else -1 for dim in dims]
    return -1 not in order and order == sorted(order) and dims.count("k") == 1 and dims.count("m") > 0 < dims.count("n")
