"""One row a kernel for bench/kernels.py: figures of the ISA and, for a few workgroups, the simulator's counters."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench import isa_stats
from bench.decisions import decide
from bench.isa_stats import NOT_MEASURED, Figure, LoopStats
from bench.peers import iree_gemm
from rocfuse import gen
from rocfuse.codegen.contract import build_contract
from rocfuse.codegen.elf import read_kernels
from rocfuse.codegen.link import link
from rocfuse.compiler import generate
from rocfuse.sim import SimulationResult, simulate
from rocfuse.targets import GFX942
from rocfuse.transforms.plan_kernels import PlanKernels

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "peers" / "out"
TRITON = ROOT / "build" / "peers" / "triton" / "bin" / "python"
ULP = 2.0**-10  # of f16
LONG_K = 4096  # from here on the loop is nearly the whole kernel
BIASES = ("arg2", "gate_bias", "up_bias")  # arguments, in our kernels and the peers'
DEFAULT_OBJECTIVE = PlanKernels().objective
PINS = ("schedule", "stages", "group_m", "matrix_op")


@dataclass(frozen=True)
class Layer:
    """A gated layer: out[m, n] = act(x @ Wg [+ bg]) * (x @ Wu [+ bu])."""

    name: str
    n: int
    k: int
    combine: str
    bias: bool


@dataclass(frozen=True)
class Work:
    """One kernel's work."""

    layer: Layer
    layout: str
    m: int


@dataclass(frozen=True)
class Row:
    """What is known of one kernel. Ratios are measured / necessary for the workgroups that were simulated."""

    work: Work
    producer: str
    tile: tuple[int, int, int]  # of each product
    gemms: int
    loop: LoopStats
    registers: int
    lds_bytes: int
    spills: int  # spilled registers + scratch bytes + accumulator moves in the loop
    note: str = ""
    objective: str = ""  # the planner's option; a peer has none
    alone_us: Figure = NOT_MEASURED  # the cost model's prediction of one launch alone on the GPU, with the launch
    taken_us: Figure = NOT_MEASURED  # and of what the kernel takes of a full GPU
    whole: Figure = NOT_MEASURED  # matrix cycles / all issue cycles of the whole kernel
    matrix_ratio: Figure = NOT_MEASURED
    loop_conflicts: Figure = NOT_MEASURED  # bank-conflict cycles a trip
    all_conflicts: Figure = NOT_MEASURED
    read_ratio: Figure = NOT_MEASURED
    operand_ratio: Figure = NOT_MEASURED  # the same of A and B alone
    write_ratio: Figure = NOT_MEASURED
    instructions: Figure = NOT_MEASURED  # dynamic, a wave
    faults: Figure = NOT_MEASURED
    error: Figure = NOT_MEASURED  # largest |y - ref| / (4 ulp (max |ref| + |ref|)); right when at most 1

    @property
    def tile_text(self) -> str:
        """`256x(128+128)x64`."""
        m, n, k = self.tile
        return f"{m}x({'+'.join([str(n)] * self.gemms)})x{k}" if self.gemms > 1 else f"{m}x{n}x{k}"


def best_intensity(work: Work, gemms: int = 2) -> float:
    """flop per global byte of the 256x(128+128) tile, or of what the shape allows of it."""
    m, n = min(256, work.m), min(128, work.layer.n)
    return gemms * m * n / (m + gemms * n)


def static_row(work: Work, producer: str, hsaco: bytes, tile: Sequence[int], gemms: int, lds: int = 0) -> Row:
    """The figures of a code object with one kernel; `lds` is what the launch adds."""
    (kernel,) = read_kernels(hsaco)
    (loop,) = isa_stats.from_binary(hsaco, isa_stats.mca_tool())
    facts = kernel.metadata
    spills = facts.get(".vgpr_spill_count", 0) + facts.get(".sgpr_spill_count", 0)
    spills += facts.get(".private_segment_fixed_size", 0) + loop.count("accvgpr", "scratch")
    lds += facts[".group_segment_fixed_size"]
    m, n, k = tile
    return Row(work, producer, (m, n, k), gemms, loop, facts[".vgpr_count"], lds, spills)


# ours


def program(work: Work, gemms: int) -> str:
    """The layer as rocfuse.gen writes it; with one GEMM, a product of the same total width."""
    layer, bias = work.layer, "row" if work.layer.bias else "none"
    options = gen.GenOptions(m=work.m, n=layer.n, k=layer.k, combine=layer.combine, bias=bias, layout=work.layout)
    if gemms == 1:
        options = replace(options, pattern="separate", gemms=1, combine="bilinear", n=2 * layer.n)
    return str(gen.build(options))


