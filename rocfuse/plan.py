"""`python -m rocfuse.plan`: plan the kernels of a program and explain the choices; nothing is compiled."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rocfuse.crash import run_guarded
from rocfuse.diagnostics import UsageError
from rocfuse.files import check_writable, open_closed_streams, write_atomically
from rocfuse.observe import Observer
from rocfuse.opt import Chunk, Command
from rocfuse.opt_arguments import Parser, parse_with_passes
from rocfuse.pipeline import Pipeline, default_pipeline, pass_options, run_pipeline
from rocfuse.targets import get_target

if TYPE_CHECKING:
    from mlir import ir

    from rocfuse.fused_kernel import FusedKernel
    from rocfuse.transforms.plan_kernels import Decision

PLANNER = "rocfuse-plan-kernels"
# what the command that this one is built on also knows, and this one does not offer
NOT_OFFERED = {
    "output": "-",
    "emit": None,
    "pass_pipeline": None,
    "dump_pass_pipeline": False,
    "split_input_file": False,
    "verify_diagnostics": False,
    "mlir_print_ir_after_all": False,
    "mlir_print_ir_tree_dir": None,
}


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run_command(argv, _parse, PlanCommand)


def run_command(
    argv: Sequence[str] | None, parse: Callable[[Sequence[str]], argparse.Namespace], command: type[PlanCommand]
) -> int:
    """Parse the arguments and run a command on them in a guarded child process; returns its exit code."""
    open_closed_streams()
    try:
        arguments = parse(list(sys.argv[1:] if argv is None else argv))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    return run_guarded(lambda stage: command(arguments, None, stage).run())


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="python -m rocfuse.plan",
        description="Plan the fused kernels of a program: tile, LDS, registers, occupancy, and why the others lost.",
        epilog=f"--{PLANNER}=tile-m=64,… pins a part of the plan, as for rocfuse.opt; other passes take options, too.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("input", nargs="?", metavar="IN.mlir", help="input file, - for stdin (the default)")
    add("--target", default="gfx942", help="the GPU to plan for (default %(default)s)")
    add("--tuning-db", metavar="F", help="take the plans that rocfuse.tune recorded in F; the model plans the others")
    add("--json", action="store_true", help="print JSON instead of text, with the same content")
    add("--all", action="store_true", help="list every candidate with its reason, not only the best losers")
    add("--svg", type=Path, metavar="F", help="draw the LDS map, the registers and which lane owns which element")
    add("--mlir-timing", action="store_true", help="print the time of each stage to stderr")
    add("--traceback", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(**NOT_OFFERED)
    arguments = parse_with_passes(parser, argv)
    get_target(arguments.target)
    if arguments.input is None and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("no input: give a file, or - for stdin")
    if arguments.svg == Path("-"):
        raise UsageError("--svg=-: stdout is for the report; give a file")
    if arguments.svg:
        check_writable(arguments.svg)
    return arguments


class PlanCommand(Command):
    """One run of the command, in the guarded child process."""

    advice: ClassVar[str] = "--traceback shows where"

    def _pipeline(self) -> Pipeline:
        """The default pipeline up to the planner, which is its last element."""
        whole = default_pipeline(pass_options(self.arguments.passes))
        names = [getattr(element, "name", "") for element in whole.elements]
        count = names.index(PLANNER) + 1
        for name, _ in self.arguments.passes:
            if name not in names[:count]:
                raise UsageError(f"{name} comes after planning; its options change nothing here")
        return Pipeline(whole.elements[:count])

    def _plan(self, module: ir.Module, pipeline: Pipeline, observer: Observer) -> list[tuple[FusedKernel, Decision]]:
        """Every kernel of the module, which is fused in place, and the decision about it."""
        from rocfuse.dialect import MULTI_GEMM, walk
        from rocfuse.fused_kernel import read_kernel, require_kernel
        from rocfuse.passes import PassContext
        from rocfuse.transforms.plan_kernels import PlanKernels

        target = get_target(self.arguments.target)
        context = PassContext(target, self._on_remark, refusal_is_error=True, tuning=self.tuning)
        run_pipeline(module, Pipeline(pipeline.elements[:-1]), context, observer)
        require_kernel(module, context)
        planner = pipeline.elements[-1]
        assert isinstance(planner, PlanKernels)
        observer.enter(PLANNER)
        kernels = [read_kernel(op.parent) for op in walk(module, MULTI_GEMM)]
        return [(kernel, planner.decide(kernel, context)) for kernel in kernels]

    def _produce(self, module: ir.Module, chunk: Chunk, pipeline: Pipeline, observer: Observer) -> dict[str, bytes]:
        from rocfuse.plan_report import report
        from rocfuse.plan_text import text

        target = get_target(self.arguments.target)
        decisions = [decision for _, decision in self._plan(module, pipeline, observer)]
        observer.enter("the report")
        found = report(decisions, target, self.arguments.all)
        printed = json.dumps(found, indent=2) + "\n" if self.arguments.json else text(found)
        outputs = {"": printed.encode()}
        if self.arguments.svg:
            from rocfuse.plan_svg import draw

            with module.context:
                outputs[".svg"] = draw(found, decisions, target).encode()
        return outputs

    def _write(self, outputs: Sequence[dict[str, bytes]]) -> int:
        """The drawing first: a report on stdout says that everything is done."""
        for one in outputs:
            if self.arguments.svg:
                write_atomically(self.arguments.svg, one.pop(".svg"))
        return super()._write(outputs)


if __name__ == "__main__":
    sys.exit(main())
