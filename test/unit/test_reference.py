"""The CPU references: roundings are the IR's, float64 is float64, and two evaluators that share no code agree."""

import math
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from mlir import ir

from rocfuse.diagnostics import CompileError
from rocfuse.sim import cpu, interpret, reference, retype
from rocfuse.sim.compare import compare

INPUTS = Path(__file__).parents[1] / "inputs"
SMALL = ["seed_small", "geglu_sd21_small", "glu_small_tosa", "swiglu_cat_small", "swiglu_sep_small"]
BF16 = np.dtype(ml_dtypes.bfloat16)
TYPES = {"f16": np.dtype(np.float16), "bf16": BF16, "f32": np.dtype(np.float32)}


def program(name):
    return (INPUTS / f"{name}.mlir").read_text()


def random_arguments(text, seed=0):
    """Normal data of scale 0.5 in the argument types of the program."""
    random = np.random.default_rng(seed)
    with ir.Context(), ir.Location.unknown():
        module = cpu.parse_program(text)  # held: the function does not keep it
        function = cpu.entry_function(module)
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


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_narrow_fused_multiply_adds_are_evaluated_in_f32(kind):
    text = elementwise(f"%r = math.fma %x0, %x1, %x0 : {kind}\nlinalg.yield %r : {kind}", kind, 2)
    x, y = (np.array(one).astype(TYPES[kind]) for one in ([1.3, -0.7, 30.0, 1e-4], [0.3, 7.1, -2.2, 5.0]))
    found, wide = reference.evaluate(text, [x, y]), x.astype(np.float32)
    assert np.array_equal(found.rounded[0], (wide * y.astype(np.float32) + wide).astype(TYPES[kind]))


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_a_number_that_was_an_integer_is_rounded_to_a_narrow_type(kind):
    text = elementwise(
        f"%w = arith.extf %x0 : {kind} to f32\n%i = arith.fptosi %w : f32 to i32\n%one = arith.constant 1 : i32\n"
        f"%n = arith.addi %i, %one : i32\n%f = arith.sitofp %n : i32 to f32\n%r = arith.truncf %f : f32 to {kind}\n"
        f"linalg.yield %r : {kind}",
        kind,
    )
    x = np.array([256.0, 2048.0, -3.0, 0.0]).astype(TYPES[kind])
    expected = (x.astype(np.float32) + 1).astype(TYPES[kind])
    assert np.array_equal(reference.evaluate(text, [x]).rounded[0], expected)


@pytest.mark.parametrize("kind", ["f16", "bf16"])
def test_a_product_that_has_a_name(kind):
    text = f"""func.func @f(%a: tensor<3x5x{kind}>, %b: tensor<5x4x{kind}>, %c: tensor<3x4xf32>) -> tensor<3x4xf32> {{
      %m = linalg.matmul ins(%a, %b : tensor<3x5x{kind}>, tensor<5x4x{kind}>)
        outs(%c : tensor<3x4xf32>) -> tensor<3x4xf32>
      return %m : tensor<3x4xf32>
    }}"""
    a, b = (np.arange(size).reshape(shape) % 7 - 3.0 for size, shape in ((15, (3, 5)), (20, (5, 4))))
    found = reference.evaluate(text, [a.astype(TYPES[kind]), b.astype(TYPES[kind]), np.ones((3, 4), np.float32)])
    assert np.array_equal(found.rounded[0], a @ b + 1)


def test_a_run_time_function_that_is_missing_is_an_error_of_the_program():
    text = """func.func private @missing(f32) -> f32
    func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
      %c = arith.constant 0 : index
      %e = tensor.extract %x[%c] : tensor<4xf32>
      %y = func.call @missing(%e) : (f32) -> f32
      %r = tensor.insert %y into %x[%c] : tensor<4xf32>
      return %r : tensor<4xf32>
    }"""
    with pytest.raises(CompileError, match="cannot link the program"):
        reference.evaluate_module_text(text, [np.zeros(4, np.float32)])


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


