"""`python -m rocfuse.tune`: choose the plan of a program's kernels by what their code counts, and record it.

Nothing runs on a GPU. The model's best candidates are compiled, the simulator executes one workgroup of each, and the
counted cycles decide (see counts.py). A line given with `--perf-config` is recorded without a search.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rocfuse.diagnostics import CompileError, UsageError
from rocfuse.files import check_writable
from rocfuse.observe import Observer
from rocfuse.opt import Chunk
from rocfuse.opt_arguments import Parser, parse_with_passes
from rocfuse.pipeline import Pipeline, pass_options
from rocfuse.plan import NOT_OFFERED, PLANNER, PlanCommand, run_command
from rocfuse.targets import get_target

if TYPE_CHECKING:
    from mlir import ir

    from rocfuse.counts import Counted
    from rocfuse.transforms.plan_kernels import Decision
    from rocfuse.tuning_db import TuningDb

BEST_OF = 4


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run_command(argv, _parse, TuneCommand)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="python -m rocfuse.tune",
        description="Record the plan of every kernel of a program in a tuning db, which --tuning-db of the other "
        "commands reads. The choice is by counts of the simulator; nothing runs on a GPU.",
        epilog=f"--{PLANNER}=max-lds-bytes=32768,… limits or pins the candidates, as for rocfuse.opt.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("input", nargs="?", metavar="IN.mlir", help="input file, - for stdin (the default)")
    add("--db", required=True, metavar="F", help="the tuning db; made if it does not exist")
    add("--target", default="gfx942", help="the GPU to tune for (default %(default)s)")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--perf-config", metavar="LINE", help="record this choice; the model makes what it leaves open")
    choice.add_argument(
        "--best-of", type=int, metavar="N", default=BEST_OF, help="count the model's best N (default %(default)s)"
    )
    add("--mlir-timing", action="store_true", help="print the time of each stage to stderr")
    add("--traceback", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(**{**NOT_OFFERED, "tuning_db": None, "svg": None})
    arguments = parse_with_passes(parser, argv)
    get_target(arguments.target)
    if arguments.best_of < 1:
        raise UsageError(f"--best-of: need 1 or more, have {arguments.best_of}")
    if arguments.input is None and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("no input: give a file, or - for stdin")
    if arguments.db == "-":
        raise UsageError("--db=-: stdout is for the report; give a file")
    check_writable(arguments.db)
    if Path(arguments.db).exists() and not Path(arguments.db).is_file():
        raise UsageError(f"--db={arguments.db}: need a file, which is read and replaced; have a device or a pipe")
    return arguments


@dataclass(frozen=True)
class Trial:
    """One candidate: its perf config, the cycles that the model gives it, and what was counted or why nothing was."""

    line: str
    model: int
    counted: Counted | None = None
    failure: str = ""

    def row(self) -> list[str]:
        """Cells of the report."""
        if self.counted is None:
            return ["-", self.failure or "-", str(self.model), self.line]
        return [str(self.counted.cycles), self.counted.bound, str(self.model), self.line]


def candidates(decision: Decision) -> list[Trial]:
    """What fits, in the order of the model's preference: its own choice first."""
    from rocfuse.analysis import perf_config, search

    objective = decision.objective
    found = search.ranked(decision.results, objective)
    return [Trial(perf_config.format(one.tiling, one.plan.group_m), one.cost.predicted(objective)) for one in found]


def best(trials: Sequence[Trial], location: str) -> Trial:
    """The fewest counted cycles, and the model's preference between equals; the first where nothing is counted."""
    if len(trials) == 1 and not trials[0].failure:
        return trials[0]
    fine = [(one.counted.cycles, number) for number, one in enumerate(trials) if one.counted]
    if not fine:
        raise CompileError(f"rocfuse.tune: no candidate could be counted: {trials[0].failure}", location)
    return trials[min(fine)[1]]


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _alone(text: str, name: str) -> ir.Module:
    """The program without the other functions, which a candidate of this one has no need to compile."""
    from mlir import ir

    from rocfuse.dialect import create_context
    from rocfuse.transforms.matching import functions, name_of

    module = ir.Module.parse(text, context=create_context())
    for function in functions(module):
        if name_of(function) != name:
            function.erase()
    return module


class TuneCommand(PlanCommand):
    """One run of the command, in the guarded child process."""

    simulates: ClassVar[bool] = True

    db: TuningDb
    choices: dict[str, str]

    def _run(self) -> int:
        """The db is read before any work, and written before the report says so."""
        from rocfuse.tuning_db import read_or_new

        self.db = read_or_new(self.arguments.db)
        self.choices = {}
        return super()._run()

    def _pipeline(self) -> Pipeline:
        """The default pipeline up to the planner, with the line to record as one more pin."""
        if self.arguments.perf_config is not None:
            if "perf-config" in pass_options(self.arguments.passes).get(PLANNER, {}):
                raise UsageError(f"--perf-config and perf-config of --{PLANNER}: give one of them")
            self.arguments.passes.append((PLANNER, f"perf-config={self.arguments.perf_config}"))
        return super()._pipeline()

    def _produce(self, module: ir.Module, chunk: Chunk, pipeline: Pipeline, observer: Observer) -> dict[str, bytes]:
        from rocfuse.tuning_key import kernel_key

        target = get_target(self.arguments.target)
        lines: list[str] = []
        for kernel, decision in self._plan(module, pipeline, observer):
            key = kernel_key(kernel, target)
            if key in self.choices:  # as an importer writes the layers of a stack
                lines += ["", f"kernel {decision.name}: {key}", "the kernel of another function above has this key"]
                continue
            trials = candidates(decision)
            if self.arguments.perf_config is None:
                trials = [self._count(chunk, key, decision, one, observer) for one in trials[: self.arguments.best_of]]
            chosen = best(
                trials[:1] if self.arguments.perf_config is not None else trials, str(kernel.gemm.op.location)
            )
            self.choices[key] = chosen.line
            lines += ["", *self._report(decision, key, trials, chosen)]
        return {"": "".join(f"{line}\n" for line in lines[1:]).encode()}

    def _count(self, chunk: Chunk, key: str, decision: Decision, trial: Trial, observer: Observer) -> Trial:
        """A candidate compiled and counted."""
        import rocfuse
        from rocfuse.counts import count
        from rocfuse.tuning_db import TuningDb

        target = get_target(self.arguments.target)
        options = pass_options(self.arguments.passes)
        observer.enter(f"candidate {trial.line}")
        try:
            module = _alone(chunk.text, decision.name)
            code = rocfuse.compile(module, target.name, options=options, tuning_db=TuningDb("", {key: trial.line}))
            return replace(trial, counted=count(code, decision.name, target, decision.objective))
        except CompileError as error:
            return replace(trial, failure=error.message)

    def _report(self, decision: Decision, key: str, trials: Sequence[Trial], chosen: Trial) -> Iterator[str]:
        """What was counted, and what is recorded, in place of what."""
        yield f"kernel {decision.name}: {key}"
        if chosen.counted:
            how = f"cycles for {decision.objective}, counted in the simulator"
            yield f"{how}, which executed workgroup 0; nothing ran on a GPU"
            yield from table([["cycles", "bound by", "model", "perf config"], *(one.row() for one in trials)])
        before = self.db.choices.get(key)
        change = "" if before is None else ", as before" if before == chosen.line else f", in place of {before}"
        yield f"recorded in {self.db.path}: {chosen.line}{change}"

    def _write(self, outputs: Sequence[dict[str, bytes]]) -> int:
        self.db.record(self.choices)
        return super()._write(outputs)


if __name__ == "__main__":
    sys.exit(main())
