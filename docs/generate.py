"""Write docs/passes.md and the README's pipeline table from the passes; `--check` says whether they are up to date."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from rocfuse.passes import Pass, get_pass, pass_names  # noqa: E402
from rocfuse.pipeline import DEFAULT_PASSES  # noqa: E402

HEADER = """# Passes

Generated from the docstrings by `make docs`. Every pass runs alone,
`python -m rocfuse.opt IN.mlir --NAME[=option=value,…]`, or in a pipeline,
`--pass-pipeline='NAME{option=value …},canonicalize'`.
"""
TABLE = re.compile(r"(<!-- pipeline -->\n).*?(<!-- /pipeline -->)", re.DOTALL)


def type_text(hint: object) -> str:
    """A field's type as a reader of the command line needs it."""
    if isinstance(hint, type):
        return hint.__name__
    arguments = [one for one in typing.get_args(hint) if one is not type(None)]
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(f"`{one}`" for one in arguments)
    return " or ".join(type_text(one) for one in arguments)


def options_text(cls: type[Pass]) -> str:
    """The options of a pass as a list."""
    hints = typing.get_type_hints(cls)
    lines = []
    for field in dataclasses.fields(cls):
        default = "chosen" if field.default is None else f"`{str(field.default).lower()}`"
        lines.append(f"- `{field.name.replace('_', '-')}`: {type_text(hints[field.name])}, default {default}\n")
    return "\nOptions:\n\n" + "".join(lines) if lines else ""


def prose(docstring: str) -> str:
    """A docstring as Markdown: its indented examples, with the arrow between their parts, become MLIR code blocks."""
    out: list[str] = []
    code: list[str] = []
    for line in [*inspect.cleandoc(docstring).splitlines(), None]:
        if line is not None and (line.startswith("  ") or line == "→" or (code and not line)):
            code.append(line)
            continue
        if code:
            margin = min(len(one) - len(one.lstrip()) for one in code if one.strip() not in ("", "→"))
            block = [one.strip() if one.strip() == "→" else one[margin:] for one in code]
            out += ["```mlir", *"\n".join(block).rstrip().splitlines(), "```", ""]
            code = []
        if line is not None:
            out.append(line)
    return "\n".join(out).strip() + "\n"


def forms_text(cls: type[Pass]) -> str:
    """The forms before and after, `a → b`."""
    return f"{', '.join(cls.requires) or 'any'} → {', '.join(cls.ensures) or 'as before'}"


def passes_page() -> str:
    """The text of docs/passes.md."""
    parts = [HEADER]
    for name in pass_names():
        cls = get_pass(name)
        parts.append(f"## {name}\n\n{prose(cls.__doc__ or '')}\nForms: {forms_text(cls)}.\n{options_text(cls)}")
    return "\n".join(parts)


def test_of(name: str) -> str:
    """The lit test of a pass, as a link."""
    stem = name.removeprefix("rocfuse-")
    for folder in ("transforms", "lowering"):
        found = sorted((ROOT / "test" / folder).glob(f"{stem}*.mlir"), key=lambda path: (len(path.name), path.name))
        if found:
            return f"[{found[0].stem}]({found[0].relative_to(ROOT)})"
    return ""


def pipeline_table() -> str:
    """The README's table of DEFAULT_PASSES."""
    lines = ["| stage | pass | in form → out form | test |\n", "|---|---|---|---|\n"]
    for number, name in enumerate(DEFAULT_PASSES, 1):
        lines.append(f"| {number} | `{name}` | {forms_text(get_pass(name))} | {test_of(name)} |\n")
    return "".join(lines)


def main() -> int:
    """Write the files, or compare them with what would be written."""
    readme = (ROOT / "README.md").read_text()
    texts = {
        ROOT / "docs" / "passes.md": passes_page(),
        ROOT / "README.md": TABLE.sub(lambda match: match[1] + pipeline_table() + match[2], readme),
    }
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(texts[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