def ours(work: Work, workgroups: int, options: Mapping[str, str]) -> tuple[Row, Row]:
    """The fused kernel with the planner's plan, and the single GEMM with the same plan and twice the tile-n.

    `options` are of rocfuse-plan-kernels.
    """
    text = program(work, 2)
    code = generate(text, options={"rocfuse-plan-kernels": options})
    plan = code.facts[0].plan
    hsaco = link(code.obj)
    row = static_row(work, "rocfuse", hsaco, plan["tile"], 2)
    cost, clock = decide(text, options).cost, GFX942.engine_clock_mhz
    row = replace(row, alone_us=cost.predicted("latency") / clock, taken_us=cost.predicted("throughput") / clock)
    row = replace(row, objective=options.get("objective", DEFAULT_OBJECTIVE))
    row = replace(row, note=f"{plan['schedule']}, {plan['stages']} stages, {math.prod(plan['waves'])} waves")
    contract = build_contract(code.facts, hsaco, GFX942)
    row = simulated(row, hsaco, contract, workgroups)
    m, n, k = plan["tile"]
    pins = {"tile-m": m, "tile-n": 2 * n, "tile-k": k, "waves-m": plan["waves"][0], "waves-n": plan["waves"][1]}
    pins |= {name.replace("_", "-"): plan[name] for name in PINS}
    pins["objective"] = row.objective
    of_single = {"rocfuse-plan-kernels": {name: str(value) for name, value in pins.items()}}
    single = link(generate(program(work, 1), options=of_single).obj)
    return row, replace(static_row(work, "rocfuse, one GEMM", single, (m, 2 * n, k), 1), objective=row.objective)


# peers


def peer_contract(
    kernel: str, work: Work, grid: Sequence[int], block: int, extra: Sequence[Mapping[str, Any]], lds: int, biases: bool
) -> dict[str, Any]:
    """A contract for a peer's kernel: A, gate, up, biases, out, and `extra` scalars."""
    layer = work.layer
    weight = [layer.k, layer.n] if work.layout == "kn" else [layer.n, layer.k]
    shapes = {"a": [work.m, layer.k], "gate": weight, "up": weight}
    if biases:
        shapes |= {"gate_bias": [layer.n], "up_bias": [layer.n]}
    arguments: list[dict[str, Any]] = [{"name": n, "kind": "in", "dtype": "f16", "shape": s} for n, s in shapes.items()]
    arguments.append({"name": "out", "kind": "out", "dtype": "f16", "shape": [work.m, layer.n]})
    arguments += [dict(one) for one in extra]
    entry = {"name": kernel, "grid": list(grid), "block": [block, 1, 1], "dynamic_lds_bytes": lds}
    entry["args"] = [{"index": at, **one} for at, one in enumerate(arguments)]
    return {"version": 1, "target": "gfx942", "kernels": [entry], "inputs": list(shapes), "outputs": ["out"]}


def iree(work: Work, workgroups: int) -> Row:
    """IREE's kernel; raises RuntimeError when it does not make one kernel."""
    layer = work.layer
    product = iree_gemm.Product(work.layout, work.m, layer.n, layer.k, layer.combine == "geglu", layer.bias)
    folder = OUT / "iree" / f"{work.layout}_{work.m}x{layer.n}x{layer.k}_{layer.combine}{'_bias' * layer.bias}"
    facts = iree_gemm.compile_product(product, folder)
    hsaco = (folder / facts["hsaco"]).read_bytes()
    (kernel,) = read_kernels(hsaco)
    row = static_row(work, "IREE", hsaco, facts["tile"], 2)
    threads = kernel.metadata[".max_flat_workgroup_size"]
    contract = peer_contract(facts["kernel"], work, facts["grid"], threads, (), 0, layer.bias)
    return simulated(replace(row, note=f"{threads // 64} waves"), hsaco, contract, workgroups)


def triton_sweep() -> list[tuple[dict[str, Any], LoopStats]]:
    """The configurations of the sweep that launch without spills, with their figures; compiled when not there yet."""
    folder = OUT / "triton"
    if not (folder / "done").exists():
        command = [str(TRITON), str(ROOT / "bench/peers/triton_gemm.py"), str(folder)]
        subprocess.run(command, check=True, stdout=sys.stderr)  # what it says on its way is not the result
        (folder / "done").touch()
    found = []
    for path in sorted(folder.glob("*.json")):
        facts = {"name": path.stem, **json.loads(path.read_text())}
        if "error" in facts or path.stem.endswith(("_gelu", "_bias")):
            continue
        hsaco = path.with_suffix(".hsaco").read_bytes()
        row = static_row(Work(Layer("", 0, 0, "", False), facts["layout"], 0), "", hsaco, (0, 0, 0), 2)
        if row.spills == 0 and facts["lds_bytes"] <= GFX942.lds_bytes_per_workgroup:
            found.append((facts, row.loop))
    return found


