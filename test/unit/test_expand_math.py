"""Expanded math against correctly rounded values: all f16 and bf16 inputs, many f32 ones; and what it costs.

The expanded IR runs on the CPU, where exp2, log2, sqrt and 1/x are more accurate than the instructions that they stand
for (1 ulp each); test_expand_math_sim.py runs the emitted code.
"""

import math
import re

import ml_dtypes
import numpy as np
import pytest
from mlir import ir
from mlir.passmanager import PassManager

from rocfuse.codegen.llvm import generate, translate
from rocfuse.lowering.hardware_math import use_hardware_math
from rocfuse.sim import cpu
from rocfuse.targets import GFX942
from rocfuse.transforms.expand_math import expand

TYPES = {"f16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16), "f32": np.dtype(np.float32)}


def pointwise(function):
    """A function of one Python float as one of an array; errors of math.* are NaN or infinity."""

    def evaluate(value):
        try:
            return function(value)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return lambda x: np.array([evaluate(value) for value in x.tolist()])


EXACT = {
    **{name: getattr(np, name) for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt")},
    **{name: getattr(np, name) for name in ("tanh", "sinh", "cosh", "sin", "cos", "tan", "floor", "ceil", "trunc")},
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "erf": pointwise(math.erf),
    "erfc": pointwise(math.erfc),
    "atan": np.arctan,
    **{f"a{name}": getattr(np, f"arc{name}") for name in ("sin", "cos", "sinh", "cosh", "tanh")},
    "roundeven": np.rint,
    "round": lambda x: np.copysign(np.where(np.abs(x) < 2**23, np.floor(np.abs(x) + 0.5), np.abs(x)), x),
    "absf": np.abs,
}
# gfx942 vector instructions an element (f16, bf16, f32), casts included, four elements at a time: no more than these.
INSTRUCTIONS = {
    "exp": (4, 9, 13),
    "exp2": (4, 8, 6),
    "log": (4, 9, 11),
    "log2": (4, 13, 6),
    "tanh": (10, 15, 12),
    "erf": (12, 17, 20),
    "erfc": (13, 24, 57),
    "sqrt": (4, 7, 16),
    "rsqrt": (5, 14, 27),
    "cosh": (6, 6, 17),
    "sinh": (15, 19, 23),
    "cbrt": (6, 16, 14),
    "expm1": (9, 15, 21),
    "log1p": (10, 15, 27),
    "sin": (22, 90, 140),
    "tan": (27, 95, 150),
    "atan": (15, 21, 23),
    "asin": (17, 22, 28),
    "acos": (18, 23, 31),
    "asinh": (17, 21, 82),
    "acosh": (13, 13, 84),
    "atanh": (16, 20, 57),
    "floor": (4, 9, 1),
}


def generic(body, kind, size, inputs=1):
    """A program of one elementwise linalg.generic; `body` makes %r of %x0, %x1, …"""
    names = [f"%a{i}" for i in range(inputs)]
    tensor = f"tensor<{size}x{kind}>"
    maps = ", ".join(["affine_map<(d0) -> (d0)>"] * (inputs + 1))
    return f"""func.func @f({", ".join(f"{name}: {tensor}" for name in names)}) -> {tensor} {{
      %e = tensor.empty() : {tensor}
      %q = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel"]}}
        ins({", ".join(names)} : {", ".join([tensor] * inputs)}) outs(%e : {tensor}) {{
      ^bb0({", ".join(f"%x{i}: {kind}" for i in range(inputs))}, %o: {kind}):
        {body}
        linalg.yield %r : {kind}
      }} -> {tensor}
      return %q : {tensor}
    }}"""


def run_expanded(text, arrays):
    with ir.Context(), ir.Location.unknown():
        module = cpu.parse_program(text)
        expand(module.operation)
        module.operation.verify()
        return cpu.execute(module, arrays)[0]


def check(found, exact, kind, limit):
    """`found` is at most `limit` ulp from `exact` rounded to its type; NaN, infinities and signs of zeros are equal."""
    info = ml_dtypes.finfo(TYPES[kind])
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = exact.astype(TYPES[kind]).astype(np.float64)
        found = found.astype(np.float64)
    assert np.array_equal(np.isnan(found), np.isnan(rounded))
    assert np.array_equal(np.where(np.isinf(found), found, 0), np.where(np.isinf(rounded), rounded, 0))
    assert np.array_equal(np.signbit(found[found == rounded]), np.signbit(rounded[found == rounded]))
    finite = np.isfinite(found) & np.isfinite(rounded)
    size = np.clip(np.abs(exact[finite]), float(info.tiny), float(info.max))
    ulps = np.abs(found[finite] - rounded[finite]) / np.exp2(np.floor(np.log2(size)) - info.nmant)
    assert ulps.max(initial=0) <= limit


def every(kind):
    return np.arange(65536, dtype=np.uint16).view(TYPES[kind])


def samples():
    """f32 bit patterns at random, the ranges where functions change, and edges."""
    random = np.random.default_rng(0)
    patterns = random.integers(0, 2**32, 30000, dtype=np.uint32).view(np.float32)
    ranges = [random.uniform(-high, high, 20000).astype(np.float32) for high in (1e-3, 1, 4, 20, 110)]
    edges = [
        0.0,
        0.5,
        1.0,
        2.0**-8,
        2.0**20,
        2.0**-126,
        2.0**-149,
        3.4028235e38,
        np.inf,
        88.72284,
        103.97,
        0.95,
        0.6,
        0.35,
        2.0**-4,
        np.nan,
    ]
    around = np.array(edges, np.float32)
    around = np.concatenate([around, np.nextafter(around, np.float32(0)), np.nextafter(around, np.float32(9e9))])
    one = 1 + random.integers(-4000, 4000, 4000).astype(np.float32) * np.float32(2.0**-23)
    return np.concatenate([patterns, *ranges, one, around, -around])


@pytest.mark.parametrize("kind", ["f16", "bf16"])
@pytest.mark.parametrize("name", EXACT)
def test_narrow_results_are_within_1_ulp_for_every_input(name, kind):
    x = every(kind)
    found = run_expanded(generic(f"%r = math.{name} %x0 : {kind}", kind, 65536), [x])
    with np.errstate(all="ignore"):
        check(found, EXACT[name](x.astype(np.float64)), kind, 1)


@pytest.mark.parametrize("name", EXACT)
def test_f32_results_are_within_4_ulp(name):
    x = samples()
    found = run_expanded(generic(f"%r = math.{name} %x0 : f32", "f32", len(x)), [x])
    with np.errstate(all="ignore"):
        check(found, EXACT[name](x.astype(np.float64)), "f32", 4)


def test_tanh_in_f32_is_good_for_what_is_near_1():
    """1 ulp where it is far from 0, so that x + x tanh x keeps what is left of it."""
    x = np.random.default_rng(3).uniform(0.6, 12, 20000).astype(np.float32)
    x = np.concatenate([x, -x])
    found = run_expanded(generic("%r = math.tanh %x0 : f32", "f32", len(x)), [x])
    check(found, np.tanh(x.astype(np.float64)), "f32", 1)


GELU_TANH = """%c0 = arith.constant 0.044715 : f32
%c1 = arith.constant 0.7978845608 : f32
%one = arith.constant 1.0 : f32
%half = arith.constant 0.5 : f32
%w = arith.extf %x0 : KIND to f32
%s = arith.mulf %w, %w : f32
%q = arith.mulf %s, %w : f32
%t = arith.mulf %q, %c0 : f32
%a = arith.addf %w, %t : f32
%u = arith.mulf %a, %c1 : f32
%h = math.tanh %u : f32
%p = arith.addf %h, %one : f32
%g = arith.mulf %w, %half : f32
%y = arith.mulf %g, %p : f32
%r = arith.truncf %y : f32 to KIND"""


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_gelu_by_tanh_keeps_what_is_left_near_minus_1(kind):
    """1 + tanh u as it is in f32 has one bit left at u = -8; every input of the narrow type is within 1 ulp."""
    x = every(kind)
    wide = x.astype(np.float64)
    found = run_expanded(generic(GELU_TANH.replace("KIND", kind), kind, 65536), [x])
    with np.errstate(all="ignore"):
        u = 2 * math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)
        exact = wide / (1 + np.exp(-u))
    kept = (np.abs(wide) < 64) & (np.abs(exact) > 1e-34)  # beyond, f32 has infinities and zeros of its own
    check(found[kept], exact[kept], kind, 1)


def test_one_plus_tanh_is_6_instructions():
    body = (
        "%one = arith.constant dense<1.0> : V\n%e = arith.extf %x : T to V\n%h = math.tanh %e : V\n"
        "%p = arith.addf %one, %h : V\n%r = arith.truncf %p : V to T"
    )
    assert len(compile_vectors(body.replace("V", "vector<4xf32>"), "f16")) <= 4 * 7  # two of the seven are casts


def test_a_tanh_with_other_users_stays_beside_the_sum():
    text = """func.func @f(%x0: f32) -> (f16, f32) {
      %one = arith.constant 1.0 : f32
      %h = math.tanh %x0 : f32
      %p = arith.addf %h, %one : f32
      %r = arith.truncf %p : f32 to f16
      return %r, %h : f16, f32
    }"""
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        expand(module.operation)
        assert module.operation.verify()
        assert str(module).count("math.exp2") == 2  # tanh in f32, the sum by v_exp
        assert "math.tanh" not in str(module)


def pairs(kind, count=60000):
    random = np.random.default_rng(1)
    unsigned = np.dtype(f"u{TYPES[kind].itemsize}")
    patterns = random.integers(0, 256**unsigned.itemsize, (2, count)).astype(unsigned)
    edges = np.array([0, 1, -1, 2, -2, 3, 0.5, -0.5, np.inf, -np.inf, np.nan, -0.0], TYPES[kind])
    special = np.array(np.meshgrid(edges, edges)).reshape(2, -1)
    near = random.standard_normal((2, count)).astype(TYPES[kind])
    return np.concatenate([patterns.view(TYPES[kind]), special, near], axis=1)


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_division(kind):
    a, b = pairs(kind)
    found = run_expanded(generic(f"%r = arith.divf %x0, %x1 : {kind}", kind, len(a), 2), [a, b])
    with np.errstate(all="ignore"):
        check(found, a.astype(np.float64) / b.astype(np.float64), kind, 1)


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_f32_division_that_ends_in_a_narrow_type(kind):
    """Denominators and quotients over the whole range of f32, denormals included, where the result is representable."""
    random = np.random.default_rng(2)
    b = random.integers(0, 2**32, 50000, dtype=np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        a = (b * random.standard_normal(50000)).astype(np.float32)
        exact = a.astype(np.float64) / b.astype(np.float64)
    text = generic(
        "%d = arith.divf %x0, %x1 : f32\n%r = arith.truncf %d : f32 to K".replace("K", kind), "f32", 50000, 2
    )
    text = re.sub(r"%o: f32|linalg.yield %r : f32", lambda found: found[0].replace("f32", kind), text)
    text = text.replace("%e = tensor.empty() : tensor<50000xf32>", f"%e = tensor.empty() : tensor<50000x{kind}>")
    text = re.sub(r"(outs\(%e : |-> |return %q : )tensor<50000xf32>", rf"\1tensor<50000x{kind}>", text)
    check(run_expanded(text, [a, b]), exact, kind, 1)


def c_power(x, y):
    """C's pow in float64: Python's raises where C returns infinity or NaN."""
    with np.errstate(all="ignore"):
        return np.power(x.astype(np.float64), y)


@pytest.mark.parametrize("kind", TYPES)
def test_power(kind):
    x, y = pairs(kind)
    found = run_expanded(generic(f"%r = math.powf %x0, %x1 : {kind}", kind, len(x), 2), [x, y])
    check(found, c_power(x, y.astype(np.float64)), kind, 4 if kind == "f32" else 1)


def test_powers_that_are_near_the_ends_of_f32():
    random = np.random.default_rng(5)
    x = np.exp2(random.uniform(-149, 128, 40000)).astype(np.float32)
    y = (random.uniform(-152, 130, 40000) / np.log2(x.astype(np.float64))).astype(np.float32)
    found = run_expanded(generic("%r = math.powf %x0, %x1 : f32", "f32", len(x), 2), [x, y])
    check(found, c_power(x, y.astype(np.float64)), "f32", 4)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(("name", "function"), [("math.atan2", np.arctan2), ("arith.remf", np.fmod)])
def test_functions_of_two_numbers(name, function, kind):
    x, y = pairs(kind)
    found = run_expanded(generic(f"%r = {name} %x0, %x1 : {kind}", kind, len(x), 2), [x, y])
    with np.errstate(all="ignore"):
        exact = function(x.astype(np.float64), y.astype(np.float64))
    check(found, exact, kind, 0 if name == "arith.remf" else 4 if kind == "f32" else 1)


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_remainders_and_angles_of_every_narrow_number(kind):
    x = every(kind)
    for y in (0.1, -3.0, 1e-6):
        constant = np.full_like(x, y)
        for name, function in (("math.atan2", np.arctan2), ("arith.remf", np.fmod)):
            found = run_expanded(generic(f"%r = {name} %x0, %x1 : {kind}", kind, len(x), 2), [x, constant])
            with np.errstate(all="ignore"):
                exact = function(x.astype(np.float64), constant.astype(np.float64))
            check(found, exact, kind, 0 if name == "arith.remf" else 1)


@pytest.mark.parametrize("exponent", [-3, -1, 0, 2, 5])
@pytest.mark.parametrize("kind", ["f16", "bf16", "f32"])
def test_constant_whole_powers(exponent, kind):
    x = samples() if kind == "f32" else every(kind)
    for spelling in (
        f"%n = arith.constant {exponent} : i32\n%r = math.fpowi %x0, %n : {kind}, i32",
        f"%n = arith.constant {exponent}.0 : {kind}\n%r = math.powf %x0, %n : {kind}",
    ):
        found = run_expanded(generic(spelling, kind, len(x)), [x])
        exact = c_power(x, np.float64(exponent))
        if kind != "f16" and exponent < 0:  # x**n overflows f32 before its reciprocal underflows
            normal = (np.abs(exact) > 2.0**-120) | (exact == 0)
            found, exact = found[normal], exact[normal]
        check(found, exact, kind, 4 if kind == "f32" else 1)


@pytest.mark.parametrize("kind", ["f16", "bf16", "f32"])
def test_clamp_and_classification(kind):
    x = samples() if kind == "f32" else every(kind)
    one = f"%z = arith.constant 0.0 : {kind}\n%one = arith.constant 1.0 : {kind}\n"
    found = run_expanded(generic(f"{one}%r = math.clampf %x0 to [%z, %one] : {kind}", kind, len(x)), [x])
    assert np.array_equal(found, np.clip(x, 0, 1), equal_nan=True)
    size = np.abs(x.astype(np.float64))
    normal = np.isfinite(size) & (size >= float(ml_dtypes.finfo(TYPES[kind]).tiny))
    for name, expected in (("isinf", np.isinf(size)), ("isfinite", np.isfinite(size)), ("isnormal", normal)):
        body = f"{one}%c = math.{name} %x0 : {kind}\n%r = arith.select %c, %one, %z : {kind}"
        assert np.array_equal(run_expanded(generic(body, kind, len(x)), [x]), expected.astype(TYPES[kind]))


def compile_vectors(body, kind):
    """Vector instructions for 4 elements, by way of the real lowering and code generation."""
    vector = f"vector<4x{kind}>"
    memory = f"memref<{vector}, #gpu.address_space<global>>"
    text = f"""gpu.module @m {{ gpu.func @k(%a: {memory}, %b: {memory}) kernel {{
      %x = memref.load %a[] : {memory}
      {body.replace("T", vector)}
      memref.store %r, %b[] : {memory}
      gpu.return
    }} }}"""
    rocdl = (
        "convert-gpu-to-rocdl{chipset=gfx942 use-bare-ptr-memref-call-conv=true allowed-dialects=arith,memref,vector}"
    )
    rest = "convert-vector-to-llvm,convert-math-to-llvm,convert-arith-to-llvm,cse,reconcile-unrealized-casts"
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        expand(module.operation)
        PassManager.parse(f"builtin.module(gpu.module({rocdl}),{rest})").run(module.operation)
        use_hardware_math(module)
        isa = generate(translate(module), GFX942).isa
    return [op for op in re.findall(r"^\s+(v_\w+)", isa, re.MULTILINE) if not op.startswith("v_mov_b32")]


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_instructions_an_element(name):
    for kind, limit in zip(TYPES, INSTRUCTIONS[name], strict=True):
        assert len(compile_vectors(f"%r = math.{name} %x : T", kind)) <= 4 * limit, kind


def test_a_sigmoid_in_f32_between_f16_is_4_instructions():
    body = (
        "%one = arith.constant dense<1.0> : V\n%e = arith.extf %x : T to V\n%n = arith.negf %e : V\n"
        "%p = math.exp %n : V\n%d = arith.addf %p, %one : V\n"
        "%q = arith.divf %one, %d : V\n%r = arith.truncf %q : V to T"
    )
    found = compile_vectors(body.replace("V", "vector<4xf32>"), "f16")
    assert len(found) <= 4 * 6 and found.count("v_exp_f32_e32") == 4  # two of the six are casts
    assert not any("div" in op for op in found)


@pytest.mark.parametrize(
    ("body", "exact"),
    [
        ("%r = arith.truncf %p : f32 to f16", False),
        ("%m = arith.mulf %p, %x0 : f32\n%n = math.tanh %m : f32\n%r = arith.truncf %n : f32 to f16", False),
        ("%c = arith.cmpf ogt, %p, %x0 : f32\n%r = arith.select %c, %h, %h : f16", True),
        ("%c = math.isnan %p : f32\n%r = arith.select %c, %h, %h : f16", True),
        ("%i = arith.fptosi %p : f32 to i32\n%r = arith.sitofp %i : i32 to f16", True),
    ],
)
def test_an_f32_result_is_approximate_only_where_it_ends_in_a_narrow_type(body, exact):
    start = "func.func @f(%x0: f32) -> f16 {\n%h = arith.truncf %x0 : f32 to f16\n%p = math.exp %x0 : f32\n"
    text = f"{start}{body}\nreturn %r : f16\n}}"
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        expand(module.operation)
        assert ("math.exp %" in str(module)) == exact
