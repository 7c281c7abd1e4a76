"""The tuning db: a text file that holds, for kernels that were tuned, the perf config that was chosen.

    # rocfuse tuning db v1
    gfx942 m4096 n2560 k640 …<tab>v1:m256,n128,k64,…

One line a kernel: its key (see tuning_key.py), a tab, its perf config; sorted. An empty file is a db without choices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from rocfuse.analysis import perf_config
from rocfuse.diagnostics import UsageError
from rocfuse.files import write_atomically
from rocfuse.records import record

HEADER = "# rocfuse tuning db v1"


@record
class TuningDb:
    """The choices of a file: key -> perf config, every one of which can be read."""

    path: str
    choices: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """The file."""
        lines = (f"{key}\t{line}" for key, line in sorted(self.choices.items()))
        return "\n".join([HEADER, *lines]) + "\n"

    def record(self, choices: Mapping[str, str]) -> None:
        """Write the file with `choices` added, in place of those that it has for their keys.

        The file is read again: others may have recorded theirs since.
        """
        now = read_or_new(self.path)
        write_atomically(self.path, TuningDb(self.path, {**now.choices, **choices}).text().encode())


def read(path: str | Path) -> TuningDb:
    """The db in a file. Raises UsageError, with the number of the line that is broken and why."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the tuning db {path}: {error.strerror}") from error
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as error:
        broken = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}:{broken}: not text in UTF-8") from error
    choices: dict[str, str] = {}
    written: dict[str, int] = {}
    known: set[str] = set()  # lines that can be read: many kernels share one
    if data and lines[0].rstrip() != HEADER:
        raise UsageError(f"{path}:1: need the line '{HEADER}' first, have {lines[0][:40]!a}")
    for number, text in enumerate(lines[1:], 2):
        if not text.strip():
            continue
        key, tab, line = text.rstrip("\r").partition("\t")
        if not key or not tab:
            raise UsageError(f"{path}:{number}: need a key, a tab and a perf config, have {text[:60]!a}")
        if key in choices:
            raise UsageError(f"{path}:{number}: the key of line {written[key]} again; keep one of them")
        try:
            if line not in known:
                perf_config.parse(line)
                known.add(line)
        except UsageError as error:
            raise UsageError(f"{path}:{number}: {error}") from error
        choices[key] = line
        written[key] = number
    return TuningDb(str(path), choices)


def read_or_new(path: str | Path) -> TuningDb:
    """The db in a file, or one without choices where there is no file yet."""
    return read(path) if Path(path).exists() else TuningDb(str(path))
