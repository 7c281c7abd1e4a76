"""The command line of `rocfuse.opt`: its flags, what may be combined, and the list of passes. Imports no MLIR."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rocfuse.diagnostics import UsageError
from rocfuse.files import check_writable
from rocfuse.observe import Reproducer
from rocfuse.passes import _MODULES, pass_names
from rocfuse.targets import get_target

EMIT_KINDS = ("mlir", "llvm", "isa", "obj", "hsaco")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are UsageErrors."""

    def error(self, message: str) -> NoReturn:
        """Raise it."""
        raise UsageError(f"{message}; see --help")


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line as a namespace; `passes` holds (name, option text) in order. Raises UsageError."""
    parser = _argument_parser(pass_names())
    arguments = parse_with_passes(parser, argv)
    get_target(arguments.target)
    _check_arguments(arguments)
    return arguments


def parse_with_passes(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """Parse `argv`; flags that name a pass become (name, option text) in `passes`."""
    passes = [argument[2:].partition("=")[::2] for argument in argv if argument.startswith("--rocfuse-")]
    arguments = parser.parse_args([argument for argument in argv if not argument.startswith("--rocfuse-")])
    arguments.passes = passes
    for name, _ in passes:
        if name not in pass_names():
            raise UsageError(f"unknown pass '{name}'; there are: {', '.join(pass_names())}")
    return arguments


def _argument_parser(passes: Sequence[str]) -> Parser:
    parser = Parser(
        prog="python -m rocfuse.opt",
        description="Run rocfuse passes on MLIR, or compile it to a kernel a function. Diagnostics go to stderr.",
        epilog="\n  ".join(
            ["passes, with options as =name=value,… (docs/passes.md has them):", *(f"--{name}" for name in passes)]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("input", nargs="?", metavar="IN.mlir", help="input file, - for stdin (the default)")
    add("-o", dest="output", default="-", metavar="OUT", help="output file, - for stdout (the default)")
    add("--target", default="gfx942", help="the GPU to compile for (default %(default)s)")
    add("--tuning-db", metavar="F", help="take the plans that rocfuse.tune recorded in F; the model plans the others")
    add("--emit", choices=EMIT_KINDS, help="run the whole pipeline; a pass flag then only sets that pass's options")
    add("--save-isa", action="store_true", help="with --emit=hsaco: also write the assembly, OUT's name with .s")
    add(
        "--require-fusion",
        action="store_true",
        help="with --emit: every product must be in a fused kernel (the default)",
    )
    add("--pass-pipeline", metavar="TEXT", help="passes as text, upstream ones too: 'rocfuse-normalize,func.func(cse)'")
    add("--split-input-file", action="store_true", help="treat the parts between lines '// -----' as separate inputs")
    add(
        "--verify-diagnostics",
        action="store_true",
        help="check expected-error, -warning, -remark and -note annotations",
    )
    add("--mlir-print-ir-after-all", action="store_true", help="print the IR after each pass to stderr")
    add("--mlir-print-ir-tree-dir", type=Path, metavar="D", help="write the IR after each pass to numbered files in D")
    add("--mlir-timing", action="store_true", help="print the time of each stage to stderr")
    add(
        "--dump-pass-pipeline",
        action="store_true",
        help="print the pipeline as text (to stdout when there is no input)",
    )
    add(
        "--reproducer",
        type=Path,
        metavar="F",
        help="on failure, write the IR before the failing pass and its command to F",
    )
    add("--list-passes", action="store_true", help="print one line for each pass and stop")
    add("--traceback", action="store_true", help=argparse.SUPPRESS)
    return parser


def _check_arguments(arguments: argparse.Namespace) -> None:
    if arguments.pass_pipeline is not None and arguments.passes:
        raise UsageError("--pass-pipeline cannot be mixed with pass flags: write those passes into the pipeline text")
    if arguments.emit and arguments.pass_pipeline is not None:
        raise UsageError("--emit runs the whole pipeline: --pass-pipeline cannot be given with it")
    only_tells = arguments.list_passes or (arguments.dump_pass_pipeline and arguments.input is None)
    if arguments.emit in ("obj", "hsaco") and arguments.output == "-" and not only_tells:
        raise UsageError(f"--emit={arguments.emit} writes a binary: give its file with -o FILE")
    if arguments.save_isa and arguments.emit != "hsaco":
        raise UsageError("--save-isa goes with --emit=hsaco; --emit=isa writes only the assembly")
    if arguments.input is None and not only_tells and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("no input: give a file, or - for stdin")
    _check_places(arguments)


def _check_places(arguments: argparse.Namespace) -> None:
    """Raise UsageError for a place that cannot be written, or is not to be."""
    output, reproducer, folder = arguments.output, arguments.reproducer, arguments.mlir_print_ir_tree_dir
    if not output:
        raise UsageError("-o: need a file name")
    if arguments.emit == "hsaco" and Path(output).suffix in (".json", ".s"):
        raise UsageError(f"-o {output}: the name belongs to a file that is written beside the code object")
    if arguments.emit and output != "-" and os.path.realpath(output) == os.path.realpath(arguments.input or "-"):
        raise UsageError(f"-o {output}: it is the input, which would be lost; give another file")
    if output != "-":
        check_writable(output)
    if reproducer == Path("-"):
        raise UsageError("--reproducer=-: stdout is for the result; give a file")
    if reproducer:
        check_writable(reproducer)
        if reproducer.exists() and not reproducer.is_file():
            raise UsageError(f"--reproducer={reproducer}: need a file, which is replaced; have a device or a pipe")
    if folder and folder.exists() and not folder.is_dir():
        raise UsageError(f"cannot write to {folder}: it is no folder")


def make_reproducer(arguments: argparse.Namespace, argv: Sequence[str]) -> Reproducer | None:
    """What `--reproducer` asks for."""
    if not arguments.reproducer:
        return None
    path = str(arguments.reproducer)
    rest = [one for one in argv if not one.startswith("--reproducer") and one not in (arguments.input, path)]
    shared = [f"--tuning-db={arguments.tuning_db}"] if arguments.tuning_db else []
    return Reproducer(arguments.reproducer, arguments.target, [path, *rest], shared)


def list_passes() -> str:
    """A line for each pass. The docstrings are read from the source: importing all passes would take a second."""
    width = max(map(len, pass_names()))
    lines = (f"--{name:{width}}  {pass_docstring(name).partition(chr(10))[0]}\n" for name in pass_names())
    return "".join(lines)


def pass_docstring(name: str) -> str:
    """The docstring of the class of pass `name`, without importing it."""
    spec = importlib.util.find_spec(_MODULES[name])
    if spec is None or spec.origin is None:
        return "(not built yet)"
    for node in ast.parse(Path(spec.origin).read_text()).body:
        if isinstance(node, ast.ClassDef) and any("register" in ast.unparse(one) for one in node.decorator_list):
            return ast.get_docstring(node) or ""  # a module registers one pass
    return ""
