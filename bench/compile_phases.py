"""Where compile time goes: cold process and warm process, medians in milliseconds.

    python bench/compile_phases.py [FILE.mlir] [--repeat=5] [--json]

`cold` is a fresh Python process: imports, then one compilation. `warm` is the second and later compilations of one
process. `command` is the wall time of `python -m rocfuse.opt FILE --emit=hsaco`, from start to exit.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PHASES = ("imports", "passes", "translate", "llvm", "link", "contract")


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=ROOT / "test" / "inputs" / "geglu_sd21_l0.mlir")
    parser.add_argument("--repeat", type=int, default=5, help="measurements of each kind; the median counts")
    parser.add_argument("--json", action="store_true", help="print the medians as JSON")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.file = arguments.file.resolve()
    if not arguments.file.is_file():
        parser.error(f"cannot read {arguments.file}")
    if arguments.repeat < 1:
        parser.error("--repeat takes a number from 1 on")
    if arguments.child is not None:
        print(json.dumps(compilations(arguments.file, arguments.child)))
        return 0
    result = measure(arguments.file, arguments.repeat)
    print(json.dumps(result, indent=2) if arguments.json else table(arguments.file, arguments.repeat, result))
    return 0


def measure(file: Path, repeat: int) -> dict[str, dict[str, float]]:
    """Medians in milliseconds: kind -> phase -> time."""
    _progress("cold processes")
    cold = [child(file, 1)[0] for _ in range(repeat)]
    _progress("one warm process")
    warm = child(file, repeat + 1)[1:]
    _progress("the command")
    commands = [{"total": _command(file)} for _ in range(repeat)]
    return {name: _medians(runs) for name, runs in (("cold", cold), ("warm", warm), ("command", commands))}


def compilations(file: Path, count: int) -> list[dict[str, float]]:
    """Milliseconds of each phase of `count` compilations in this process; the first one has the imports."""
    started = time.perf_counter()
    sys.path.insert(0, str(ROOT))
    import rocfuse
    import rocfuse.compiler

    imports = (time.perf_counter() - started) * 1e3
    text = file.read_text()
    runs: list[dict[str, float]] = []
    for index in range(count):
        clock, busy = _Clock(time.perf_counter), _Clock(time.process_time)

        def enter(stage: str, clocks: tuple[_Clock, _Clock] = (clock, busy)) -> None:
            for one in clocks:
                one.enter(stage)

        rocfuse.compile(text, on_stage=enter)
        enter("")
        phases = {"imports": imports if index == 0 else 0.0} | clock.phases
        processor = {f"processor {phase}": spent for phase, spent in busy.phases.items()}
        totals = {"total": sum(phases.values()), "processor": sum(processor.values())}
        runs.append(phases | processor | totals)
    return runs


class _Clock:
    """Adds up the time between stage names; parsing and all passes are one phase."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.phases = dict.fromkeys(PHASES[1:], 0.0)
        self.phase, self.since = "passes", now()

    def enter(self, stage: str) -> None:
        """A stage starts."""
        now = self.now()
        self.phases[self.phase] += (now - self.since) * 1e3
        self.phase, self.since = stage if stage in PHASES else "passes", now


def table(file: Path, repeat: int, result: dict[str, dict[str, float]]) -> str:
    """The medians for people."""
    lines = [f"{file.name}: medians of {repeat}, milliseconds", f"{'phase':<12}{'cold':>8}{'warm':>8}"]
    lines += [f"{phase:<12}{result['cold'][phase]:>8.0f}{result['warm'][phase]:>8.0f}" for phase in (*PHASES, "total")]
    return "\n".join([*lines, f"{'command':<12}{result['command']['total']:>8.0f}"])


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {phase: round(statistics.median(run[phase] for run in runs), 1) for phase in runs[0]}


def child(file: Path, count: int) -> list[dict[str, float]]:
    """The times of `count` compilations of a fresh process; the first one is cold."""
    command = [sys.executable, str(Path(__file__).resolve()), str(file), f"--child={count}"]
    runs: list[dict[str, float]] = json.loads(_run(command))
    return runs


def _command(file: Path) -> float:
    with tempfile.TemporaryDirectory(prefix="rocfuse-") as folder:
        command = [sys.executable, "-m", "rocfuse.opt", str(file), "--emit=hsaco", "-o", str(Path(folder, "k.hsaco"))]
        started = time.perf_counter()
        _run(command)
        return (time.perf_counter() - started) * 1e3


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def _progress(text: str) -> None:
    print(f"measuring {text} …", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