def test_arith_and_math_on_whole_tensors():
    text = """func.func @f(%x: tensor<2x3xf32>) -> tensor<2x3xf16> {
      %h = arith.truncf %x : tensor<2x3xf32> to tensor<2x3xf16>
      %y = math.absf %h : tensor<2x3xf16>
      return %y : tensor<2x3xf16>
    }"""
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    found = reference.evaluate(text, [x])
    assert (found.rounded[0] == np.abs(x.astype(np.float16))).all()
    assert (found.exact[0] == np.abs(x.astype(np.float64))).all()


def test_comparisons_of_whole_tensors():
    text = """func.func @f(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
      %m = tosa.greater %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
      %r = tosa.select %m, %x, %y : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      return %r : tensor<4xf32>
    }"""
    x, y = np.array([1, 2, 3, 4], np.float32), np.array([4, 3, 2, 1], np.float32)
    assert reference.evaluate(text, [x, y]).rounded[0].tolist() == [4, 3, 3, 4]
    alone = text.replace("-> tensor<4xf32> {", "-> tensor<4xi1> {").replace(
        "return %r : tensor<4xf32>", "return %m : tensor<4xi1>"
    )
    with pytest.raises(CompileError, match="tensor of i1"):
        reference.evaluate(alone, [x, y])


def test_a_value_that_is_returned_twice():
    text = elementwise("%y = arith.negf %x0 : f32\nlinalg.yield %y : f32", "f32")
    text = text.replace("-> tensor<4xf32> {\n      %e", "-> (tensor<4xf32>, tensor<4xf32>) {\n      %e")
    text = text.replace("return %r : tensor<4xf32>", "return %r, %r : tensor<4xf32>, tensor<4xf32>")
    found = reference.evaluate(text, [np.arange(4, dtype=np.float32)])
    assert [one.tolist() for one in found.rounded] == [[-0.0, -1, -2, -3]] * 2


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
        ([], "need 1 array, have 0"),
        ([np.zeros(4, np.float32)], "argument 0 is 4xfloat32, the function takes tensor<4xf16>"),
        ([np.zeros(5, np.float16)], "argument 0 is 5xfloat16"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays, message):
    with pytest.raises(CompileError, match=message):
        reference.evaluate(elementwise("linalg.yield %x0 : f16", "f16"), arrays)


def test_functions_that_no_other_calls_are_evaluated_in_turn():
    negate = elementwise("%y = arith.negf %x0 : f16\nlinalg.yield %y : f16", "f16").replace("@f", "@negate")
    add = elementwise("%y = arith.addf %x0, %x1 : f32\nlinalg.yield %y : f32", "f32", inputs=2).replace("@f", "@add")
    call = """func.func @twice(%a: tensor<4xf16>) -> tensor<4xf16> {
      %b = call @negate(%a) : (tensor<4xf16>) -> tensor<4xf16>
      %c = call @negate(%b) : (tensor<4xf16>) -> tensor<4xf16>
      return %c : tensor<4xf16>
    }"""
    x, y = np.arange(4, dtype=np.float16), np.ones(4, np.float32)
    found = reference.evaluate(negate + add, [x, y, y])
    assert [list(one) for one in found.rounded] == [list(-x), list(y + y)]
    assert [one.dtype for one in found.exact] == [np.float64, np.float64]
    (twice, total) = reference.evaluate_module_text(call + negate + add, [x, y, y])
    assert list(twice) == list(x) and list(total) == list(y + y)
    with pytest.raises(CompileError, match="need 3 arrays for 2 functions, have 1"):
        reference.evaluate(negate + add, [x])
    assert list(reference.evaluate(negate + add, [x], name="negate").rounded[0]) == list(-x)


def test_unreadable_programs_are_refused():
    with pytest.raises(CompileError, match="cannot read the program"):
        reference.evaluate("func.func @f(", [])
    with pytest.raises(CompileError, match="one function that is public, the module has 0"):
        reference.evaluate("module {}", [])
    with pytest.raises(CompileError, match="static shape"):
        reference.evaluate(
            "func.func @f(%a: tensor<?xf16>) -> tensor<?xf16> { return %a : tensor<?xf16> }", [np.zeros(4, np.float16)]
        )


