"""A record is what `dataclass(frozen=True)` makes, but for its cost."""

import dataclasses
import pickle
from dataclasses import dataclass, field

import pytest

from rocfuse.records import changed, record


def declare(decorate):
    class Tile:
        """Two fields with every kind of default."""

        rows: int
        columns: int = 4
        names: tuple[str, ...] = ()
        notes: list[str] = field(default_factory=list)
        origin: str = field(default="", compare=False, repr=False)

        @property
        def elements(self) -> int:
            return self.rows * self.columns

    return decorate(Tile)


@pytest.fixture(params=[record, dataclass(frozen=True)], ids=["record", "dataclass"])
def tile(request):
    return declare(request.param)


def test_construction(tile):
    one = tile(2, names=("a",))
    assert (one.rows, one.columns, one.names, one.notes, one.elements) == (2, 4, ("a",), [], 8)
    assert one.notes is not tile(2).notes
    assert repr(one).endswith("Tile(rows=2, columns=4, names=('a',), notes=[])")
    for arguments, options in (((), {}), ((1,), {"rows": 1}), ((1,), {"depth": 1}), ((1, 2, (), [], "", 5), {})):
        with pytest.raises(TypeError):
            tile(*arguments, **options)


def test_frozen(tile):
    one = tile(2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.rows = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.rows
    assert dataclasses.replace(one, rows=3) == tile(3)
    assert dataclasses.asdict(one) == {"rows": 2, "columns": 4, "names": (), "notes": [], "origin": ""}


def test_equality_and_hash(tile):
    assert tile(2) == tile(2) != tile(3)
    assert tile(2) == tile(2, origin="elsewhere")
    assert tile(2) != (2, 4, (), [])
    with pytest.raises(TypeError):
        hash(tile(2))  # a list is not hashable
    assert hash(Pair(1, 2)) == hash(Pair(1, 2)) and len({Pair(1, 2), Pair(1, 2), Pair(2, 1)}) == 2
    assert One(1) != Other(1)


def test_pickle():
    assert pickle.loads(pickle.dumps(Pair(1, 2))) == Pair(1, 2)


def test_fields_that_a_record_does_not_have():
    with pytest.raises(TypeError, match="positional"):

        @record
        class _Late:
            late: int = field(init=False)


@record
class Pair:
    """Hashable."""

    left: int
    right: int


@record
class One:
    """A single field."""

    value: int


@record
class Other:
    """Another with the same field."""

    value: int


def test_a_changed_record_is_what_replace_makes_of_it():
    one = declare(record)(2, names=("a",))
    assert changed(one, rows=3) == dataclasses.replace(one, rows=3) and changed(one) == one and one.rows == 2
    with pytest.raises(TypeError):
        changed(one, depth=1)
