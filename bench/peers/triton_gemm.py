"""Compile gated products with Triton 3.9 for gfx942; runs in Triton's own environment, without torch or a GPU.

    build/peers/triton/bin/python bench/peers/triton_gemm.py FOLDER            every configuration of the sweep
    build/peers/triton/bin/python bench/peers/triton_gemm.py FOLDER --name=N --gelu --bias    one of them
    build/peers/triton/bin/python bench/peers/triton_gemm.py FOLDER --name=N --clock=6    only how long each of 6 takes

Each configuration is written as NAME.hsaco and NAME.json; one that does not compile has an "error" in its .json.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp(prefix="triton-")
os.environ["TRITON_ALWAYS_COMPILE"] = "1"

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

TILES = [(64, 64, 64), (128, 64, 32), (128, 64, 64), (128, 128, 32), (128, 128, 64), (256, 64, 64), (256, 128, 32)]
TILES += [(256, 128, 64)]
POINTERS = ("a_ptr", "gate_ptr", "up_ptr", "gate_bias_ptr", "up_bias_ptr", "out_ptr")
INTEGERS = ("M", "N", "K", "lda", "ldb", "ldo")


@triton.jit
def gated_product(
    a_ptr, gate_ptr, up_ptr, gate_bias_ptr, up_bias_ptr, out_ptr, M, N, K, lda, ldb, ldo,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, NK: tl.constexpr, GELU: tl.constexpr, BIAS: tl.constexpr,
):  # fmt: skip
    """act(A @ gate + gate_bias) * (A @ up + up_bias); the tile divides M, N and K."""
    tl.assume(M > 0)
    tl.assume(N > 0)
    tl.assume(K > 0)
    tl.assume(lda > 0)
    tl.assume(ldb > 0)
    tl.assume(ldo > 0)
    # eight row tiles go together, as in Triton's own matmul tutorial
    width = 8 * tl.cdiv(N, BN)
    first = tl.program_id(0) // width * 8
    rows = min(tl.cdiv(M, BM) - first, 8)
    pm = first + (tl.program_id(0) % width) % rows
    pn = (tl.program_id(0) % width) // rows
    tl.assume(pm >= 0)
    tl.assume(pn >= 0)
    rm = pm * BM + tl.arange(0, BM)
    rn = pn * BN + tl.arange(0, BN)
    rk = tl.arange(0, BK)
    a_at = a_ptr + rm[:, None] * lda + rk[None, :]
    b_at = rn[None, :] * ldb + rk[:, None] if NK else rk[:, None] * ldb + rn[None, :]
    gate_at = gate_ptr + b_at
    up_at = up_ptr + b_at
    gate = tl.zeros((BM, BN), tl.float32)
    up = tl.zeros((BM, BN), tl.float32)
    step = BK if NK else BK * ldb
    for _ in range(0, tl.cdiv(K, BK)):
        a = tl.load(a_at)
        b_gate = tl.load(gate_at)
        b_up = tl.load(up_at)
        gate = tl.dot(a, b_gate, gate)
        up = tl.dot(a, b_up, up)
        a_at += BK
        gate_at += step
        up_at += step
    if BIAS:
        gate += tl.load(gate_bias_ptr + rn).to(tl.float32)[None, :]
        up += tl.load(up_bias_ptr + rn).to(tl.float32)[None, :]
    if GELU:
        result = gate * 0.5 * (1.0 + tl.erf(gate * 0.7071067811865476)) * up
    else:
        result = gate / (1.0 + tl.exp(-gate)) * up
    tl.store(out_ptr + rm[:, None] * ldo + rn[None, :], result.to(tl.float16))


@dataclasses.dataclass(frozen=True)
class Config:
    """One point of the sweep."""

    m: int
    n: int
    k: int
    layout: str
    warps: int
    instruction: int
    kpack: int

    @property
    def name(self):
        kpack = f"_kpack{self.kpack}" if self.kpack > 1 else ""
        return f"{self.layout}_{self.m}x{self.n}x{self.k}_w{self.warps}_m{self.instruction}{kpack}"


def sweep():
    """All configurations: tiles, warps, matrix instruction, and for nk the packing along k."""
    return [
        Config(m, n, k, layout, warps, instruction, kpack)
        for m, n, k in TILES
        for warps in (4, 8)
        if not (m * n <= 64 * 64 and warps == 8)
        for layout in ("kn", "nk")
        for instruction in (16, 32)
        for kpack in ((1, 2) if layout == "nk" else (1,))
    ]


def compile_config(config, gelu, bias):
    constants = {"BM": config.m, "BN": config.n, "BK": config.k, "NK": config.layout == "nk", "GELU": gelu}
    constants["BIAS"] = bias
    names = gated_product.arg_names
    signature = (
        dict.fromkeys(POINTERS, "*fp16") | dict.fromkeys(INTEGERS, "i32") | dict.fromkeys(constants, "constexpr")
    )
    divisible = ["tt.divisibility", 16]
    attributes = {(at,): [divisible, ["tt.pointer_range", 32]] for at, name in enumerate(names) if name in POINTERS}
    attributes |= {(at,): [divisible] for at, name in enumerate(names) if name in INTEGERS}
    values = {(names.index(name),): value for name, value in constants.items()}
    source = ASTSource(fn=gated_product, signature=signature, constexprs=values, attrs=attributes)
    options = {"num_warps": config.warps, "num_stages": 2, "matrix_instr_nonkdim": config.instruction}
    return triton.compile(source, target=GPUTarget("hip", "gfx942", 64), options=options | {"kpack": config.kpack})


def write(folder, name, config, gelu, bias):
    facts = {"version": triton.__version__, **dataclasses.asdict(config)}
    started = time.perf_counter()
    try:
        made = compile_config(config, gelu, bias)
    except Exception as error:  # the compiler's errors have no common class
        facts["error"] = f"{type(error).__name__}: {error}"[:300]
    else:
        facts |= {"seconds": round(time.perf_counter() - started, 3), "lds_bytes": made.metadata.shared}
        facts["kernel"] = made.metadata.name
        (folder / f"{name}.hsaco").write_bytes(made.asm["hsaco"])
    (folder / f"{name}.json").write_text(json.dumps(facts) + "\n")
    print(name, facts.get("error", "ok"), flush=True)


def clock(config, gelu, bias, count):
    """[wall seconds, processor seconds] of each of `count` compilations in this process; nothing is cached."""
    times = []
    for _ in range(count):
        wall, busy = time.perf_counter(), time.process_time()
        compile_config(config, gelu, bias)
        times.append([time.perf_counter() - wall, time.process_time() - busy])
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", help="only this configuration")
    parser.add_argument("--gelu", action="store_true", help="gelu with erf instead of silu")
    parser.add_argument("--bias", action="store_true", help="add a bias to both products")
    parser.add_argument("--clock", type=int, metavar="COUNT", help="compile that often, print the times as JSON")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    chosen = [config for config in sweep() if arguments.name in (None, config.name)]
    if not chosen:
        sys.exit(f"error: no configuration {arguments.name}")
    if arguments.clock:
        print(json.dumps(clock(chosen[0], arguments.gelu, arguments.bias, arguments.clock)))
        return
    suffix = "_gelu" * arguments.gelu + "_bias" * arguments.bias
    for config in chosen:
        write(arguments.folder, config.name + suffix, config, arguments.gelu, arguments.bias)


if __name__ == "__main__":
    main()
