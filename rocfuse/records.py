"""Frozen dataclasses that are quick to define.

`dataclass(frozen=True)` compiles six methods for each class, which for ours together is a tenth of a short process. A
record compiles its `__init__` alone; the other methods are the same functions for all. Like any dataclass it has
fields, defaults and factories, and works with `dataclasses.replace`, `fields` and `asdict`. Frozen dataclasses cannot
derive from records; passes, which others derive from theirs, stay what they are.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass, equal to another where class and fields are, and hashable where those are."""
    made: Any = dataclass(init=False, repr=False, eq=False)(cls)
    names = [one.name for one in fields(made) if one.compare]
    made.__init__ = _initialiser(made)
    made.__eq__, made.__hash__ = _equal, _hash
    made.__repr__ = vars(cls).get("__repr__", _text)
    made.__setattr__ = made.__delattr__ = _refuse
    made._record_values = attrgetter(*names) if names else _nothing
    return cls


def changed(one: T, **changes: Any) -> T:
    """`dataclasses.replace` of a record whose fields are all parameters, in a third of its time."""
    own, cls = vars(one), type(one)
    return cls(**({name: own[name] for name in vars(cls)["__dataclass_fields__"]} | changes))


def _initialiser(cls: Any) -> Any:
    scope: dict[str, Any] = {"_missing": MISSING}
    parameters, lines = ["self"], ["_own = self.__dict__"]
    for one in fields(cls):
        if not one.init or one.kw_only:
            raise TypeError(f"{cls.__name__}.{one.name}: a record's fields are all positional parameters")
        name, default, value = one.name, f"_of_{one.name}", one.name
        if one.default_factory is not MISSING:
            scope[default] = one.default_factory
            value = f"{default}() if {name} is _missing else {name}"
            name += "=_missing"
        elif one.default is not MISSING:
            scope[default] = one.default
            name += f"={default}"
        parameters.append(name)
        lines.append(f"_own[{one.name!r}] = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines), scope)  # as dataclasses does
    method = scope["__init__"]
    method.__qualname__ = f"{cls.__qualname__}.__init__"
    return method


def _equal(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._record_values(self) == self._record_values(other)


def _hash(self: Any) -> int:
    return hash(self._record_values(self))


def _text(self: Any) -> str:
    values = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{self.__class__.__qualname__}({values})"


def _refuse(self: Any, name: str, value: Any = None) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to or delete field {name!r}")


def _nothing(self: Any) -> tuple[()]:
    return ()
