"""Output files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from rocfuse.diagnostics import UsageError


def check_writable(path: str | Path) -> None:
    """Raise UsageError when `path` cannot be written because of its folder; cheap, and done before any work."""
    real = Path(os.path.realpath(path))
    if real.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder")
    if not real.parent.is_dir():
        raise UsageError(f"cannot write {path}: the folder {real.parent} does not exist")
    if not os.access(real.parent, os.W_OK) and not _is_special(real):
        raise UsageError(f"cannot write {path}: no permission to write in {real.parent}")


def check_distinct(outputs: Mapping[str, Path], inputs: Iterable[str | Path] = ()) -> None:
    """Raise UsageError when two outputs, by the option that names each, are one file, or one is an input.

    Devices and pipes may repeat.
    """
    options: dict[str, str] = {}
    read = {os.path.realpath(path) for path in inputs}
    for option, path in outputs.items():
        real = os.path.realpath(path)
        if real in read and not _is_special(path):
            raise UsageError(f"{option} {path}: it is an input, which would be lost; give another file")
        if real in options and not _is_special(path):
            raise UsageError(f"{option} {path}: the name belongs to the file that {options[real]} writes; give another")
        options[real] = option


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write `data` to `path`: whoever opens it sees the old file or the whole new one."""
    write_all_atomically({Path(path): data})


def write_all_atomically(files: Mapping[Path, bytes]) -> None:
    """Write several files, all or none: every one is complete under a temporary name before the first appears.

    A device or a pipe is written to directly. Raises UsageError when a file cannot be written.
    """
    names = {Path(os.path.realpath(path)): path for path in files}
    targets = {path: files[name] for path, name in names.items()}
    for name in files:
        check_writable(name)
    written: dict[Path, Path] = {}
    finished: list[Path] = []
    try:
        for path, data in targets.items():
            if not _is_special(path):
                written[path] = _write_beside(path, data)
        for path, temporary in written.items():
            os.replace(temporary, path)
            finished.append(path)
        for path, data in targets.items():
            if _is_special(path):
                path.write_bytes(data)
    except OSError as error:
        for path in finished:
            path.unlink(missing_ok=True)
        raise UsageError(f"cannot write {names[path]}: {error.strerror}") from error
    finally:
        for temporary in written.values():
            with contextlib.suppress(OSError):
                temporary.unlink()


def open_closed_streams() -> None:
    """Give stdout and stderr where there is none: the one refuses what is written, the other drops it.

    Without, no message could be printed, and the next file to be opened would be where output goes.
    """
    for number, name, flags in ((1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, flags)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            setattr(sys, name, os.fdopen(number, "w", closefd=False))


def write_stdout(data: bytes) -> int:
    """Write `data` to stdout; the command's exit code. A reader that went away is no error worth a message."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered goes nowhere when the process ends
        if not isinstance(error, BrokenPipeError):
            print(f"error: cannot write to stdout: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _write_beside(path: Path, data: bytes) -> Path:
    """Write `data` to a temporary file in the folder of `path`, with the permissions that `path` has or would get."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