def by_numpy(text, arrays):
    """Both references by the numpy evaluator, whatever the program's size."""
    with ir.Context(), ir.Location.unknown():
        module = cpu.parse_program(text)
        wide = retype.to_float64(module)
        exact = interpret.evaluate(wide, [array.astype(np.float64) for array in arrays])
        return reference.References(interpret.evaluate(module, arrays), exact)


def check_evaluators_agree(text, arrays):
    """float64 to its own accuracy; the rest by the tolerance rule, as a contraction may add in another order."""
    engine, found = reference.evaluate(text, arrays), by_numpy(text, arrays)
    for number, exact in enumerate(engine.exact):
        assert np.allclose(found.exact[number], exact, rtol=1e-12, atol=1e-12, equal_nan=True)
        assert found.rounded[number].dtype == engine.rounded[number].dtype
        for one, other in ((found, engine), (engine, found)):
            result = compare(one.rounded[number], other.rounded[number], exact)
            assert result.ok, result.message
    return engine, found


@pytest.mark.parametrize("name", SMALL)
def test_numpy_and_the_execution_engine_agree(name):
    text = program(name)
    arrays = random_arguments(text)
    engine, _ = check_evaluators_agree(text, arrays)
    band = [(3, extent - 1) if extent > 8 else (0, extent) for extent in engine.exact[0].shape]
    place = tuple(slice(*one) for one in band)
    found = reference.evaluate(text, arrays, band=band)
    assert np.allclose(found.exact[0], engine.exact[0][place], rtol=1e-12, atol=1e-12)
    assert compare(found.rounded[0], engine.rounded[0][place], engine.exact[0][place]).ok


@pytest.mark.parametrize("kind", ["f16", "bf16", "f32"])
@pytest.mark.parametrize(
    "op",
    [
        *(
            "math.exp",
            "math.erf",
            "math.tanh",
            "math.rsqrt",
            "math.log1p",
            "math.floor",
            "math.roundeven",
            "math.round",
        ),
        *("arith.divf", "arith.maximumf", "arith.minnumf", "arith.remf", "math.powf", "math.copysign", "math.atan2"),
    ],
)
def test_numpy_and_the_execution_engine_agree_on_ops(op, kind):
    two = op.startswith("arith") or op in ("math.powf", "math.copysign", "math.atan2")
    text = elementwise(f"%r = {op} {'%x0, %x1' if two else '%x0'} : {kind}\nlinalg.yield %r : {kind}", kind, 1 + two)
    text = text.replace("tensor<4x", "tensor<512x")
    random = np.random.default_rng(3)
    special = np.array([0, -0.0, 1, -1, 0.5, 2.5, np.inf, -np.inf, np.nan])
    data = np.concatenate([random.standard_normal(512 - special.size) * 3, special])
    check_evaluators_agree(text, [random.permutation(data).astype(TYPES[kind]) for _ in range(1 + two)])


SHAPES = """
func.func @f(%a: tensor<6x4xf16>, %b: tensor<2x3x8xf16>) -> (tensor<3x7xf16>, tensor<48xf16>, tensor<4x3xf32>) {
  %t = tensor.expand_shape %a [[0, 1], [2]] output_shape [2, 3, 4] : tensor<6x4xf16> into tensor<2x3x4xf16>
  %i = tensor.insert_slice %t into %b[0, 0, 2] [2, 3, 4] [1, 1, 1] : tensor<2x3x4xf16> into tensor<2x3x8xf16>
  %s = tensor.extract_slice %i[1, 0, 0] [1, 3, 4] [1, 1, 2] : tensor<2x3x8xf16> to tensor<3x4xf16>
  %h = tensor.extract_slice %a[1, 1] [3, 3] [2, 1] : tensor<6x4xf16> to tensor<3x3xf16>
  %c = tensor.concat dim(1) %s, %h : (tensor<3x4xf16>, tensor<3x3xf16>) -> tensor<3x7xf16>
  %l = tensor.collapse_shape %i [[0, 1, 2]] : tensor<2x3x8xf16> into tensor<48xf16>
  %e = tensor.empty() : tensor<4x3xf32>
  %m = linalg.generic {indexing_maps = [affine_map<(i, j) -> (j + 1, i)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]} ins(%a : tensor<6x4xf16>) outs(%e : tensor<4x3xf32>) {
  ^bb0(%x: f16, %o: f32):
    %n = linalg.index 1 : index
    %k = arith.index_cast %n : index to i32
    %g = arith.sitofp %k : i32 to f32
    %w = arith.extf %x : f16 to f32
    %p = arith.mulf %w, %g : f32
    linalg.yield %p : f32
  } -> tensor<4x3xf32>
  return %c, %l, %m : tensor<3x7xf16>, tensor<48xf16>, tensor<4x3xf32>
}"""


