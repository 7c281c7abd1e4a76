"""`make demo`: compile examples/01-geglu.mlir to one kernel, show what came out, and run it in the simulator."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
SOURCE = ROOT / "examples" / "01-geglu.mlir"
OUTPUT = ROOT / "build" / "demo" / "geglu.hsaco"
TARGET = "gfx942"
WIDTH = 120


def heading(text: str) -> None:
    """A line that says what is going on."""
    print(f"\n== {text}", flush=True)


def show_fused_ir(text: str) -> None:
    """Print the program as it is when its products and their combine have become one kernel's work."""
    from mlir import ir

    from rocfuse.dialect import create_context
    from rocfuse.passes import PassContext
    from rocfuse.pipeline import DEFAULT_PASSES, parse_pipeline, run_pipeline

    module = ir.Module.parse(text, context=create_context())
    last = DEFAULT_PASSES.index("rocfuse-form-multi-gemm") + 1
    run_pipeline(module, parse_pipeline(",".join(DEFAULT_PASSES[:last])), PassContext())
    for line in str(module).splitlines():
        print(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…")


def show_account(contract: dict) -> None:
    """Print what the contract says of the kernel."""
    from rocfuse.diagnostics import count

    for kernel in contract["kernels"]:
        tile = kernel["tile"]
        rows = {
            "kernel": f"{kernel['name']}: {kernel['gemms']} GEMMs of m {kernel['m']}, n {kernel['n']}, k {kernel['k']}",
            "tile": f"{tile['m']} x {tile['n']} x {tile['k']} of each GEMM, {count(kernel['stages'], 'LDS stage')}",
            "grid, block": f"{kernel['grid']} workgroups of {kernel['block']} threads",
            "LDS": f"{kernel['lds_bytes']} B, {kernel['lds_allocated_bytes']} B as allocated",
            "registers": f"{kernel['vgprs']} VGPRs + {kernel['agprs']} AGPRs, {kernel['sgprs']} SGPRs",
            "spills": f"{kernel['spills']}, scratch {kernel['scratch_bytes']} B",
            "occupancy": f"{count(kernel['waves_per_simd'], 'wave')} a SIMD",
            "arguments": ", ".join(f"{one['name']} {one['dtype']}{one['shape']}" for one in kernel["args"]),
        }
        for name, value in rows.items():
            print(f"{name:12} {value}")


def main() -> int:
    """Run the demo; 0 when the simulated kernel agrees with the CPU."""
    import numpy as np

    import rocfuse
    from rocfuse.files import write_all_atomically

    text = SOURCE.read_text()
    heading(f"{SOURCE.relative_to(ROOT)} after rocfuse-form-multi-gemm: both GEMMs and their combine, fused")
    show_fused_ir(text)

    heading(f"compiling for {TARGET}")
    started = time.perf_counter()
    code = rocfuse.compile(text, TARGET)
    print(f"{len(code.contract['kernels'])} kernel in {time.perf_counter() - started:.2f} s")
    show_account(code.contract)

    heading("files")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    contract = json.dumps(code.contract, indent=2).encode() + b"\n"
    files = {OUTPUT: code.hsaco, OUTPUT.with_suffix(".json"): contract, OUTPUT.with_suffix(".s"): code.isa.encode()}
    write_all_atomically(files)
    for path, data in files.items():
        print(f"{path.relative_to(ROOT)}  {len(data)} B")

    heading("running the kernel in the simulator, and the program on the CPU")
    from rocfuse.sim.compare import compare
    from rocfuse.sim.reference import evaluate

    random = np.random.default_rng(0)
    shapes = ((256, 128), (128, 512), (512,))
    arrays = [random.standard_normal(shape).astype(np.float16) for shape in shapes]
    started = time.perf_counter()
    result = code.simulate(*arrays)
    print(f"simulated in {time.perf_counter() - started:.1f} s", flush=True)
    reference = evaluate(text, arrays)
    comparison = compare(result.outputs[0], reference.rounded[0], reference.exact[0])
    print(f"against the unfused program on the CPU: {comparison.message}")
    print("the fused kernel is right" if comparison.ok else "the fused kernel is WRONG")
    for fault in result.faults:
        print(f"reported by the simulator: {fault}")
    return 0 if comparison.ok and not result.faults else 1


if __name__ == "__main__":
    sys.exit(main())
