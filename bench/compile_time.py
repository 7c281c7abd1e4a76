"""Compile time beside Triton's and IREE's for one gated layer, and how ours grows; nothing needs a GPU.

    python bench/compile_time.py [--repeat=5] [--json] [--write=docs/compile_time.md]

Peers are measured when `make bench-peers` has installed them. The producers take turns, so that a busy machine is busy
for all of them; processor seconds are given beside wall seconds for the same reason.
"""

from __future__ import annotations

import argparse
import compileall
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import compile_phases
from bench.kernel_rows import ROOT, TRITON, Layer, Work, program
from bench.kernels import markdown
from bench.peers import iree_gemm
from rocfuse import gen
from rocfuse.compiler import compile
from rocfuse.diagnostics import CompileError

WORK = Work(Layer("Llama-3-8B", 14336, 4096, "swiglu", False), "nk", 4096)
TRITON_CONFIG = "nk_256x128x64_w8_m32_kpack2"  # the tile, waves and matrix instruction of our plan
IREE_PYTHON = ROOT / "build" / "peers" / "iree" / "bin" / "python"
COLD = {"IREE": 0.8, "Triton": 0.5}  # most of the peer's time
WARM = 0.5  # of the faster peer's
WARM_RUNS = 3  # compilations of a process behind its first one
REST_SECONDS = 0.15
GEMMS, KERNELS = (1, 2, 3, 4), (1, 2, 4, 8)
GROWTH = 1.05  # most of what linear growth would give: few runs are not exact


@dataclass(frozen=True)
class Seconds:
    """One compilation: elapsed, and of the processor."""

    wall: float
    processor: float


@dataclass
class Times:
    """One producer's runs."""

    cold: list[Seconds] = field(default_factory=list)
    warm: list[Seconds] = field(default_factory=list)


@dataclass(frozen=True)
class Bar:
    """One line of the table."""

    figure: str
    limit: str
    have: str
    text: str  # holds, fails or n/a


@dataclass
class Result:
    """All that was measured."""

    times: dict[str, Times]
    phases: dict[str, Seconds]  # medians of our warm phases
    gemms: dict[int, float | str]  # least warm seconds, or why not
    kernels: dict[int, float | str]


def cold(command: Sequence[str]) -> Seconds:
    """Run a command from start to exit."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed")
    return Seconds(time.perf_counter() - started, usage.ru_utime + usage.ru_stime)


def warm(command: Sequence[str]) -> list[Seconds]:
    """Run a command that prints the times of its compilations; all but the first one."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}")
    return [Seconds(*one) for one in json.loads(done.stdout)[1:]]


def measure(repeat: int, folder: Path) -> Result:
    """Every producer in turn, `repeat` rounds."""
    compileall.compile_dir(ROOT / "rocfuse", quiet=1)  # as an installed package is; the peers are
    ours, iree = folder / "ours.mlir", folder / "iree.mlir"
    ours.write_text(program(WORK, 2))
    iree.write_text(iree_gemm.program(iree_gemm.Product("nk", WORK.m, WORK.layer.n, WORK.layer.k, False, False)))
    commands = {
        "rocfuse": [sys.executable, "-m", "rocfuse.opt", str(ours), "--emit=hsaco", "-o", str(folder / "k.hsaco")]
    }
    clocks = {}
    if TRITON.exists():
        gemm = [str(TRITON), str(ROOT / "bench/peers/triton_gemm.py"), str(folder), f"--name={TRITON_CONFIG}"]
        commands["Triton"], clocks["Triton"] = gemm, [*gemm, f"--clock={1 + WARM_RUNS}"]
    if iree_gemm.version():
        commands["IREE"] = [str(iree_gemm.COMPILER), str(iree), *iree_gemm.FLAGS, "-o", str(folder / "out.vmfb")]
        clock = str(ROOT / "bench/peers/iree_clock.py")
        clocks["IREE"] = [str(IREE_PYTHON), clock, str(iree), str(1 + WARM_RUNS), *iree_gemm.FLAGS]
    times = {name: Times() for name in commands}
    runs = []
    for turn in range(repeat):
        print(f"measuring round {turn + 1} of {repeat} …", file=sys.stderr, flush=True)
        for name, command in commands.items():
            times[name].cold.append(cold(command))
        for name, command in clocks.items():
            times[name].warm += warm(command)
        runs += compile_phases.child(ours, 1 + WARM_RUNS)[1:]
    times["rocfuse"].warm = [Seconds(run["total"] / 1e3, run["processor"] / 1e3) for run in runs]
    phases = {
        phase: Seconds(*(statistics.median(run[name] for run in runs) / 1e3 for name in (phase, f"processor {phase}")))
        for phase in compile_phases.PHASES[1:]
    }
    print("measuring growth …", file=sys.stderr, flush=True)
    return Result(times, phases, growth(GEMMS, products, repeat), growth(KERNELS, kernels, repeat))


