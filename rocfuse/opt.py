"""`python -m rocfuse.opt`: run passes on a file, or compile it. The flags are those of mlir-opt where both have one."""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rocfuse.crash import Stage, run_guarded
from rocfuse.diagnostics import CompileError, RocfuseError, UsageError
from rocfuse.files import check_writable, write_all_atomically
from rocfuse.observe import Observer, Reproducer, Timing
from rocfuse.verify_diagnostics import Diagnostic, check_expected, diagnostic_at, find_expected

if TYPE_CHECKING:
    from mlir import ir

    from rocfuse.pipeline import Pipeline

EMIT_KINDS = ("mlir", "llvm", "isa", "obj", "hsaco")
_SPLIT = re.compile(r"^// -----[ \t]*$", re.MULTILINE)
_SEVERITIES = {"ERROR": "error", "WARNING": "warning", "REMARK": "remark", "NOTE": "note"}


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = parse_arguments(argv)
        if arguments.list_passes:
            list_passes()
            return 0
        reproducer = make_reproducer(arguments, argv)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    hint = "" if reproducer else "; --reproducer=F keeps the IR before it"
    code = run_guarded(lambda stage: Command(arguments, reproducer, stage).run(), hint)
    if reproducer:
        reproducer.finish(failed=code != 0)
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see --help")


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line as a namespace; `passes` holds (name, option text) in order. Raises UsageError."""
    from rocfuse.passes import pass_names
    from rocfuse.targets import get_target

    parser = _argument_parser(pass_names())
    passes = [argument[2:].partition("=")[::2] for argument in argv if argument.startswith("--rocfuse-")]
    arguments = parser.parse_args([argument for argument in argv if not argument.startswith("--rocfuse-")])
    arguments.passes = passes
    for name, _ in passes:
        if name not in pass_names():
            raise UsageError(f"unknown pass '{name}'; there are: {', '.join(pass_names())}")
    get_target(arguments.target)
    _check_arguments(arguments)
    return arguments


def _argument_parser(passes: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m rocfuse.opt",
        description="Run rocfuse passes on MLIR, or compile it to one kernel. Diagnostics go to stderr.",
        epilog="\n  ".join(
            ["passes, with options as =name=value,… (see --list-passes):", *(f"--{name}" for name in passes)]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("input", nargs="?", metavar="IN.mlir", help="input file, - for stdin (the default)")
    add("-o", dest="output", default="-", metavar="OUT", help="output file, - for stdout (the default)")
    add("--target", default="gfx942", help="the GPU to compile for (default %(default)s)")
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
    if arguments.emit in ("obj", "hsaco") and arguments.output == "-":
        raise UsageError(f"--emit={arguments.emit} writes a binary: give its file with -o FILE")
    if arguments.save_isa and arguments.emit != "hsaco":
        raise UsageError("--save-isa goes with --emit=hsaco; --emit=isa writes only the assembly")
    if arguments.emit == "hsaco" and Path(arguments.output).suffix in (".json", ".s"):
        raise UsageError(f"-o {arguments.output}: the name belongs to a file that is written beside the code object")
    needs_input = not (arguments.list_passes or arguments.dump_pass_pipeline)
    if arguments.input is None and needs_input and sys.stdin.isatty():
        raise UsageError("no input: give a file, or - for stdin")
    for path in (arguments.output, arguments.reproducer):
        if path not in (None, "-"):
            check_writable(path)


def make_reproducer(arguments: argparse.Namespace, argv: Sequence[str]) -> Reproducer | None:
    """What `--reproducer` asks for."""
    if not arguments.reproducer:
        return None
    path = str(arguments.reproducer)
    rest = [one for one in argv if not one.startswith("--reproducer") and one not in (arguments.input, path)]
    return Reproducer(arguments.reproducer, arguments.target, [path, *rest])


def list_passes() -> None:
    """Print a line for each pass. The docstrings are read from the source: importing all passes would take a second."""
    from rocfuse.passes import pass_names

    width = max(map(len, pass_names()))
    for name in pass_names():
        print(f"--{name:{width}}  {pass_docstring(name).partition(chr(10))[0]}")


def pass_docstring(name: str) -> str:
    """The docstring of the class of pass `name`, without importing it."""
    import importlib.util

    from rocfuse.passes import _MODULES

    spec = importlib.util.find_spec(_MODULES[name])
    if spec is None or spec.origin is None:
        return "(not built yet)"
    for node in ast.parse(Path(spec.origin).read_text()).body:
        if isinstance(node, ast.ClassDef) and any("register" in ast.unparse(one) for one in node.decorator_list):
            return ast.get_docstring(node) or ""  # a module registers one pass
    return ""


@dataclass(frozen=True)
class Chunk:
    """One input of a file: its text, padded with empty lines so that line numbers are those of the file."""

    text: str
    first_line: int
    source: str

    @staticmethod
    def split(source: str, separated: bool) -> Iterator[Chunk]:
        """The inputs in `source`: one, or those between the separators."""
        line = 1
        for part in _SPLIT.split(source) if separated else [source]:
            yield Chunk("\n" * (line - 1) + part, line, part)
            line += part.count("\n")


@dataclass
class Command:
    """One run of the command, in the guarded child process."""

    arguments: argparse.Namespace
    reproducer: Reproducer | None
    stage: Stage
    timing: Timing = field(default_factory=Timing)
    diagnostics: list[Diagnostic] = field(default_factory=list)  # of the current chunk
    failed: bool = False

    def run(self) -> int:
        """Do it; returns the exit code."""
        try:
            return self._run()
        except UsageError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except CompileError as error:
            self.report(diagnostic_at("error", error.message, error.location))
            return 1

    @property
    def input_name(self) -> str:
        """The input's name in diagnostics."""
        return "<stdin>" if self.arguments.input in (None, "-") else str(self.arguments.input)

    def report(self, diagnostic: Diagnostic) -> None:
        """Print a diagnostic, or keep it for `--verify-diagnostics`."""
        if diagnostic in self.diagnostics:
            return
        self.diagnostics.append(diagnostic)
        if not self.arguments.verify_diagnostics:
            print(diagnostic.text(self.input_name), file=sys.stderr)
        self.failed |= diagnostic.severity == "error" and not self.arguments.verify_diagnostics

    def _run(self) -> int:
        self.stage.set("start-up")
        self.timing.enter("start-up")
        pipeline = self._pipeline()
        if self.arguments.dump_pass_pipeline:
            print(pipeline.text(), file=sys.stdout if self.arguments.input is None else sys.stderr)
            if self.arguments.input is None:
                return 0
        source = self._read()
        chunks = list(Chunk.split(source, self.arguments.split_input_file))
        if len(chunks) > 1 and self.arguments.emit in ("obj", "hsaco"):
            raise UsageError(f"--emit={self.arguments.emit} takes one input; the file has {len(chunks)}")
        outputs: list[dict[str, bytes]] = []
        for number, chunk in enumerate(chunks):
            self.diagnostics.clear()
            outputs += self._process(chunk, pipeline, f"chunk{number:02d}" if len(chunks) > 1 else "")
            if self.arguments.verify_diagnostics:
                expected = find_expected(chunk.source, chunk.first_line)
                for problem in check_expected(expected, self.diagnostics, self.input_name):
                    print(problem, file=sys.stderr)
                    self.failed = True
        self._end_timing()
        if self.failed:
            return 1
        self._write(outputs)
        return 0

    def _pipeline(self) -> Pipeline:
        from rocfuse.pipeline import default_pipeline, parse_options, parse_pipeline

        if self.arguments.emit:
            return default_pipeline({name: parse_options(text) for name, text in self.arguments.passes})
        if self.arguments.pass_pipeline is not None:
            return parse_pipeline(self.arguments.pass_pipeline)
        texts = [
            f"{name}{{{' '.join(f'{k}={v}' for k, v in parse_options(text).items())}}}"
            for name, text in self.arguments.passes
        ]
        return parse_pipeline(",".join(texts))

    def _read(self) -> str:
        name = self.arguments.input
        try:
            data = sys.stdin.buffer.read() if name in (None, "-") else Path(name).read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {name}: {error.strerror}") from error
        try:
            source = data.decode()
        except UnicodeDecodeError as error:
            raise CompileError(
                "the input is not text in UTF-8; bytecode is not read, convert it with mlir-opt"
            ) from error
        if not source.strip():
            raise CompileError("the input is empty")
        return source

    def _process(self, chunk: Chunk, pipeline: Pipeline, name: str) -> list[dict[str, bytes]]:
        """Run one input; its outputs by file suffix, or none when it failed."""
        folder = self.arguments.mlir_print_ir_tree_dir
        observer = Observer(
            self.stage,
            self.timing,
            self.arguments.mlir_print_ir_after_all,
            folder / name if folder else None,
            self.reproducer,
        )
        try:
            module = self._parse(chunk, observer)
            observer.start(module)
            if self.arguments.emit:
                return [self._emit(module, chunk, observer)]
            self._run_passes(module, pipeline, observer)
            return [{"": f"{module}\n".encode() if not str(module).endswith("\n") else str(module).encode()}]
        except CompileError as error:
            self._report_failure(error)
        except RocfuseError:
            raise
        except Exception as error:
            if self.arguments.traceback:
                raise
            where = f"internal error in {self.stage.get()}: {type(error).__name__}: {error}"
            self.report(Diagnostic("error", f"{where}; --traceback shows where, --reproducer=F keeps the IR before it"))
        return []

    def _parse(self, chunk: Chunk, observer: Observer) -> ir.Module:
        from mlir import ir

        from rocfuse.dialect import create_context
        from rocfuse.pipeline import mlir_failure

        observer.enter("the parser")
        context = create_context()
        context.attach_diagnostic_handler(self._on_mlir_diagnostic)
        try:
            return ir.Module.parse(chunk.text, context=context)
        except ir.MLIRError as error:
            failure = mlir_failure(error, "the parser")
            failure.message = failure.message.removeprefix("the parser: ")  # it is MLIR's own message
            raise failure from error

    def _run_passes(self, module: ir.Module, pipeline: Pipeline, observer: Observer) -> None:
        from rocfuse.passes import PassContext
        from rocfuse.pipeline import run_pipeline
        from rocfuse.targets import get_target

        context = PassContext(target=get_target(self.arguments.target), on_remark=self._on_remark)
        run_pipeline(module, pipeline, context, observer)

    def _emit(self, module: ir.Module, chunk: Chunk, observer: Observer) -> dict[str, bytes]:
        from rocfuse.emit import emit

        return emit(self.arguments, module, chunk.text, observer, self._on_remark)

    def _on_remark(self, location: str, message: str) -> None:
        self.report(diagnostic_at("remark", message, location))

    def _on_mlir_diagnostic(self, diagnostic: Any) -> bool:
        severity = _SEVERITIES[diagnostic.severity.name]
        self.report(diagnostic_at(severity, diagnostic.message, str(diagnostic.location)))
        self._report_notes(diagnostic)
        return True

    def _report_notes(self, diagnostic: Any) -> None:
        for note in diagnostic.notes:
            if not note.message.startswith("see current operation"):
                self.report(diagnostic_at("note", note.message, str(note.location)))

    def _report_failure(self, error: CompileError) -> None:
        """Report a failure, with every diagnostic of MLIR's when it came from there."""
        self.report(diagnostic_at("error", error.message, error.location))
        for note in error.notes:
            self.report(diagnostic_at("note", note, error.location))
        details = list(getattr(error.__cause__, "error_diagnostics", ()))
        for index, diagnostic in enumerate(details):
            if index:
                self.report(diagnostic_at("error", diagnostic.message, str(diagnostic.location)))
            self._report_notes(diagnostic)

    def _end_timing(self) -> None:
        report = self.timing.report()
        if self.arguments.mlir_timing:
            print(report, file=sys.stderr)

    def _write(self, outputs: Sequence[dict[str, bytes]]) -> None:
        if not outputs:
            return
        main_output = b"// -----\n".join(one[""] for one in outputs)
        if self.arguments.output == "-":
            sys.stdout.buffer.write(main_output)
            return
        output = Path(self.arguments.output)
        beside = {output.with_suffix(suffix): data for suffix, data in outputs[0].items() if suffix}
        write_all_atomically({output: main_output, **beside})


if __name__ == "__main__":
    sys.exit(main())
