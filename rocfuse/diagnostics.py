"""Errors that a person can act on.

`UsageError` ends a command with exit code 2, `CompileError` with exit code 1. Both carry one line of text: lower case,
numbers as need/have, and the next step. A `CompileError` may name the place in the input that it is about.
"""

from __future__ import annotations

from dataclasses import field

from rocfuse.records import record


class RocfuseError(Exception):
    """Base of every error that rocfuse raises on purpose."""


class UsageError(RocfuseError):
    """The command line or an option is wrong."""


class CompileError(RocfuseError):
    """The program cannot be compiled.

    `location` is MLIR's `file:line:column` text, or empty; `notes` are further lines, such as a table of buffers.
    """

    def __init__(self, message: str, location: str = "", notes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.location = location
        self.notes = notes

    def __str__(self) -> str:
        place = f"{self.location}: " if self.location else ""
        return "\n".join([f"{place}error: {self.message}", *(f"{place}note: {note}" for note in self.notes)])


@record
class Refusal:
    """Why a program is left as it is: a value, not an exception.

    `reason` is a whole sentence in lower case with its numbers and what to do, without the location. `function` is the
    name of the function that stays as it is; empty where there is none, or it is the whole module.
    """

    reason: str
    location: str = ""
    notes: tuple[str, ...] = field(default=())
    function: str = ""


def apart(one: float, other: float, fewest: int = 0) -> tuple[str, str]:
    """Two numbers for a comparison, with as many decimals as tell them apart: `fewest`, and at most three more."""
    texts = [(f"{one:.{decimals}f}", f"{other:.{decimals}f}") for decimals in range(fewest, fewest + 4)]
    return next((pair for pair in texts if pair[0] != pair[1]), texts[0])


def digits(*values: float) -> list[str]:
    """Numbers as text, with as many digits as tell those apart that differ: six at least."""
    different = len({repr(one) for one in values})
    for precision in range(6, 17):
        texts = [f"{one:.{precision}g}" for one in values]
        if len(set(texts)) == different:
            return texts
    return [repr(one) for one in values]


def count(number: int, noun: str, plural: str = "s") -> str:
    """A number of things: `1 array`, `2 arrays`."""
    return f"{number} {noun}{'' if number == 1 else plural}"