def test_numpy_moves_elements_as_the_execution_engine_does():
    arrays = random_arguments(SHAPES)
    engine, found = check_evaluators_agree(SHAPES, arrays)
    for one, other in zip(engine.rounded, found.rounded, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("band", [[(0, 48)], [(5, 19)], [(23, 25)], [(47, 48)], [(7, 7)]])
def test_a_band_of_a_collapsed_value(band):
    text = SHAPES.replace("-> (tensor<3x7xf16>, tensor<48xf16>, tensor<4x3xf32>)", "-> tensor<48xf16>")
    text = text.replace(
        "return %c, %l, %m : tensor<3x7xf16>, tensor<48xf16>, tensor<4x3xf32>", "return %l : tensor<48xf16>"
    )
    arrays = random_arguments(text)
    everything = reference.evaluate(text, arrays).rounded[0]
    assert np.array_equal(reference.evaluate(text, arrays, band=band).rounded[0], everything[slice(*band[0])])


def test_sums_with_narrow_accumulators_round_at_each_step():
    text = """func.func @f(%a: tensor<9x33xf16>, %b: tensor<33x5xf16>) -> tensor<9x5xf16> {
      %z = arith.constant 0.0 : f16
      %e = tensor.empty() : tensor<9x5xf16>
      %f = linalg.fill ins(%z : f16) outs(%e : tensor<9x5xf16>) -> tensor<9x5xf16>
      %m = linalg.matmul ins(%a, %b : tensor<9x33xf16>, tensor<33x5xf16>) outs(%f : tensor<9x5xf16>) -> tensor<9x5xf16>
      return %m : tensor<9x5xf16>
    }"""
    engine, found = check_evaluators_agree(text, random_arguments(text))
    assert np.array_equal(engine.rounded[0], found.rounded[0])


def test_a_band_of_a_full_size_layer_is_quick():
    text = program("geglu_sd21_l0")
    arrays = random_arguments(text)
    found = reference.evaluate(text, arrays, band=[(1, 2), (4000, 4064), (100, 164)])
    x, weight, bias = (array.astype(np.float64) for array in arrays)
    x = x[1, 4000:4064]
    h = x @ weight[100:164].T + bias[100:164]
    g = x @ weight[1380:1444].T + bias[1380:1444]
    root = float(np.sqrt(np.float64(2)))
    erf = np.vectorize(math.erf)(g / root)
    assert np.allclose(found.exact[0][0], h * (g * ((erf + 1) * 0.5)), rtol=1e-9, atol=1e-9)
    assert np.allclose(found.rounded[0], found.exact[0], rtol=2e-2, atol=2e-2)


def test_an_op_that_numpy_does_not_know_is_named():
    text = """func.func @f(%a: tensor<4xf16>) -> tensor<6xf16> {
      %z = arith.constant 0.0 : f16
      %p = tensor.pad %a low[1] high[1] {
      ^bb0(%i: index):
        tensor.yield %z : f16
      } : tensor<4xf16> to tensor<6xf16>
      return %p : tensor<6xf16>
    }"""
    arrays = random_arguments(text)
    assert reference.evaluate(text, arrays).rounded[0].shape == (6,)
    with pytest.raises(CompileError, match=r"does not know 'tensor\.pad'"):
        reference.evaluate(text, arrays, band=[(0, 2)])
