"""python -m rocfuse.sim: run a code object on the CPU and check it."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from rocfuse.codegen.elf import Kernel, read_kernels
from rocfuse.diagnostics import CompileError, RocfuseError, UsageError, count
from rocfuse.files import check_distinct, check_writable, open_closed_streams, write_all_atomically, write_stdout
from rocfuse.sim import foreign, simulate
from rocfuse.sim.contract import read_contract
from rocfuse.sim.launch import match_inputs, output_types
from rocfuse.sim.report import (
    check_files,
    check_program,
    check_program_results,
    check_references,
    npy_bytes,
    table,
)
from rocfuse.verify_diagnostics import diagnostic_at

if TYPE_CHECKING:
    from rocfuse.sim.reference import References


class _ProgramError(UsageError):
    """The program of `--input` is wrong; its text has the place before `error:`."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see --help")


def _number(kind: type[int] | type[float], least: int) -> Callable[[str], float]:
    """The type of an option that is a number, finite and at least `least`."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            what = "an integer" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"need {what} from {least} on, have {text}")
        return value

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m rocfuse.sim",
        description="Execute a code object (X.hsaco with X.json) on the CPU, for the whole grid, and check it.",
        epilog="bf16 and fp8 arrays travel as uint16 and uint8 bit patterns. Exit code 1: a fault or a wrong result.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("hsaco", metavar="X.hsaco", type=Path)
    add("--arg", action="append", default=[], metavar="A.npy", help="an input, repeated in argument order")
    add("--out", action="append", default=[], type=Path, metavar="Y.npy", help="where a result goes, repeated in order")
    add("--check", action="append", default=[], type=Path, metavar="REF.npy", help="compare the results with these")
    tolerance = _number(float, 0)
    absolute = "with --check: absolute tolerance (default: 4 ulp of the result type at the maximum)"
    add("--atol", type=tolerance, metavar="A", help=absolute)
    add(
        "--rtol",
        type=tolerance,
        metavar="R",
        help="with --check: relative tolerance (default: 4 ulp of the result type)",
    )
    add("--input", type=Path, metavar="IN.mlir", help="compare with this program, by the project's tolerance rule")
    add("--stats", type=Path, metavar="S.json", help="write the counters")
    add("--l2", action="store_true", help="count the lines that workgroups of an XCD share in its L2")
    add("--progress", action="store_true", help="print a line a batch of workgroups to stderr")
    add("--processes", type=_number(int, 1), metavar="N", help="processes to use (default: by the size of the grid)")
    add("--mfma-order", choices=("increasing", "decreasing"), default="increasing", help="order of k in matrix sums")
    add("--isa", type=Path, metavar="X.s", help="execute this assembly text instead of the machine code")
    group = parser.add_argument_group(
        "a code object without a contract", "--arg also takes numbers, out:f16:64x32, null"
    )
    group.add_argument("--kernel", metavar="NAME")
    group.add_argument("--grid", metavar="X,Y,Z", help="workgroups")
    group.add_argument("--block", metavar="X,Y,Z", help="threads of a workgroup")
    group.add_argument("--dynamic-lds", type=_number(int, 0), metavar="BYTES", help="LDS given at launch")
    return parser


def _triple(text: str, what: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or min(numbers) < 1:
        raise UsageError(f"{what}: need up to three positive numbers x,y,z, have '{text}'")
    return numbers + [1] * (3 - len(numbers))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _load(path: Path | str) -> np.ndarray:
    try:
        with Path(path).open("rb") as file:
            array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, MemoryError) as error:
        raise UsageError(f"{path} is not a .npy array ({str(error).splitlines()[0]})") from None
    return array


def _kernels(path: Path, hsaco: bytes) -> dict[str, Kernel]:
    try:
        return {kernel.name: kernel for kernel in read_kernels(hsaco)}
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _contract(arguments: argparse.Namespace, kernels: dict[str, Kernel]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The contract beside the file, or one made for the kernel that the command line names."""
    if arguments.kernel is None:
        path = arguments.hsaco.with_suffix(".json")
        if not path.exists():
            raise UsageError(f"{path} does not exist: without a contract, --kernel, --grid and --block are needed")
        return read_contract(_read(path), path), [_load(one) for one in arguments.arg]
    if not arguments.grid or not arguments.block:
        raise UsageError("--kernel needs --grid and --block")
    if arguments.kernel not in kernels:
        raise UsageError(f"{arguments.hsaco} has no kernel {arguments.kernel}; it has {', '.join(kernels)}")
    given = [text if foreign.is_number(text) or foreign.is_declaration(text) else _load(text) for text in arguments.arg]
    grid, block = _triple(arguments.grid, "--grid"), _triple(arguments.block, "--block")
    made = foreign.foreign_contract(kernels[arguments.kernel], grid, block, given, arguments.dynamic_lds or 0)
    return made, [value for value in given if isinstance(value, np.ndarray)]


