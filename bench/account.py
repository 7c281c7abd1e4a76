"""Hold the account against the ELF and the simulator: python bench/account.py [--sweep=layer] [--count=320] [--json]

Plans that the planner accepts for the layers of bench/plans.py, drawn at random (bench/account_cases.py), are compiled;
small random programs with random plans are compiled and executed. One line a configuration, then the bars, each on all
configurations unless it says otherwise:

- lds: lds_bytes of the plan is the ELF's .group_segment_fixed_size; the simulator's checker (every access in a planned
  buffer that is alive, the highest byte touched) has nothing to report of those that are executed;
- registers: the ELF is within the budget that the plan emitted, with no spill, no scratch and no copy between the
  register files in a loop;
- the need estimate against the registers of the ELF (.vgpr_count, all kinds) at the emitted budget, of those that are
  not small and on the half that no factor was fitted to: how many are too low, and how much too high the median is.

With --sweep=random not only the small programs are random, with K = 777 as likely as 4096. The need of such kernels,
which no planner would choose, is predicted less well: about a quarter too high at the median.

Exits 1 when a bar fails.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.account_cases import Kind, Measured, draw, measure

MOST_TOO_LOW = 0.02
MOST_TOO_HIGH = 0.15


@dataclass(frozen=True)
class Bar:
    """One requirement: what was found, and whether it holds."""

    name: str
    holds: bool
    found: str


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sweep", choices=("layer", "random"), default="layer", help="of what (default %(default)s)")
    parser.add_argument("--count", type=int, default=320, help="configurations to compile (default %(default)s)")
    parser.add_argument(
        "--execute", type=int, default=48, help="small ones to execute beside them (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="another sweep (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print a JSON object a configuration, and one of the bars")
    arguments = parser.parse_args()
    if arguments.execute < 0 or arguments.count < 0 or arguments.jobs < 1:
        parser.error("need --count and --execute from 0 on, and --jobs from 1 on")
    cases = [("small", number) for number in range(arguments.execute)]
    cases += [(arguments.sweep, number) for number in range(arguments.count)]
    rows: list[Measured] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.jobs, context) as pool:
        for row in pool.map(functools.partial(one, seed=arguments.seed), cases, chunksize=4):
            rows.append(row)
            print(json.dumps(asdict(row)) if arguments.json else line(row), flush=True)
    results = bars(rows)
    print(json.dumps([asdict(bar) for bar in results]) if arguments.json else "\n".join(map(text, results)))
    return 0 if all(bar.holds for bar in results) else 1


def one(case: tuple[Kind, int], seed: int) -> Measured:
    """Draw and measure a case; small ones are executed."""
    kind, number = case
    return measure(draw(number, seed, kind), execute=kind == "small")


def judges(row: Measured) -> bool:
    """Whether a case judges the need: half of those that are not small are for calibration, dealt by number."""
    return row.kind != "small" and row.number % 2 == 1


def bars(rows: Sequence[Measured]) -> list[Bar]:
    """What the sweep says of each requirement."""
    executed = [row for row in rows if row.faults is not None]
    clean = sum(not row.faults for row in executed)
    equal = sum(row.lds == row.planned_lds and not row.error for row in rows)
    within = sum(fits(row) for row in rows)
    ratios = [row.estimate / row.registers for row in rows if judges(row) and row.registers]
    low = sum(ratio < 1 for ratio in ratios)
    median = statistics.median(ratios) - 1 if ratios else 0.0
    return [
        Bar("lds_bytes equals the ELF", equal == len(rows), f"{equal} of {len(rows)}"),
        Bar("executed without a report", clean == len(executed), f"{clean} of {len(executed)}"),
        Bar("registers within the budget, no spill", within == len(rows), f"{within} of {len(rows)}"),
        Bar(
            f"need too low on at most {MOST_TOO_LOW:.0%}", low <= MOST_TOO_LOW * len(ratios), f"{low} of {len(ratios)}"
        ),
        Bar(f"need too high by at most {MOST_TOO_HIGH:.0%} at the median", median <= MOST_TOO_HIGH, f"{median:.1%}"),
    ]


def fits(row: Measured) -> bool:
    """Whether the ELF is within the emitted budget, with nothing spilled or moved in a loop."""
    return not row.error and row.registers <= row.budget and row.spills == row.moves == 0


def line(row: Measured) -> str:
    """A configuration for people."""
    pins = row.pins
    shape = f"{row.tile}, {pins['waves_m']}x{pins['waves_n']} waves, {pins['matrix_op']}, {pins['stages']} stages"
    registers = f"registers {row.registers} (need {row.estimate}, budget {row.budget})"
    ran = "" if row.faults is None else ", executed" if not row.faults else f", FAULTS: {row.faults[0]}"
    wrong = "" if fits(row) else f", SPILLS {row.spills}, moves {row.moves} {row.error}"
    form = f"{pins['schedule']}, {pins['loop_form']}"
    return f"{row.kind} {row.number:3} {shape}, {form}: lds {row.lds} B ({row.planned_lds}), {registers}{ran}{wrong}"


def text(bar: Bar) -> str:
    """A bar for people."""
    return f"{'holds' if bar.holds else 'FAILS'}  {bar.name}: {bar.found}"


if __name__ == "__main__":
    sys.exit(main())
