"""The kernels of real gated layers, ours and the peers', from the ISA and from the simulator; nothing runs on a GPU.

    python bench/kernels.py [--objective=latency] [--layout=kn] [--m=1024] [--layer=Llama] [--workgroups=2]
                            [--no-peers] [--plan=TEXT] [--write=FILE]

Peers are measured when `make bench-peers` has installed them. `--write` makes docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import isa_stats
from bench.isa_stats import show
from bench.kernel_bars import Bar, Best, Fused, bars, best_of
from bench.kernel_rows import (
    DEFAULT_OBJECTIVE,
    ROOT,
    TRITON,
    Layer,
    Row,
    Work,
    iree,
    ours,
    triton,
    triton_ranked,
    triton_sweep,
)
from bench.peers import iree_gemm

LAYERS = (
    Layer("SD 2.1", 1280, 320, "geglu", True),
    Layer("SD 2.1, SDXL", 2560, 640, "geglu", True),
    Layer("SD 2.1, SDXL", 5120, 1280, "geglu", True),
    Layer("Llama-2-7B", 11008, 4096, "swiglu", False),
    Layer("Llama-3-8B", 14336, 4096, "swiglu", False),
)
LAYOUTS = ("kn", "nk")
ROWS = (1024, 4096)
# the objectives that plans are measured for, in the order of the document
OBJECTIVES = {
    DEFAULT_OBJECTIVE: """## Which bars hold

