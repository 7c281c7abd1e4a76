"""Expanded math as emitted gfx942 code, with the hardware's exp, log, rcp and sqrt: all f16 and bf16 inputs."""

import numpy as np
import pytest
from mlir import ir
from test_expand_math import EXACT, TYPES, check, every, samples

from rocfuse.codegen.link import link
from rocfuse.codegen.llvm import generate, translate
from rocfuse.lowering.lower_to_llvm import LowerToLlvm
from rocfuse.passes import PassContext
from rocfuse.sim import simulate
from rocfuse.targets import GFX942
from rocfuse.transforms.expand_math import expand

LANES, WIDTH = 256, 4


def compile_elementwise(bodies, kind, size):
    """One kernel of one input and one output for each body, which makes %r of %x: code object and contract."""
    vector, memory = f"vector<{WIDTH}x{kind}>", f"memref<{size}x{kind}, #gpu.address_space<global>>"
    names = [f"out{number}" for number in range(len(bodies))]
    stores = "\n".join(
        f"{body.replace('%r', f'%r{number}').replace(' T', ' ' + vector)}\n"
        f"vector.store %r{number}, %{names[number]}[%at] : {memory}, {vector}"
        for number, body in enumerate(bodies)
    )
    text = f"""gpu.module @m {{
      gpu.func @k(%in: {memory}, {", ".join(f"%{name}: {memory}" for name in names)}) kernel
          attributes {{known_block_size = array<i32: {LANES}, 1, 1>}} {{
        %group = gpu.block_id x
        %lane = gpu.thread_id x
        %lanes = arith.constant {LANES} : index
        %width = arith.constant {WIDTH} : index
        %first = arith.muli %group, %lanes : index
        %thread = arith.addi %first, %lane : index
        %at = arith.muli %thread, %width : index
        %x = vector.load %in[%at] : {memory}, {vector}
        {stores}
        gpu.return
      }}
    }}"""
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        expand(module.operation)
        LowerToLlvm().run(module, PassContext())
        code = link(generate(translate(module), GFX942).obj)
    arguments = [
        {
            "index": number,
            "name": name,
            "kind": "out" if number else "in",
            "dtype": kind,
            "shape": [size],
            "strides": [1],
        }
        for number, name in enumerate(["in", *names])
    ]
    kernel = {"name": "k", "grid": [size // (LANES * WIDTH), 1, 1], "block": [LANES, 1, 1], "args": arguments}
    kernel["lds_bytes"] = 0
    return code, {"version": 1, "target": "gfx942", "kernels": [kernel], "inputs": ["in"], "outputs": names}


def simulate_functions(bodies, kind, x):
    size = -(-len(x) // (LANES * WIDTH)) * LANES * WIDTH
    padded = np.resize(x, size)
    code, contract = compile_elementwise(bodies, kind, size)
    result = simulate(code, contract, [padded])
    assert not result.faults
    return [output.view(TYPES[kind])[: len(x)] for output in result.outputs]


@pytest.mark.parametrize("kind", TYPES)
def test_every_function_on_the_simulated_hardware(kind):
    names = list(EXACT)
    x = samples()[::4] if kind == "f32" else every(kind)
    outputs = simulate_functions([f"%r = math.{name} %x : T" for name in names], kind, x)
    wrong = []
    for name, output in zip(names, outputs, strict=True):
        with np.errstate(all="ignore"):
            try:
                check(output, EXACT[name](x.astype(np.float64)), kind, 4 if kind == "f32" else 1)
            except AssertionError as error:
                wrong.append(f"{name}: {str(error).splitlines()[0]}")
    assert not wrong


def test_f32_power():
    x = np.abs(samples()[::4])
    found = simulate_functions(["%c = arith.constant dense<1.37> : T\n%r = math.powf %x, %c : T"], "f32", x)[0]
    with np.errstate(all="ignore"):
        check(found, x.astype(np.float64) ** float(np.float32(1.37)), "f32", 4)


@pytest.mark.parametrize("kind", TYPES)
def test_functions_of_two_numbers(kind):
    x = samples()[::4] if kind == "f32" else every(kind)
    constants = f"%c = arith.constant dense<-1.37> : vector<{WIDTH}x{kind}>\n"
    bodies = [
        f"{constants}%r = math.atan2 %x, %c : T",
        f"%e{constants[2:]}%r = math.atan2 %e, %x : T",
        f"%d{constants[2:]}%r = arith.remf %x, %d : T",
    ]
    found = simulate_functions(bodies, kind, x)
    wide, y = x.astype(np.float64), float(np.array(-1.37).astype(TYPES[kind]))
    with np.errstate(all="ignore"):
        exact = [np.arctan2(wide, y), np.arctan2(y, wide), np.fmod(wide, y)]
        for output, expected, limit in zip(found, exact, (4, 4, 0) if kind == "f32" else (1, 1, 0), strict=True):
            check(output, expected, kind, limit)


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_division_power_and_a_sigmoid_in_f32(kind):
    x = every(kind)
    sigmoid = (
        f"%one = arith.constant dense<1.0> : vector<{WIDTH}xf32>\n%w = arith.extf %x : T to vector<{WIDTH}xf32>\n"
        f"%m = arith.negf %w : vector<{WIDTH}xf32>\n%e = math.exp %m : vector<{WIDTH}xf32>\n"
        f"%d = arith.addf %e, %one : vector<{WIDTH}xf32>\n%q = arith.divf %one, %d : vector<{WIDTH}xf32>\n"
        f"%r = arith.truncf %q : vector<{WIDTH}xf32> to T"
    )
    bodies = [
        sigmoid,
        "%c3 = arith.constant dense<3.0> : T\n%r = arith.divf %x, %c3 : T",
        "%c1 = arith.constant dense<1.0> : T\n%r = arith.divf %c1, %x : T",
        "%c2 = arith.constant dense<1.5> : T\n%r = math.powf %x, %c2 : T",
    ]
    found = simulate_functions(bodies, kind, x)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        exact = [1 / (1 + np.exp(-wide)), wide / 3, 1 / wide, wide**1.5]
        tiny = exact[0] < 2.0**-126  # e**-x overflows before its reciprocal underflows
        assert np.all(found[0][tiny].astype(np.float64) <= 2.0**-126)
        check(found[0][~tiny], exact[0][~tiny], kind, 1)
        for output, expected in zip(found[1:], exact[1:], strict=True):
            check(output, expected, kind, 1)
