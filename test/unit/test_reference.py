"""The CPU references: roundings are the IR's, float64 is float64, and two evaluators that share no code agree."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from mlir import ir

from rocfuse.diagnostics import CompileError
from rocfuse.sim import cpu, reference, retype

INPUTS = Path(__file__).parents[1] / "inputs"
SMALL = ["seed_small", "geglu_sd21_small", "glu_small_tosa", "swiglu_cat_small", "swiglu_sep_small"]
BF16 = np.dtype(ml_dtypes.bfloat16)


def program(name):
    return (INPUTS / f"{name}.mlir").read_text()


def random_arguments(text, seed=0):
    """Normal data of scale 0.5 in the argument types of the program."""
    random = np.random.default_rng(seed)
    with ir.Context(), ir.Location.unknown():
        function = cpu.entry_function(cpu.parse_program(text))
        inputs = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value).inputs
        tensors = [ir.RankedTensorType(one) for one in inputs]
        return [(random.standard_normal(one.shape) * 0.5).astype(cpu.numpy_type(one.element_type)) for one in tensors]


def elementwise(body, dtype, inputs=1, result=None):
    """A rank-1 program of 4 elements with `body` in a linalg.generic; the body ends with its yield."""
    result = result or dtype
    names = [f"%a{i}" for i in range(inputs)]
    maps = ", ".join(["affine_map<(d0) -> (d0)>"] * (inputs + 1))
    arguments = ", ".join(f"{name}: tensor<4x{dtype}>" for name in names)
    scalars = ", ".join(f"%x{i}: {dtype}" for i in range(inputs))
    return f"""func.func @f({arguments}) -> tensor<4x{result}> {{
      %e = tensor.empty() : tensor<4x{result}>
      %r = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel"]}}
        ins({", ".join(names)} : {", ".join([f"tensor<4x{dtype}>"] * inputs)}) outs(%e : tensor<4x{result}>) {{
      ^bb0({scalars}, %out: {result}):
        {body}
      }} -> tensor<4x{result}>
      return %r : tensor<4x{result}>
    }}"""


def test_swiglu_is_what_numpy_says():
    text = program("swiglu_sep_small")
    x, gate, up = random_arguments(text)
    found = reference.evaluate(text, [x, gate, up])
    g, v = (x.astype(np.float64) @ w.astype(np.float64).T for w in (gate, up))
    expected = g / (1 + np.exp(-g)) * v
    assert np.allclose(found.exact[0], expected, rtol=1e-12, atol=1e-12)
    assert found.rounded[0].dtype == np.float16
    assert np.allclose(found.rounded[0], expected, rtol=4e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.dtype(np.float16), BF16])
def test_every_op_rounds_to_its_type(dtype):
    name = "f16" if dtype == np.float16 else "bf16"
    text = elementwise(
        f"%p = arith.mulf %x0, %x0 : {name}\n%s = arith.addf %p, %x0 : {name}\nlinalg.yield %s : {name}", name
    )
    x = np.array([1.3, -0.7, 30.0, 1e-4]).astype(dtype)
    found = reference.evaluate(text, [x])
    square = (x.astype(np.float32) ** 2).astype(dtype)
    assert np.array_equal(found.rounded[0], (square.astype(np.float32) + x.astype(np.float32)).astype(dtype))
    wide = x.astype(np.float64)
    assert np.array_equal(found.exact[0], wide**2 + wide)


def test_f16_math_is_evaluated_in_f32_and_rounded_once():
    x = np.array([0.01, -3.0, 0.5, 11.0], np.float16)
    text = elementwise("%t = math.tanh %x0 : f16\n%y = math.exp %t : f16\nlinalg.yield %y : f16", "f16")
    tanh = np.tanh(x.astype(np.float64)).astype(np.float16)
    assert np.array_equal(reference.evaluate(text, [x]).rounded[0], np.exp(tanh.astype(np.float64)).astype(np.float16))


def test_a_cast_constant_keeps_its_rounded_value_in_float64():
    text = elementwise(
        "%c = arith.constant 1.702 : f64\n%h = arith.truncf %c : f64 to f16\n%k = arith.constant 0.1 : f16\n"
        "%p = arith.mulf %x0, %h : f16\n%q = arith.addf %p, %k : f16\nlinalg.yield %q : f16",
        "f16",
    )
    x = np.array([1, 2, 3, 4], np.float16)
    constants = np.array([1.702, 0.1], np.float16).astype(np.float64)
    assert np.array_equal(reference.evaluate(text, [x]).exact[0], x.astype(np.float64) * constants[0] + constants[1])


def test_casts_disappear_in_float64():
    with ir.Context(), ir.Location.unknown():
        wide = str(retype.to_float64(cpu.parse_program(program("geglu_sd21_small"))))
    assert "truncf" not in wide and "extf" not in wide and "f16" not in wide and "f32" not in wide


def test_an_assert_is_dropped_even_when_it_fails():
    text = elementwise(
        '%z = arith.constant 0.0 : f16\n%c = arith.cmpf one, %x0, %z : f16\ncf.assert %c, "zero"\n'
        "linalg.yield %x0 : f16",
        "f16",
    )
    x = np.array([0, np.nan, 1, 2], np.float16)
    assert np.array_equal(reference.evaluate(text, [x]).rounded[0], x, equal_nan=True)


def test_bit_patterns_are_arguments_and_arguments_stay():
    text = elementwise("%s = arith.negf %x0 : bf16\nlinalg.yield %s : bf16", "bf16")
    x = np.array([1, -2, 3, 0], BF16)
    before = x.copy()
    assert np.array_equal(reference.evaluate_module_text(text, [x.view(np.uint16)])[0], -x)
    assert np.array_equal(x, before)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "takes 1 arrays, not 0"),
        ([np.zeros(4, np.float32)], "argument 0 is 4xfloat32, the function takes tensor<4xf16>"),
        ([np.zeros(5, np.float16)], "argument 0 is 5xfloat16"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays, message):
    with pytest.raises(CompileError, match=message):
        reference.evaluate(elementwise("linalg.yield %x0 : f16", "f16"), arrays)


def test_unreadable_programs_are_refused():
    with pytest.raises(CompileError, match="cannot read the program"):
        reference.evaluate("func.func @f(", [])
    with pytest.raises(CompileError, match="one function that is public, the module has 0"):
        reference.evaluate("module {}", [])
    with pytest.raises(CompileError, match="static shape"):
        reference.evaluate(
            "func.func @f(%a: tensor<?xf16>) -> tensor<?xf16> { return %a : tensor<?xf16> }", [np.zeros(4, np.float16)]
        )
