"""What `rocfuse.opt` shows of a running pipeline: the current stage, times, dumps and the reproducer."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rocfuse.crash import Stage
from rocfuse.diagnostics import UsageError
from rocfuse.records import record

if TYPE_CHECKING:
    from mlir import ir


@record
class Reproducer:
    """Where the IR before the running pass is kept until the command has succeeded."""

    path: Path
    target: str
    command: Sequence[str]  # the whole command, with the path above in place of the input
    shared: Sequence[str] = ()  # arguments that the command of one element needs, too

    @property
    def pending(self) -> Path:
        """The file that becomes the reproducer when the command fails."""
        return self.path.with_name(f".{self.path.name}.pending")

    def record(self, text: str, element: str | None) -> None:
        """Keep `text` as the input of `element`, or of the whole command."""
        arguments = list(self.command)
        if element is not None:
            arguments = [str(self.path), f"--target={self.target}", f"--pass-pipeline={element}", *self.shared]
        text = f"// python -m rocfuse.opt {shlex.join(arguments)}\n{text}"
        with _writing(self.path):
            self.pending.write_text(text)

    def finish(self, failed: bool) -> None:
        """Keep the reproducer if the command failed, else leave nothing."""
        if not self.pending.exists():
            return
        if failed:
            self.pending.replace(self.path)
            print(f"note: the IR before the failure and the command to repeat it are in {self.path}", file=sys.stderr)
        else:
            self.pending.unlink()


@dataclass
class Timing:
    """Wall-clock seconds by stage, in the order in which the stages first ran."""

    seconds: dict[str, float] = field(default_factory=dict)
    _current: str = ""
    _since: float = field(default_factory=time.perf_counter)

    def enter(self, name: str) -> None:
        """End the running stage and start `name`; an empty name only ends."""
        now = time.perf_counter()
        if self._current:
            self.seconds[self._current] = self.seconds.get(self._current, 0.0) + now - self._since
        self._current, self._since = name, now

    def report(self) -> str:
        """The table that `--mlir-timing` prints."""
        self.enter("")
        total = sum(self.seconds.values()) or 1e-9
        lines = ["  ----Wall Time----  ----Name----"]
        for name, seconds in [*self.seconds.items(), ("Total", sum(self.seconds.values()))]:
            lines.append(f"  {seconds:8.4f} ({100 * seconds / total:5.1f}%)  {name}")
        return "\n".join(lines)


@dataclass
class Observer:
    """The instrumentation of one input: tells the parent process the stage, keeps times, writes dumps."""

    stage: Stage
    timing: Timing
    print_after_all: bool = False
    dump_folder: Path | None = None
    reproducer: Reproducer | None = None

    def enter(self, name: str) -> None:
        """A step that is no pass starts, such as the parser or the linker."""
        self.stage.set(name)
        self.timing.enter(name)

    def start(self, module: ir.Module) -> None:
        """The input is parsed and valid."""
        self._dump(0, "input.mlir", module)

    def before(self, index: int, element: str, module: ir.Module) -> None:
        """See pipeline.Instrumentation."""
        if self.reproducer:
            self.reproducer.record(str(module), element)
        self.enter(element)

    def after(self, index: int, element: str, module: ir.Module) -> None:
        """See pipeline.Instrumentation."""
        self.enter("rocfuse.opt")
        if self.print_after_all:
            print(f"// -----// IR Dump After {element} //----- //\n{module}", file=sys.stderr)
        self._dump(index, element.split("{")[0].split("(")[0] + ".mlir", module)

    def artifact(self, index: int, name: str, data: bytes) -> None:
        """Write something that is no IR into the dump folder."""
        if self.dump_folder:
            path = self.dump_folder / f"{index:02d}_{name}"
            with _writing(path):
                self.dump_folder.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)

    def _dump(self, index: int, name: str, module: ir.Module) -> None:
        if self.dump_folder:
            self.artifact(index, name, (plan_header(module) + str(module)).encode())


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong while `path` is written into a UsageError."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def plan_header(module: ir.Module) -> str:
    """The plans in the module as comment lines, so that a dump shows them first."""
    from rocfuse.dialect import PLAN

    lines: list[str] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        from mlir import ir

        if PLAN in op.attributes:
            function = op if "sym_name" in op.attributes else op.parent.operation
            name = ir.StringAttr(function.attributes["sym_name"]).value
            lines.append(f"// plan of @{name}: {op.attributes[PLAN]}\n")
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return "".join(lines)