def products(count: int) -> str:
    """A kernel of `count` products."""
    layer = WORK.layer
    options = gen.GenOptions(pattern="separate", gemms=count, combine="bilinear", m=WORK.m, n=layer.n, k=layer.k)
    return str(gen.build(options))


def kernels(count: int) -> str:
    """A module of `count` functions with a pattern each."""
    lines = program(WORK, 2).strip().splitlines()
    functions = "\n".join(line for line in lines if not line.startswith("#"))
    head, _, body = functions.partition("func.func @")
    name, _, rest = body.partition("(")
    aliases = "\n".join(line for line in lines if line.startswith("#"))
    if head.strip().startswith("module"):
        rest = rest.rstrip().removesuffix("}")
    return aliases + "\n" + "\n".join(f"func.func @{name}_{index}({rest}" for index in range(count))


def growth(counts: Sequence[int], text: Callable[[int], str], repeat: int) -> dict[int, float | str]:
    """Warm seconds for each count: the least, as growth is of the work and not of what else the machine does.

    A round compiles a smaller size `largest // size` times and counts the mean; the sizes take turns.
    """
    sources = {count: text(count) for count in counts}
    found: dict[int, list[float]] = {count: [] for count in counts}
    refused: dict[int, float | str] = {}
    for turn in range(repeat + 1):
        for count, source in sources.items():
            if count in refused:
                continue
            often = max(counts) // count if turn else 1
            started = time.process_time()
            try:
                for _ in range(often):
                    compile(source)
            except CompileError as error:
                refused[count] = str(error).splitlines()[0].partition("error: ")[2]
                continue
            if turn:
                found[count].append((time.process_time() - started) / often)
    return {count: refused.get(count) or min(found[count]) for count in counts}


def median(runs: Sequence[Seconds]) -> Seconds | None:
    """Medians of both clocks."""
    if not runs:
        return None
    return Seconds(statistics.median(one.wall for one in runs), statistics.median(one.processor for one in runs))


def bars(result: Result) -> list[Bar]:
    """Which bars hold, by wall seconds; growth by processor seconds."""
    ours = {kind: median(getattr(result.times["rocfuse"], kind)) for kind in ("cold", "warm")}
    found = []
    for peer, most in COLD.items():
        theirs = median(result.times[peer].cold) if peer in result.times else None
        found.append(_ratio(f"cold process / {peer}'s", most, ours["cold"], theirs))
    peers = [one for peer in COLD if peer in result.times and (one := median(result.times[peer].warm))]
    faster = min(peers, key=lambda one: one.wall) if len(peers) == len(COLD) else None
    found.append(_ratio("warm in process / the faster peer's", WARM, ours["warm"], faster))
    others = [one for phase, one in result.phases.items() if phase not in ("llvm", "link")]
    rest, busy = sum(one.wall for one in others), sum(one.processor for one in others)
    have = f"{rest:.3f} s (processor {busy:.3f} s)"
    held = "holds" if rest <= REST_SECONDS else "fails"
    found.append(Bar("warm, all but LLVM and the linker", f"<= {REST_SECONDS} s", have, held))
    return [*found, _growth("GEMMs in a kernel", result.gemms), _growth("kernels in a module", result.kernels)]


