"""Output files appear whole or not at all."""

import os

import pytest

from rocfuse.diagnostics import UsageError
from rocfuse.files import check_writable, write_all_atomically, write_atomically


def test_new_file_and_replacement(tmp_path):
    path = tmp_path / "out"
    write_atomically(path, b"one")
    os.chmod(path, 0o640)
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["out"]


def test_new_file_has_the_permissions_of_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "out", b"")
    finally:
        os.umask(old)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640


def test_a_link_keeps_pointing_where_it_did(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_atomically(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


def test_devices_are_written_to_not_replaced():
    write_atomically("/dev/null", b"x")
    assert not os.path.isfile("/dev/null")


def test_all_or_none(tmp_path, monkeypatch):
    replace, calls = os.replace, []

    def second_fails(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(UsageError, match="No space left"):
        write_all_atomically({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("name", "message"), [("none/x", "does not exist"), (".", "is a folder")])
def test_unwritable_places_are_found_first(tmp_path, name, message):
    with pytest.raises(UsageError, match=message):
        check_writable(tmp_path / name)
    with pytest.raises(UsageError, match=message):
        write_all_atomically({tmp_path / "fine": b"", tmp_path / name: b""})
    assert os.listdir(tmp_path) == []