def triton_ranked(sweep: Sequence[tuple[dict[str, Any], LoopStats]], layout: str) -> list[dict[str, Any]]:
    """Best first: most flop per global byte, then the highest u1, then the highest llvm-mca figure."""

    def rank(one: tuple[dict[str, Any], LoopStats]) -> tuple[float, ...]:
        figures = (one[1].flop_per_global_byte, one[1].u1, one[1].mca)
        return tuple(value if isinstance(value, (int, float)) else -1.0 for value in figures)

    ranked = sorted((one for one in sweep if one[0]["layout"] == layout), key=rank, reverse=True)
    return [facts for facts, _ in ranked]


def triton(work: Work, ranked: Sequence[Mapping[str, Any]], workgroups: int) -> Row:
    """Triton's best kernel that needs no scratch; where K is short, the best of all tiles over the whole kernel."""
    tiles: dict[tuple[int, int], Row] = {}
    for config in ranked:
        if (config["m"], config["n"]) in tiles:
            continue
        row = _triton_row(work, config["name"], workgroups)
        if row is not None:
            tiles[config["m"], config["n"]] = row
            if work.layer.k >= LONG_K:
                break
    if not tiles:
        raise RuntimeError("every configuration of Triton needs scratch memory with this combine")
    return max(tiles.values(), key=lambda row: row.whole if isinstance(row.whole, float) else 0.0)