def _ratio(figure: str, most: float, ours: Seconds | None, theirs: Seconds | None) -> Bar:
    if ours is None or theirs is None:
        return Bar(figure, f"<= {most}", "n/a", "n/a")
    wall, processor = ours.wall / theirs.wall, ours.processor / theirs.processor
    have = f"{wall:.2f} (processor {processor:.2f})"
    return Bar(figure, f"<= {most}", have, "holds" if wall <= most else "fails")


def _growth(figure: str, seconds: dict[int, float | str]) -> Bar:
    """Time a piece, the worst over that of the first: 1 is linear growth."""
    measured = {count: value for count, value in seconds.items() if isinstance(value, float)}
    if len(measured) < len(seconds):
        return Bar(f"growth with the {figure}", "linear", "n/a", "n/a")
    first = measured[min(measured)] / min(measured)
    worst = max(value / count / first for count, value in measured.items())
    return Bar(f"growth with the {figure}", "linear", f"{worst:.2f} x", "holds" if worst <= GROWTH else "fails")


def document(result: Result, repeat: int) -> str:
    """docs/compile_time.md."""
    rows = []
    for name, times in result.times.items():
        for kind in ("cold", "warm"):
            one = median(getattr(times, kind))
            rows.append([name, kind, *(["n/a"] * 2 if one is None else [f"{one.wall:.2f}", f"{one.processor:.2f}"])])
    layer = WORK.layer
    phases = [[phase, f"{one.wall:.3f}", f"{one.processor:.3f}"] for phase, one in result.phases.items()]
    grown = [
        [what, str(count), f"{value:.3f}" if isinstance(value, float) else f"n/a: {value}"]
        for what, seconds in (("GEMMs in a kernel", result.gemms), ("kernels in a module", result.kernels))
        for count, value in seconds.items()
    ]
    lines = [[bar.figure, bar.limit, bar.have, bar.text] for bar in bars(result)]
    return (
        "# Compile time\n\n"
        "Generated by `python bench/compile_time.py --write docs/compile_time.md`: "
        f"{repeat} rounds, one run, {datetime.date.today().isoformat()}.\n"
        f"The layer is {layer.name}'s SwiGLU ({WORK.m} x {layer.n} x {layer.k}, f16, weights N x K).\n\n"
        f"## Which bars hold\n\n{markdown(['figure', 'bar', 'measured', ''], lines)}\n"
        "## Seconds\n\n"
        "Cold is a process from start to exit: `python -m rocfuse.opt --emit=hsaco`, `iree-compile`, and a Python\n"
        f"that compiles Triton's kernel ({TRITON_CONFIG}) once, with an empty cache. Warm are the\n"
        f"{WARM_RUNS} compilations of a process behind its first one, IREE's through its compiler API; none is kept,\n"
        "but ours keeps the LDS layouts and schedule counts that its search derived, about 0.01 s. Ours includes the\n"
        "linker. All Python packages have their bytecode, as pip installs them. Figures are medians. Processor\n"
        "seconds of warm runs and of growth leave out processes that a compilation starts: ours and IREE's linker,\n"
        "0.01 s.\n\n"
        f"{markdown(['producer', 'process', 'wall', 'processor'], rows)}\n"
        f"## Our warm phases\n\n{markdown(['phase', 'wall', 'processor'], phases)}\n"
        "## Growth\n\nProcessor seconds of a warm compilation of ours, the least of all rounds; a round takes the\n"
        "mean of as many as make up the largest count. The planner chooses freely.\n\n"
        f"{markdown(['of', 'count', 'seconds'], grown)}"
    )


def main() -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="rounds")
    parser.add_argument("--json", action="store_true", help="print all runs and bars as JSON")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the document")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat takes a number from 1 on")
    with tempfile.TemporaryDirectory(prefix="rocfuse-") as folder:
        result = measure(arguments.repeat, Path(folder))
    text = document(result, arguments.repeat)
    if arguments.json:
        print(json.dumps(asdict(result) | {"bars": [asdict(bar) for bar in bars(result)]}, indent=1))
    else:
        print(text, end="")
    if arguments.write:
        arguments.write.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