The planner chooses; no option is set. For these sizes that is what takes the least of a GPU that is always full
([why](tuning.md#the-objective)). The bars are about that: how much of the compute units' time a kernel multiplies, and
how few bytes it moves for it.
""",
    "latency": """## Which bars hold with objective=latency

With `objective=latency` the planner chooses what finishes first alone on the GPU. Where a grid of the largest tiles
leaves compute units idle, it takes smaller tiles: predicted to finish sooner, further from these bars.
""",
}
RULES = """How each row was picked:

- rocfuse: what the planner chooses without any option; "rocfuse, latency": with `objective=latency`. "One GEMM" is
  rocfuse's product of the same total width with the same plan and tile-n doubled.
- Triton {triton}: a hand-written kernel (`bench/peers/triton_gemm.py`), compiled for a sweep of tile, warps, matrix
  instruction and kpack. {configurations} configurations need no scratch memory and at most 64 KiB of LDS. Of those that
  need none with the layer's combine either: the one with most flop per global byte, then the highest u1, then the
  highest llvm-mca figure. Where K is less than 4096, the best configuration of each tile m x n is simulated, and the
  one with the highest figure over the whole kernel is shown.
- IREE {iree}: two matmuls and their combine with horizontal fusion (`bench/peers/iree_gemm.py`); the one kernel and
  tiling that it chooses for the shape.
- "Against every peer" compares with the highest figure of any configuration, not with the row that is shown.
"""
COLUMNS = """What the columns say:

- us alone, us taken: predictions of the cost model ([cost-model.md](cost-model.md)), not measurements: the time of a
  kernel that has the GPU to itself, with its launch; and what it takes of a GPU that other work keeps full. The planner
  makes the first least for latency, the second otherwise, both within 5 %.
- loop: instructions of the K loop, in brackets the matrix instructions; read/write: LDS instructions of the loop.
- flop/B: floating-point operations for each global byte that the loop loads.
- u1: matrix cycles / (matrix cycles + issue cycles of all other instructions) of the loop, one wave, no overlap.
- mca: matrix cycles / llvm-mca's cycles of the loop, one wave.
- whole: as u1, of all instructions that the simulator executed, prologue and combine included; instructions: a wave.
- conflicts: LDS bank-conflict cycles for each trip of the loop, all waves that were simulated.
- bytes read, written: by all lanes / (each operand once for each workgroup's tile); a bias that several lanes read
  at one address counts for each of them.
- spills: spilled registers, scratch bytes and accumulator moves in the loop; reports: of the simulator's checker.
- error: largest |y - reference| / (4 ulp (max |reference| + |reference|)).

n/a is a figure that could not be measured.
"""


@dataclass
class Suite:
    """All that was measured."""

    pairs: list[Fused] = field(default_factory=list)
    peers: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    best: dict[str, Best | None] = field(default_factory=dict)
    configurations: int = 0


def measure(
    works: Sequence[Work], workgroups: int, with_peers: bool, objectives: Sequence[str], pinned: Mapping[str, str]
) -> Suite:
    """Compile and simulate everything; `pinned` are more options of rocfuse-plan-kernels."""
    suite = Suite()
    sweep = []
    if with_peers and TRITON.exists():
        _progress("Triton's configurations")
        sweep = triton_sweep()
        suite.configurations = len(sweep)
    elif with_peers:
        suite.problems.append("Triton is not installed: make bench-peers")
    has_iree = with_peers and iree_gemm.version() is not None
    if with_peers and not has_iree:
        suite.problems.append("IREE is not installed: make bench-peers")
    for at, work in enumerate(works):
        _progress(f"{at + 1}/{len(works)}: {work.layer.name} {work.m}x{work.layer.n}x{work.layer.k} {work.layout}")
        for objective in objectives:
            suite.pairs.append(Fused(*ours(work, workgroups, {"objective": objective, **pinned})))
        try:
            if sweep:
                suite.peers.append(triton(work, triton_ranked(sweep, work.layout), workgroups))
            if has_iree:
                suite.peers.append(iree(work, workgroups))
        except RuntimeError as error:
            suite.problems.append(f"{work.layer.name} {work.layout}: {error}")
    for layout in LAYOUTS:
        figures = [row.loop for row in suite.peers if row.work.layout == layout]
        figures += [loop for facts, loop in sweep if facts["layout"] == layout]
        complete = bool(sweep) and has_iree
        both = {"u1": [one.u1 for one in figures], "mca": [one.mca for one in figures]}
        suite.best[layout] = best_of(both) if complete else None
    return suite


def kernel_line(row: Row) -> list[str]:
    """The cells of one kernel."""
    loop = row.loop
    return [
        f"{row.work.layer.n} x {row.work.layer.k}",
        f"{row.producer}, {row.objective}" if row.objective not in ("", DEFAULT_OBJECTIVE) else row.producer,
        row.tile_text,
        row.note,
        *(show(one, 1) if row.objective else "" for one in (row.alone_us, row.taken_us)),
        str(row.registers),
        str(row.lds_bytes),
        f"{loop.instructions} ({loop.count('matrix')})",
        f"{loop.count('ds_read')}/{loop.count('ds_write')}",
        show(loop.flop_per_global_byte, 1),
        show(loop.u1),
        show(loop.mca),
        show(row.whole),
        show(row.instructions, 0),
        show(row.loop_conflicts, 1),
        show(row.read_ratio),
        show(row.write_ratio),
        str(row.spills),
        show(row.faults, 0),
        show(row.error, 2),
    ]


HEADER = [
    "N x K", "kernel", "tile", "plan", "us alone", "us taken", "registers", "LDS", "loop", "read/write", "flop/B", "u1",
    "mca", "whole", "instructions", "conflicts", "bytes read", "written", "spills", "reports", "error",
]  # fmt: skip


def markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table."""
    rows = [header, ["---"] * len(header), *lines]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def kernel_tables(suite: Suite) -> str:
    """One table for each layout and M."""
    text = ""
    for layout in LAYOUTS:
        for m in ROWS:
            lines = []
            here = [pair.row for pair in suite.pairs if (pair.row.work.layout, pair.row.work.m) == (layout, m)]
            for work in dict.fromkeys(row.work for row in here):
                lines += [kernel_line(row) for row in [*here, *suite.peers] if row.work == work]
            if lines:
                text += f"\n### {layout}, M = {m}\n\n" + markdown(HEADER, lines)
    return text


def single_table(suite: Suite) -> str:
    """What fusing costs: the loop of the fused kernel beside that of one GEMM."""
    lines = []
    for pair in sorted(suite.pairs, key=lambda one: list(OBJECTIVES).index(one.row.objective)):
        row, one, work = pair.row, pair.single, pair.row.work
        counts = [f"{each.loop.instructions}" for each in (row, one)]
        shape = f"{work.m} x {work.layer.n} x {work.layer.k}"
        figures = [show(one.loop.u1), show(one.loop.mca)]
        lines.append(
            [row.objective, work.layout, shape, row.tile_text, one.tile_text, *counts, f"{pair.ratio:.3f}", *figures]
        )
    header = [
        "objective",
        "B",
        "M x N x K",
        "fused",
        "one GEMM",
        "loop, fused",
        "loop, one",
        "ratio",
        "u1, one",
        "mca, one",
    ]
    return markdown(header, lines)


def bar_table(suite: Suite, objective: str) -> tuple[str, list[Bar]]:
    """Which bars hold for the plans of an objective."""
    found: list[Bar] = []
    for layout in LAYOUTS:
        pairs = [one for one in suite.pairs if (one.row.work.layout, one.row.objective) == (layout, objective)]
        peers = [row for row in suite.peers if row.work.layout == layout]
        found += bars(layout, pairs, peers, suite.best[layout]) if pairs else []
    lines = [[b.layout, b.name, b.limit, b.text, f"{b.passed} of {b.total}", b.worst] for b in found]
    return markdown(["B", "figure", "bar", "", "kernels", "furthest"], lines), found


def versions(suite: Suite) -> str:
    """What was measured with what."""
    names = ["numpy", "xtc-mlir-python-bindings", "llvmlite", "rocm-llvm-python"]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    tool = isa_stats.mca_tool()
    mca = "n/a"
    if tool:
        output = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout
        mca = next((line.split("version")[-1].strip() for line in output.splitlines() if "version" in line), tool)
    lines = [f"rocfuse {metadata.version('rocfuse')} ({commit.stdout.strip() or 'no commit'})"]
    lines += [f"{name} {metadata.version(name)}" for name in names]
    lines += [f"llvm-mca {mca}", f"Triton {_triton_version() or 'n/a'}", f"IREE {iree_gemm.version() or 'n/a'}"]
    return "".join(f"- {line}\n" for line in lines)


def _triton_version() -> str | None:
    if not TRITON.exists():
        return None
    code = "from importlib.metadata import version; print(version('triton'))"
    return subprocess.run([str(TRITON), "-c", code], capture_output=True, text=True).stdout.strip() or None


def bar_tables(suite: Suite) -> str:
    """The bars of each objective that was measured, under its title."""
    measured = {pair.row.objective for pair in suite.pairs}
    return "\n".join(f"{text}\n{bar_table(suite, name)[0]}" for name, text in OBJECTIVES.items() if name in measured)


def document(suite: Suite, workgroups: int) -> str:
    """docs/benchmarks.md."""
    rules = RULES.format(
        triton=_triton_version() or "n/a", iree=iree_gemm.version() or "n/a", configurations=suite.configurations
    )
    problems = "".join(f"- {text}\n" for text in suite.problems)
    return (
        "# Benchmarks\n\n"
        "Generated by `python bench/kernels.py --write docs/benchmarks.md`. Nothing ran on a GPU: the figures are\n"
        f"counts in the ISA, and counts of the simulator over the first {workgroups} workgroups of each kernel.\n"
        "Compile times are in [compile_time.md](compile_time.md).\n\n"
        f"f16, gfx942, {datetime.date.today().isoformat()}.\n\n{versions(suite)}\n"
        f"{bar_tables(suite)}\n"
        f"## What fusing costs\n\n{single_table(suite)}\n"
        f"## The kernels\n\n{RULES_AND_COLUMNS.format(rules=rules)}{kernel_tables(suite)}"
        + (f"\n## What could not be measured\n\n{problems}" if problems else "")
    )


RULES_AND_COLUMNS = "{rules}\n" + COLUMNS


def as_json(suite: Suite) -> str:
    """All rows and bars."""
    rows: list[dict[str, Any]] = []
    for pair in suite.pairs:
        rows += [asdict(pair.row), asdict(pair.single)]
    rows += [asdict(row) for row in suite.peers]
    held = [
        {"objective": name, **asdict(bar), "text": bar.text} for name in OBJECTIVES for bar in bar_table(suite, name)[1]
    ]
    return json.dumps({"rows": rows, "bars": held, "problems": suite.problems}, indent=1)


def _progress(text: str) -> None:
    print(f"measuring {text} …", file=sys.stderr, flush=True)


def main() -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--objective", choices=tuple(OBJECTIVES), action="append", help="only what the planner chooses for this"
    )
    parser.add_argument("--layout", choices=LAYOUTS, action="append", help="only this layout")
    parser.add_argument("--m", type=int, choices=ROWS, action="append", help="only this M")
    parser.add_argument("--layer", default="", help="only layers with this in their name")
    parser.add_argument("--workgroups", type=int, default=2, help="how many workgroups are simulated")
    parser.add_argument("--no-peers", action="store_true", help="measure only rocfuse")
    parser.add_argument("--plan", default="", help="pin parts of our plan: 'tile-m=256 tile-n=128'; not with --write")
    parser.add_argument("--json", action="store_true", help="print rows and bars as JSON")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the document")
    arguments = parser.parse_args()
    if arguments.workgroups < 1:
        parser.error("--workgroups takes a number from 1 on")
    works = [
        Work(layer, layout, m)
        for layout in arguments.layout or LAYOUTS
        for m in arguments.m or ROWS
        for layer in LAYERS
        if arguments.layer in layer.name
    ]
    if not works:
        parser.error(f"no layer has '{arguments.layer}' in its name")
    if arguments.write and (arguments.plan or arguments.objective):
        parser.error("--write documents what the planner chooses, without --plan and --objective")
    if any("=" not in word for word in arguments.plan.split()):
        parser.error("--plan takes name=value, separated by spaces")
    if "objective=" in arguments.plan:
        parser.error("--plan pins a plan; what it is chosen for is --objective")
    pinned = dict(word.split("=", 1) for word in arguments.plan.split())
    objectives = arguments.objective or list(OBJECTIVES)
    suite = measure(works, arguments.workgroups, not arguments.no_peers, objectives, pinned)
    if arguments.json:
        print(as_json(suite))
    else:
        print(f"{bar_tables(suite)}\n{single_table(suite)}{kernel_tables(suite)}", end="")
    if arguments.write:
        arguments.write.write_text(document(suite, arguments.workgroups))
    for text in suite.problems:
        print(f"warning: {text}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
