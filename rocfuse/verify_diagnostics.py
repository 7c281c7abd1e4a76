"""Diagnostics of the commands: their printed form, and `--verify-diagnostics`.

An annotation is `// expected-error @+1 {{text}}`: the kind is error, warning, remark or note, the place is `@+N`,
`@-N`, `@above`, `@below`, `@unknown` or nothing for the same line, and the text is part of the message
(with `-re` after the kind, `{{…}}` inside it is a regular expression).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rocfuse.records import record

# `"file":line:column` as MLIR prints it inside loc(...), or a plain file:line:column
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)":(\d+):(\d+)')
_PLAIN = re.compile(r"^(.*?):(\d+):(\d+)$")
_EXPECTED = re.compile(
    r"expected-(error|note|remark|warning)(-re)? *(@([+-]\d+|above|below|unknown))? *\{\{(.*)\}\}\s*$",
)
_MEANT = re.compile(r"//.*\b(expected-[\w-]* *(@\S*|\{).*)")  # what was meant as one, too
_FORM = (
    "need expected-error, -warning, -remark or -note, with -re for a regular expression; @+N, @-N, @above, @below, "
    "@unknown or nothing; and {{text}} to the end of the line"
)
INPUT = "-"  # the file name that MLIR gives to text without one


@record
class Diagnostic:
    """One message at one place; `line` is 0 when the place is unknown."""

    severity: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0

    def text(self, input_name: str) -> str:
        """The printed form, `file:line:column: severity: message`."""
        place = input_name if self.file in ("", INPUT) else self.file
        if self.line:
            place += f":{self.line}:{self.column}"
        return f"{place}: {self.severity}: {self.message}"


def diagnostic_at(severity: str, message: str, location: str) -> Diagnostic:
    """A diagnostic at the first file position in MLIR's location text."""
    found = _QUOTED.search(location) or _PLAIN.match(location)
    if not found:
        return Diagnostic(severity, message)
    return Diagnostic(severity, message, found.group(1), int(found.group(2)), int(found.group(3)))


@record
class Expected:
    """One annotation: what is expected at which line (0: at an unknown place), and where it is written."""

    severity: str
    line: int
    pattern: re.Pattern[str]
    text: str
    written_at: int

    def matches(self, diagnostic: Diagnostic) -> bool:
        """Whether `diagnostic` is what was expected."""
        line = diagnostic.line if diagnostic.file == INPUT else 0
        return (
            self.severity == diagnostic.severity and self.line == line and bool(self.pattern.search(diagnostic.message))
        )


def find_expected(source: str, first_line: int = 1) -> tuple[list[Expected], list[Diagnostic]]:
    """The annotations in `source`, whose first line has number `first_line`, and an error for each malformed one."""
    found: list[Expected] = []
    malformed: list[Diagnostic] = []
    waiting: list[tuple[int, str, re.Pattern[str], str]] = []  # @below annotations that wait for a line of code
    last_code = 0
    for number, line in enumerate(source.splitlines(), first_line):
        match = _EXPECTED.search(line)
        if not match and (meant := _MEANT.search(line)):
            malformed.append(Diagnostic("error", f"'{meant.group(1).strip()}': {_FORM}", INPUT, number, 1))
            continue
        if not match:
            found += [Expected(severity, number, pattern, text, at) for at, severity, pattern, text in waiting]
            waiting.clear()
            last_code = number
            continue
        severity, regex, _, place, text = match.groups()
        try:
            pattern = _pattern(text, bool(regex))
        except re.error as error:
            malformed.append(Diagnostic("error", f"'{text}' is no regular expression: {error}", INPUT, number, 1))
            continue
        if place == "below":
            waiting.append((number, severity, pattern, text))
            continue
        at = {"above": last_code, "unknown": 0, None: number}.get(place)
        found.append(Expected(severity, number + int(place) if at is None else at, pattern, text, number))
    found += [Expected(severity, -1, pattern, text, at) for at, severity, pattern, text in waiting]
    return found, malformed


def check_expected(expected: Sequence[Expected], diagnostics: Sequence[Diagnostic], input_name: str) -> list[str]:
    """What does not agree between annotations and diagnostics, one line each; empty when all is as expected."""
    missing = list(expected)
    problems = []
    for diagnostic in diagnostics:
        match = next((one for one in missing if one.matches(diagnostic)), None)
        if match:
            missing.remove(match)
        else:
            unexpected = Diagnostic(
                "error",
                f"unexpected {diagnostic.severity}: {diagnostic.message}",
                diagnostic.file,
                diagnostic.line,
                diagnostic.column,
            )
            problems.append(unexpected.text(input_name))
    for one in missing:
        problems.append(
            f'{input_name}:{one.written_at}:1: error: expected {one.severity} "{one.text}" was not produced'
        )
    return problems


def _pattern(text: str, regex: bool) -> re.Pattern[str]:
    if not regex:
        return re.compile(re.escape(text))
    parts = re.split(r"\{\{(.*?)\}\}", text)
    return re.compile("".join(part if index % 2 else re.escape(part) for index, part in enumerate(parts)))
