"""Compile five small kernels with Triton for gfx942: foreign code objects for the simulator's tests.

    python -m venv triton-venv && triton-venv/bin/pip install triton==3.9.0
    triton-venv/bin/python bench/make_triton_objects.py test/sim/triton

No GPU and no torch are needed. Each kernel is written as NAME.hsaco with its contract NAME.json.
"""

import json
import sys
from pathlib import Path

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@triton.jit
def masked_add(x_ptr, y_ptr, out_ptr, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    total = tl.load(x_ptr + at, mask=inside) + tl.load(y_ptr + at, mask=inside)
    tl.store(out_ptr + at, total, mask=inside)


@triton.jit
def softmax(x_ptr, out_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * columns + at, mask=at < columns, other=-float("inf")).to(tl.float32)
    power = tl.exp(x - tl.max(x, axis=0))
    tl.store(out_ptr + row * columns + at, (power / tl.sum(power, axis=0)).to(tl.float16), mask=at < columns)


@triton.jit
def layer_norm(x_ptr, weight_ptr, out_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * columns + at, mask=at < columns, other=0.0).to(tl.float32)
    mean = tl.sum(x, axis=0) / columns
    centred = tl.where(at < columns, x - mean, 0.0)
    scale = tl.rsqrt(tl.sum(centred * centred, axis=0) / columns + 1e-5)
    weight = tl.load(weight_ptr + at, mask=at < columns).to(tl.float32)
    tl.store(out_ptr + row * columns + at, (centred * scale * weight).to(tl.bfloat16), mask=at < columns)


@triton.jit
def swiglu_gemm(a_ptr, gate_ptr, up_ptr, out_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rm = tl.program_id(0) * BM + tl.arange(0, BM)
    rn = tl.program_id(1) * BN + tl.arange(0, BN)
    rk = tl.arange(0, BK)
    gate = tl.zeros((BM, BN), tl.float32)
    up = tl.zeros((BM, BN), tl.float32)
    for k in range(0, K, BK):
        inside = k + rk < K
        a = tl.load(a_ptr + (rm % M)[:, None] * K + k + rk[None, :], mask=inside[None, :], other=0.0)
        where = (rn % N)[None, :] * K + k + rk[:, None]
        gate = tl.dot(a, tl.load(gate_ptr + where, mask=inside[:, None], other=0.0), gate)
        up = tl.dot(a, tl.load(up_ptr + where, mask=inside[:, None], other=0.0), up)
    result = (gate * tl.sigmoid(gate) * up).to(tl.float16)
    tl.store(out_ptr + rm[:, None] * N + rn[None, :], result, mask=(rm < M)[:, None] & (rn < N)[None, :])


@triton.jit
def gemm_bf16(a_ptr, b_ptr, bias_ptr, out_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rm = tl.program_id(0) * BM + tl.arange(0, BM)
    rn = tl.program_id(1) * BN + tl.arange(0, BN)
    rk = tl.arange(0, BK)
    total = tl.zeros((BM, BN), tl.float32)
    for k in range(0, K, BK):
        a = tl.load(a_ptr + rm[:, None] * K + k + rk[None, :])
        b = tl.load(b_ptr + (k + rk)[:, None] * N + rn[None, :])
        total = tl.dot(a, b, total)
    total += tl.load(bias_ptr + rn).to(tl.float32)[None, :]
    tl.store(out_ptr + rm[:, None] * N + rn[None, :], total.to(tl.bfloat16))


def array(name, kind, dtype, *shape):
    return {"name": name, "kind": kind, "dtype": dtype, "shape": list(shape)}


def number(name, value):
    return {"name": name, "kind": "scalar", "dtype": "i32", "value": value}


# kernel, arguments, constants, grid, warps, matrix instruction
KERNELS = [
    (
        masked_add,
        [
            array("x", "in", "f32", 1000),
            array("y", "in", "f32", 1000),
            array("out", "out", "f32", 1000),
            number("count", 1000),
        ],
        {"BLOCK": 256},
        [4, 1, 1],
        {"num_warps": 2},
    ),
    (
        softmax,
        [array("x", "in", "f16", 5, 300), array("out", "out", "f16", 5, 300), number("columns", 300)],
        {"BLOCK": 512},
        [5, 1, 1],
        {"num_warps": 4},
    ),
    (
        layer_norm,
        [
            array("x", "in", "bf16", 3, 200),
            array("weight", "in", "bf16", 200),
            array("out", "out", "bf16", 3, 200),
            number("columns", 200),
        ],
        {"BLOCK": 256},
        [3, 1, 1],
        {"num_warps": 2},
    ),
    (
        swiglu_gemm,
        [
            array("a", "in", "f16", 70, 80),
            array("gate", "in", "f16", 90, 80),
            array("up", "in", "f16", 90, 80),
            array("out", "out", "f16", 70, 90),
            number("M", 70),
            number("N", 90),
            number("K", 80),
        ],
        {"BM": 64, "BN": 64, "BK": 32},
        [2, 2, 1],
        {"num_warps": 4, "num_stages": 2, "matrix_instr_nonkdim": 32},
    ),
    (
        gemm_bf16,
        [
            array("a", "in", "bf16", 128, 128),
            array("b", "in", "bf16", 128, 64),
            array("bias", "in", "bf16", 64),
            array("out", "out", "bf16", 128, 64),
            number("M", 128),
            number("N", 64),
            number("K", 128),
        ],
        {"BM": 64, "BN": 64, "BK": 64},
        [2, 1, 1],
        {"num_warps": 4, "num_stages": 2, "matrix_instr_nonkdim": 16},
    ),
]
TYPES = {"f32": "fp32", "f16": "fp16", "bf16": "bf16"}


def compile_kernel(kernel, arguments, constants, options):
    names = kernel.arg_names
    signature, attributes = {}, {}
    for at, argument in enumerate(arguments):
        pointer = argument["kind"] != "scalar"
        signature[names[at]] = f"*{TYPES[argument['dtype']]}" if pointer else "i32"
        if pointer:
            attributes[(at,)] = [["tt.divisibility", 16], ["tt.pointer_range", 32]]
    signature |= dict.fromkeys(constants, "constexpr")
    values = {(names.index(name),): value for name, value in constants.items()}
    source = ASTSource(fn=kernel, signature=signature, constexprs=values, attrs=attributes)
    return triton.compile(source, target=GPUTarget("hip", "gfx942", 64), options=options)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for kernel, arguments, constants, grid, options in KERNELS:
        made = compile_kernel(kernel, arguments, constants, options)
        name = made.metadata.name
        scratch = [
            {"name": text, "kind": "scalar", "dtype": "i64", "value": 0}
            for text in ("global_scratch", "profile_scratch")
        ]
        entry = {
            "name": name,
            "grid": grid,
            "block": [64 * options["num_warps"], 1, 1],
            "args": [{"index": at, **argument} for at, argument in enumerate(arguments + scratch)],
            "dynamic_lds_bytes": made.metadata.shared,
        }
        contract = {
            "version": 1,
            "target": "gfx942",
            "producer": f"triton {triton.__version__}",
            "kernels": [entry],
            "inputs": [argument["name"] for argument in arguments if argument["kind"] == "in"],
            "outputs": [argument["name"] for argument in arguments if argument["kind"] == "out"],
        }
        (folder / f"{name}.hsaco").write_bytes(made.asm["hsaco"])
        (folder / f"{name}.json").write_text(json.dumps(contract, indent=1) + "\n")
        print(name, len(made.asm["hsaco"]), "bytes")


if __name__ == "__main__":
    main()