def _references(
    arguments: argparse.Namespace, contract: dict[str, Any], arrays: list[np.ndarray]
) -> tuple[list[np.ndarray], References | None]:
    """What `--check` and `--input` say that the results should be, found to fit them before anything runs."""
    names = contract["outputs"]
    types = output_types(contract, match_inputs(contract, arrays))
    expected = [types[name] for name in names]
    files = [_load(path) for path in arguments.check]
    if files:
        check_references(arguments.check, files, names, expected)
    if not arguments.input:
        return files, None
    from rocfuse.sim.reference import evaluate

    path = arguments.input
    try:
        program = evaluate(_read(path).decode("utf-8", "replace"), arrays)
    except CompileError as error:
        raise _ProgramError(diagnostic_at("error", error.message, error.location).text(str(path))) from error
    check_program_results(path, program, names, expected)
    return files, program


def _check_arguments(arguments: argparse.Namespace) -> None:
    """Options that would be ignored, and outputs that cannot be written."""
    for other, names in (("kernel", ("grid", "block", "dynamic_lds")), ("check", ("atol", "rtol"))):
        for name in names:
            if getattr(arguments, name) is not None and not getattr(arguments, other):
                raise UsageError(f"--{name.replace('_', '-')} goes with --{other}; give both")
    outputs = {f"--out ({at})": path for at, path in enumerate(arguments.out, start=1)}
    if arguments.stats:
        outputs["--stats"] = arguments.stats
    for path in outputs.values():
        check_writable(path)
    files = [arguments.hsaco, arguments.hsaco.with_suffix(".json"), arguments.input, arguments.isa]
    check_distinct(outputs, [*(path for path in files if path), *arguments.arg, *arguments.check])


def run(argv: Sequence[str]) -> int:
    """The command without error handling."""
    arguments = _parser().parse_args(argv)
    _check_arguments(arguments)
    hsaco = _read(arguments.hsaco)
    contract, arrays = _contract(arguments, _kernels(arguments.hsaco, hsaco))
    for option, paths in (("--out", arguments.out), ("--check", arguments.check)):
        if paths and len(paths) != len(contract["outputs"]):
            names = ", ".join(contract["outputs"])
            need = count(len(contract["outputs"]), "file")
            raise UsageError(f"{option}: need {need} ({names}), have {len(paths)}")
    isa_text = _read(arguments.isa).decode("utf-8", "replace") if arguments.isa else None
    files, program = _references(arguments, contract, arrays)
    started = time.perf_counter()
    result = simulate(
        hsaco,
        contract,
        arrays,
        isa_text=isa_text,
        processes=arguments.processes,
        mfma_order=arguments.mfma_order,
        progress=arguments.progress,
        l2=arguments.l2,
    )
    seconds = time.perf_counter() - started
    outputs = result.outputs if arguments.out else []
    written = {path: npy_bytes(output) for path, output in zip(arguments.out, outputs, strict=True)}
    if arguments.stats:
        written[arguments.stats] = (json.dumps(result.stats, indent=1) + "\n").encode()
    write_all_atomically(written)
    messages = check_files(contract, result, files, arguments.atol, arguments.rtol) if files else []
    messages += check_program(contract, result, program) if program else []
    failed = write_stdout(f"{table(contract, result, messages, seconds)}\n".encode())
    return 1 if failed or result.faults or any(not ok for ok, _ in messages) else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 for a clean run, 1 for a fault or a wrong result, 2 for wrong usage."""
    open_closed_streams()
    try:
        return run(sys.argv[1:] if argv is None else argv)
    except _ProgramError as error:
        print(error, file=sys.stderr)
        return 2
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    except RocfuseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
