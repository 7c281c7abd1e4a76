"""How fast the simulator is, with its checker on: python bench/simulator.py [PROGRAM.mlir …] [--processes N]

Each program is compiled, given random data, and executed for its whole grid. Prints one line a program.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np

import rocfuse
from rocfuse.sim.launch import DTYPES

INPUTS = Path(__file__).parent.parent / "test" / "inputs"
PROGRAMS = ["swiglu_cat_small", "geglu_sd21_l0", "seed_sdxl"]


def gflop(kernel):
    """Floating-point operations of the products of one kernel, in 10^9."""
    batch = max(kernel.get("batch") or 1, 1)
    return sum(2 * batch * kernel["m"] * kernel["n"] * k for k in kernel["k"]) / 1e9


def arrays_for(contract):
    arguments = {a["name"]: a for kernel in contract["kernels"] for a in kernel["args"]}
    rng = np.random.default_rng(0)
    for name in contract["inputs"]:
        entry = arguments.get(name, {"shape": [1], "dtype": "f32"})
        yield (0.05 * rng.standard_normal(entry["shape"], np.float32)).astype(DTYPES[entry["dtype"]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", nargs="*", type=Path, default=[INPUTS / f"{name}.mlir" for name in PROGRAMS])
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    print("program                GFLOP  waves  seconds  s/GFLOP  wave instructions/s  faults  memory")
    for path in arguments.programs:
        code = rocfuse.compile(path.read_text())
        data = list(arrays_for(code.contract))
        started = time.perf_counter()
        result = code.simulate(*data, processes=arguments.processes)
        seconds = time.perf_counter() - started
        work = sum(gflop(kernel) for kernel in code.contract["kernels"])
        kernels = result.stats["kernels"].values()
        instructions = sum(sum(stats["instructions"].values()) for stats in kernels)
        waves = sum(stats["waves"] for stats in kernels)
        usage = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(
            f"{path.stem:20} {work:7.2f} {waves:6} {seconds:8.2f} {seconds / work:8.2f} {instructions / seconds:20.3g} "
            f"{len(result.faults):7} {sum(usage) / 2**20:6.2f} GB"
        )


if __name__ == "__main__":
    main()
