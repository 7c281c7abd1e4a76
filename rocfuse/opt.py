"""`python -m rocfuse.opt`: run passes on a file, or compile it. The flags are those of mlir-opt where both have one."""

from __future__ import annotations

import argparse
import gc
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rocfuse.crash import Stage, leave, run_guarded
from rocfuse.diagnostics import CompileError, RocfuseError, UsageError
from rocfuse.files import open_closed_streams, write_all_atomically, write_stdout
from rocfuse.observe import Observer, Reproducer, Timing
from rocfuse.opt_arguments import list_passes, make_reproducer, parse_arguments
from rocfuse.records import record
from rocfuse.verify_diagnostics import Diagnostic, check_expected, diagnostic_at, find_expected

if TYPE_CHECKING:
    from mlir import ir

    from rocfuse.pipeline import Pipeline
    from rocfuse.tuning_db import TuningDb

NO_IR = ("start-up", "the parser")  # stages before there is IR that a reproducer could keep
_SPLIT = re.compile(r"^// -----[ \t]*$", re.MULTILINE)
_SEVERITIES = {"ERROR": "error", "WARNING": "warning", "REMARK": "remark", "NOTE": "note"}


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    open_closed_streams()
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = parse_arguments(argv)
        if arguments.list_passes:
            return write_stdout(list_passes().encode())
        reproducer = make_reproducer(arguments, argv)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1

    def hint(stage: str) -> str:
        return "" if reproducer or stage in NO_IR else "; --reproducer=F keeps the IR before it"

    code = run_guarded(lambda stage: Command(arguments, reproducer, stage).run(), hint)
    if reproducer:
        reproducer.finish(failed=code != 0)
    return code


@record
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
    tuning: TuningDb | None = None

    advice: ClassVar[str] = "--traceback shows where, --reproducer=F keeps the IR before it"  # on an internal error
    simulates: ClassVar[bool] = False  # the simulator needs numpy

    def run(self) -> int:
        """Do it; returns the exit code."""
        try:
            return self._run()
        except UsageError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except CompileError as error:
            self.report(diagnostic_at("error", error.message, error.location))
        except OSError as error:
            print(f"error: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
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
        sys.setdlopenflags(os.RTLD_LAZY)  # of the 23,000 functions that MLIR's library links to, few are called
        if not self.simulates:
            _leave_out_numpy()
        pipeline = self._pipeline()
        if self.arguments.dump_pass_pipeline:
            print(pipeline.text(), file=sys.stdout if self.arguments.input is None else sys.stderr)
            if self.arguments.input is None:
                return 0
        self.tuning = self._read_tuning_db()
        source = self._read()
        chunks = list(Chunk.split(source, self.arguments.split_input_file))
        if len(chunks) > 1 and self.arguments.emit in ("obj", "hsaco"):
            raise UsageError(f"--emit={self.arguments.emit} takes one input; the file has {len(chunks)}")
        outputs: list[dict[str, bytes]] = []
        for number, chunk in enumerate(chunks):
            self.diagnostics.clear()
            outputs += self._process(chunk, pipeline, f"chunk{number:02d}" if len(chunks) > 1 else "")
            if self.arguments.verify_diagnostics:
                expected, malformed = find_expected(chunk.source, chunk.first_line)
                problems = [one.text(self.input_name) for one in malformed]
                for problem in problems + check_expected(expected, self.diagnostics, self.input_name):
                    print(problem, file=sys.stderr)
                    self.failed = True
        self._end_timing()
        if self.failed:
            return 1
        return self._write(outputs)

    def _pipeline(self) -> Pipeline:
        from rocfuse.pipeline import default_pipeline, parse_options, parse_pipeline, pass_options

        if self.arguments.emit:
            return default_pipeline(pass_options(self.arguments.passes))
        if self.arguments.pass_pipeline is not None:
            return parse_pipeline(self.arguments.pass_pipeline)
        texts = [
            f"{name}{{{' '.join(f'{k}={v}' for k, v in parse_options(text).items())}}}"
            for name, text in self.arguments.passes
        ]
        return parse_pipeline(",".join(texts))

    def _read_tuning_db(self) -> TuningDb | None:
        if self.arguments.tuning_db is None:
            return None
        from rocfuse.tuning_db import read

        return read(self.arguments.tuning_db)

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
            return [self._produce(module, chunk, pipeline, observer)]
        except CompileError as error:
            self._report_failure(error)
        except (RocfuseError, OSError):
            raise
        except Exception as error:
            if "KeyboardInterrupt" in str(error):  # what MLIR makes of one that comes while it calls us
                raise KeyboardInterrupt from error
            if self.arguments.traceback:
                raise
            where = f"internal error in {self.stage.get()}: {type(error).__name__}: {error}"
            self.report(Diagnostic("error", f"{where}; {self.advice}"))
        return []

    def _produce(self, module: ir.Module, chunk: Chunk, pipeline: Pipeline, observer: Observer) -> dict[str, bytes]:
        """The outputs of one parsed input by file suffix."""
        if self.arguments.emit:
            return self._emit(module, chunk, observer)
        self._run_passes(module, pipeline, observer)
        return {"": f"{module}\n".encode() if not str(module).endswith("\n") else str(module).encode()}

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

        context = PassContext(get_target(self.arguments.target), self._on_remark, tuning=self.tuning)
        run_pipeline(module, pipeline, context, observer)

    def _emit(self, module: ir.Module, chunk: Chunk, observer: Observer) -> dict[str, bytes]:
        from rocfuse.emit import emit

        return emit(self.arguments, module, chunk.text, observer, self._on_remark, self.tuning)

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

    def _write(self, outputs: Sequence[dict[str, bytes]]) -> int:
        if not outputs:
            return 0
        main_output = b"// -----\n".join(one[""] for one in outputs)
        if self.arguments.output == "-":
            return write_stdout(main_output)
        output = Path(self.arguments.output)
        beside = {output.with_suffix(suffix): data for suffix, data in outputs[0].items() if suffix}
        if output.exists() and not output.is_file():  # nothing stands beside a device or a pipe
            beside = {}
        write_all_atomically({output: main_output, **beside})
        return 0


def _leave_out_numpy() -> None:
    """Let MLIR's bindings load without numpy in this process, which ends with this command.

    They import it, when it is there, for builders of attributes that no pass makes; its threads alone cost more than a
    pass.
    """
    modules: dict[str, Any] = sys.modules
    modules.setdefault("numpy", None)  # how Python says that an import is to fail


if __name__ == "__main__":
    gc.disable()  # a process of one compilation: the collector takes 5 % of it and frees next to nothing
    leave(main())