def _triton_row(work: Work, name: str, workgroups: int) -> Row | None:
    """The row of one configuration; None when it needs scratch memory with the layer's combine."""
    layer = work.layer
    path = _triton_variant(name, ["--gelu"] * (layer.combine == "geglu") + ["--bias"] * layer.bias)
    facts = json.loads(path.with_suffix(".json").read_text())
    hsaco, tile = path.read_bytes(), (facts["m"], facts["n"], facts["k"])
    row = static_row(work, "Triton", hsaco, tile, 2, lds=facts["lds_bytes"])
    if row.spills:
        return None
    leading = layer.k if work.layout == "nk" else layer.n
    sizes = {"M": work.m, "N": layer.n, "K": layer.k, "lda": layer.k, "ldb": leading, "ldo": layer.n}
    extra = [{"name": name, "kind": "scalar", "dtype": "i32", "value": value} for name, value in sizes.items()]
    scratch = ("global_scratch", "profile_scratch")
    extra += [{"name": name, "kind": "scalar", "dtype": "i64", "value": 0} for name in scratch]
    grid = [work.m // tile[0] * (layer.n // tile[1]), 1, 1]
    contract = peer_contract(facts["kernel"], work, grid, 64 * facts["warps"], extra, facts["lds_bytes"], True)
    return simulated(replace(row, note=f"{facts['warps']} waves"), hsaco, contract, workgroups)


def _triton_variant(name: str, flags: Sequence[str]) -> Path:
    """The code object of a configuration with another combine; compiled when it is not there."""
    folder = OUT / "triton"
    path = folder / f"{name}{''.join(flags).replace('--', '_')}.hsaco"
    if not path.exists():
        command = [str(TRITON), str(ROOT / "bench/peers/triton_gemm.py"), str(folder), f"--name={name}", *flags]
        subprocess.run(command, check=True, capture_output=True)
    return path


# the simulator


def simulated(row: Row, hsaco: bytes, contract: dict[str, Any], workgroups: int) -> Row:
    """The row with the counters of the first workgroups of its grid."""
    arrays = random_inputs(contract)
    result = simulate(hsaco, contract, arrays, workgroups=range(workgroups))
    ratio = right(row.work, arrays, result, contract)
    return counted(replace(row, error=ratio, faults=float(len(result.faults))), result, workgroups)


def random_inputs(contract: Mapping[str, Any]) -> list[np.ndarray]:
    """An array of f16 for each input: a long random period, repeated, as drawing all of a large weight takes long."""
    arguments = {one["name"]: one for one in contract["kernels"][0]["args"]}
    rng = np.random.default_rng(0)
    arrays = []
    for name in contract["inputs"]:
        period = (0.3 * rng.standard_normal(1_000_003, np.float32)).astype(np.float16)
        shape = arguments[name]["shape"]
        arrays.append(np.resize(period, math.prod(shape)).reshape(shape))
    return arrays


def counted(row: Row, result: SimulationResult, workgroups: int) -> Row:
    """The row with the ratios of what was executed to what is necessary."""
    (stats,) = result.stats["kernels"].values()
    matrix, total = stats["instructions"]["matrix"], sum(stats["instructions"].values())
    busy = stats["matrix_cycles"]
    moved = {"vmem_load": 0, "vmem_store": 0}
    biases = 0
    for access in stats["global"]:
        moved[access["kind"]] += access["bytes"]
        biases += access["bytes"] if access["argument"] in BIASES else 0
    (m, n, k), gemms, layer = row.tile, row.gemms, row.work.layer
    names = list(row.loop.matrix_ops)
    steps = -(-layer.k // k) * k
    ratio: Figure = NOT_MEASURED
    if len(names) == 1 and (one := isa_stats.matrix_row(f"{names[0]} ", GFX942)):
        ratio = matrix / (workgroups * gemms * m * n * steps / (one.m * one.n * one.k))
    bias = gemms * n if layer.bias else 0
    loop = stats["loop"]
    return replace(
        row,
        whole=busy / (busy + isa_stats.ISSUE_CYCLES * (total - matrix)),
        instructions=total / stats["waves"],
        matrix_ratio=ratio,
        loop_conflicts=loop["bank_conflict_cycles_per_trip"] if loop else NOT_MEASURED,
        all_conflicts=float(stats["lds"]["bank_conflict_cycles"]),
        read_ratio=moved["vmem_load"] / (workgroups * 2 * (layer.k * (m + gemms * n) + bias)),
        operand_ratio=(moved["vmem_load"] - biases) / (workgroups * 2 * layer.k * (m + gemms * n)),
        write_ratio=moved["vmem_store"] / (workgroups * 2 * m * n),
    )


def right(work: Work, arrays: Sequence[np.ndarray], result: SimulationResult, contract: Mapping[str, Any]) -> Figure:
    """The largest error of what was written, in units of the tolerance; n/a when nothing was."""
    out = result.outputs[0].astype(np.float64)
    written: np.ndarray = np.all(result.written[0].reshape(*out.shape, 2), axis=2)
    rows, columns = np.nonzero(written.any(axis=1))[0], np.nonzero(written.any(axis=0))[0]
    if not len(rows):
        return NOT_MEASURED
    x = arrays[0][rows].astype(np.float32)
    factors = [x @ (b[:, columns] if work.layout == "kn" else b[columns].T).astype(np.float32) + bias[columns]
               for b, bias in _halves(work, arrays)]  # fmt: skip
    fused = "gate" not in contract["inputs"]
    gate = 1 if fused and work.layer.combine == "geglu" else 0  # rocfuse.gen activates the second half for geglu
    reference = activation(work.layer.combine, factors[gate]) * factors[1 - gate]
    inside = written[np.ix_(rows, columns)]
    error = np.abs(out[np.ix_(rows, columns)] - reference)
    tolerance = 4 * ULP * (np.abs(reference).max() + np.abs(reference))
    worst = float((error / tolerance)[inside].max())
    return worst if math.isfinite(worst) else math.inf


def _halves(work: Work, arrays: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(weight, bias) of both products; a fused program has them in one array each."""
    n, zero = work.layer.n, np.zeros(2 * work.layer.n, np.float32)
    weights, biases = list(arrays[1:3]), list(arrays[3:5])
    if len(arrays) == 3 and not work.layer.bias:  # a, gate, up
        biases = []
    elif len(arrays) < 4:  # a, both weights, both biases
        weights, biases = [arrays[1]], list(arrays[2:3])
    if len(weights) == 1:
        wide = weights[0]
        weights = [wide[:, :n], wide[:, n:]] if work.layout == "kn" else [wide[:n], wide[n:]]
        biases = [biases[0][:n], biases[0][n:]] if biases else []
    parts = [b.astype(np.float32) for b in biases] if biases and work.layer.bias else [zero[:n], zero[:n]]
    return list(zip(weights, parts, strict=True))


def activation(combine: str, x: np.ndarray) -> np.ndarray:
    """Silu or gelu in f64."""
    x = x.astype(np.float64)
    if combine == "geglu":
        return 0.5 * x * (1.0 + np.vectorize(math.erf, otypes=[np.float64])(x * math.sqrt(0.5)))
    return x / (1.0 + np.exp(-x))
