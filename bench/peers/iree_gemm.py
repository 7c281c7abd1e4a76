"""Compile gated products with IREE 3.13 for gfx942: two matmuls and their combine, horizontally fused by IREE.

    python bench/peers/iree_gemm.py FOLDER --layout=nk --m=4096 --n=14336 --k=4096 [--gelu] [--bias]

The combine takes the f32 sums, because with products rounded to f16 IREE makes three kernels instead of one. The folder
gets the program, what IREE dumps, and kernel.json: name, grid, tile.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPILER = Path(__file__).resolve().parents[2] / "build" / "peers" / "iree" / "bin" / "iree-compile"
FLAGS = ("--iree-hal-target-device=hip", "--iree-rocm-target=gfx942")
FLAGS += ("--iree-dispatch-creation-enable-fuse-horizontal-contractions",)
SILU = """
    %negative = arith.negf %gated : f32
    %power = math.exp %negative : f32
    %denominator = arith.addf %power, %one : f32
    %active = arith.divf %gated, %denominator : f32"""
GELU = """
    %scaled = arith.mulf %gated, %root : f32
    %error = math.erf %scaled : f32
    %shifted = arith.addf %error, %one : f32
    %halved = arith.mulf %shifted, %half : f32
    %active = arith.mulf %gated, %halved : f32"""
BIAS = """
    %gx = arith.extf %gb : f16 to f32
    %ux = arith.extf %ub : f16 to f32
    %gated = arith.addf %g, %gx : f32
    %upper = arith.addf %u, %ux : f32"""
NO_BIAS = """
    %gated = arith.addf %g, %zero : f32
    %upper = arith.addf %u, %zero : f32"""


@dataclass(frozen=True)
class Product:
    """What to compile."""

    layout: str
    m: int
    n: int
    k: int
    gelu: bool
    bias: bool


def program(p: Product) -> str:
    """The linalg program."""
    a, out, sums = f"tensor<{p.m}x{p.k}xf16>", f"tensor<{p.m}x{p.n}xf16>", f"tensor<{p.m}x{p.n}xf32>"
    b = f"tensor<{p.k}x{p.n}xf16>" if p.layout == "kn" else f"tensor<{p.n}x{p.k}xf16>"
    maps = "(m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>"
    attribute = f"indexing_maps = [affine_map<(m, n, k) -> {maps}] " if p.layout == "nk" else ""
    vector = f"tensor<{p.n}xf16>"
    types, row, full = [sums, sums], "affine_map<(m, n) -> (n)>", "affine_map<(m, n) -> (m, n)>"
    inputs, arguments, every = ["%gate", "%up"], ["%g: f32", "%u: f32"], [full, full]
    signature = [f"%a: {a}", f"%wg: {b}", f"%wu: {b}"]
    if p.bias:
        signature += [f"%bg: {vector}", f"%bu: {vector}"]
        inputs, types, every = [*inputs, "%bg", "%bu"], [*types, vector, vector], [*every, row, row]
        arguments += ["%gb: f16", "%ub: f16"]
    products = "".join(
        f"""
  %{name} = linalg.matmul {attribute}ins(%a, %{weight} : {a}, {b}) outs(%start : {sums}) -> {sums}"""
        for name, weight in (("gate", "wg"), ("up", "wu"))
    )
    return f"""func.func @main({", ".join(signature)}) -> {out} {{
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %root = arith.constant 0.70710678118 : f32
  %empty = tensor.empty() : {sums}
  %start = linalg.fill ins(%zero : f32) outs(%empty : {sums}) -> {sums}{products}
  %result = tensor.empty() : {out}
  %out = linalg.generic {{indexing_maps = [{", ".join([*every, full])}], iterator_types = ["parallel", "parallel"]}}
      ins({", ".join(inputs)} : {", ".join(types)}) outs(%result : {out}) {{
  ^bb0({", ".join(arguments)}, %o: f16):{BIAS if p.bias else NO_BIAS}{GELU if p.gelu else SILU}
    %product = arith.mulf %active, %upper : f32
    %rounded = arith.truncf %product : f32 to f16
    linalg.yield %rounded : f16
  }} -> {out}
  return %out : {out}
}}
"""


def compile_product(p: Product, folder: Path) -> dict[str, Any]:
    """Compile into `folder`; name, grid and tile of the kernel. Raises RuntimeError when there is not one kernel."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "program.mlir"
    source.write_text(program(p))
    command = [str(COMPILER), str(source), *FLAGS]
    command += [f"--iree-hal-dump-executable-files-to={folder}", "-o", str(folder / "out.vmfb")]
    started = time.perf_counter()
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"iree-compile failed: {run.stderr.strip()[:300]}")
    facts = {"seconds": round(time.perf_counter() - started, 3), **_facts(folder)}
    (folder / "kernel.json").write_text(json.dumps(facts) + "\n")
    return facts


def _facts(folder: Path) -> dict[str, Any]:
    texts = list(folder.glob("*.optimized.ll"))
    names = re.findall(r"define amdgpu_kernel void @(\w+)", texts[0].read_text()) if len(texts) == 1 else []
    if len(names) != 1:
        raise RuntimeError(f"IREE made {len(names) or len(texts)} kernels of one product, not 1: {', '.join(names)}")
    grid = re.search(r"range\(i32 0, (\d+)\) i32 @llvm\.amdgcn\.workgroup\.id\.x", texts[0].read_text())
    configured = next(folder.glob("configured_*.mlir")).read_text()
    tile = re.search(r"reduction = \[0, 0, (\d+)\].*?workgroup = \[(\d+), (\d+), 0\]", configured)
    if grid is None or tile is None:
        raise RuntimeError("IREE's dump does not say the grid or the tile")
    k, m, n = map(int, tile.groups())
    binary = str(next(folder.glob("*.hsaco")).name)
    return {"kernel": names[0], "hsaco": binary, "grid": [int(grid.group(1)), 1, 1], "tile": [m, n, k]}


def version() -> str | None:
    """The compiler's version; None when it is not installed."""
    if not COMPILER.exists():
        return None
    text = subprocess.run([str(COMPILER), "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"compiler version (\S+)", text)
    return found.group(1) if found else None


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layout", choices=("kn", "nk"), default="nk")
    for name in ("m", "n", "k"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--gelu", action="store_true", help="gelu with erf instead of silu")
    parser.add_argument("--bias", action="store_true", help="add a bias to both products")
    values = vars(parser.parse_args())
    folder = values.pop("folder")
    try:
        print(json.dumps(compile_product(Product(**values), folder)))
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
