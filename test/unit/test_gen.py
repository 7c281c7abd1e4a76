"""Generated programs: all combinations verify and have the shapes that were asked for."""

import itertools
import math
import subprocess
import sys

import pytest

from rocfuse.diagnostics import UsageError
from rocfuse.gen import CHOICES, GenOptions, build, main


@pytest.mark.parametrize(("pattern", "combine"), list(itertools.product(CHOICES["pattern"], CHOICES["combine"])))
def test_every_combination_verifies(pattern, combine):
    rest = itertools.product(CHOICES["bias"], CHOICES["layout"], CHOICES["dtype"], (False, True), (None, 3), (1, 2, 3))
    for bias, layout, dtype, residual, batch, gemms in rest:
        options = GenOptions(pattern, 5, 7, 9, batch, gemms, combine, bias, layout, dtype, residual)
        module = build(options)
        assert module.operation.verify(), options
        function = module.body.operations[0]
        products = 1 if pattern == "sliced" else gemms
        assert len(function.arguments) == 1 + products * (1 if bias == "none" else 2) + residual
        lead = f"{batch}x" if batch else ""
        assert [str(one) for one in function.type.results] == [f"tensor<{lead}5x7x{dtype}>"]


def test_sliced_has_one_product_and_a_slice_for_each_factor():
    text = str(build(GenOptions(pattern="sliced", n=10, k=6, gemms=3)))
    assert text.count("linalg.matmul ") == 1
    assert [f"[0, {offset}] [64, 10]" in text for offset in (0, 10, 20)] == [True] * 3


def test_separate_has_a_product_for_each_factor_and_one_a():
    text = str(build(GenOptions(pattern="separate", gemms=3, layout="nk")))
    assert text.count("linalg.matmul ins(%arg0,") == 3
    assert text.count("linalg.transpose") == 3


@pytest.mark.parametrize(
    "options",
    [{"m": 0}, {"n": -1}, {"k": 2**31}, {"gemms": 0}, {"batch": 0}, {"dtype": "f64"}, {"combine": "x"}, {"gemms": 65}],
)
def test_bad_options(options):
    with pytest.raises(UsageError):
        build(GenOptions(**options))


@pytest.mark.parametrize("flag", ["--m=0", "--n=x", "--combine=none", "--colour", "--batch=0", "--bias=column"])
def test_bad_flags_exit_with_2_and_one_line(flag, capsys):
    assert main([flag]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1


def test_command_prints_mlir():
    command = [sys.executable, "-m", "rocfuse.gen", "--pattern=separate", "--combine=geglu-tanh", "--residual"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.count("math.tanh") == 1
    assert result.stderr == ""


def reference(options, arrays):
    """What the options say, in float64."""
    import numpy as np

    def erf(x):
        return np.vectorize(math.erf)(x)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    activations = {
        "swiglu": lambda x: x * sigmoid(x),
        "geglu": lambda x: x * 0.5 * (1 + erf(x / math.sqrt(2))),
        "geglu-tanh": lambda x: x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        "reglu": lambda x: np.maximum(x, 0),
        "glu": sigmoid,
        "bilinear": lambda x: x,
    }
    arrays = [array.astype(np.float64) for array in arrays]
    a, factors = arrays.pop(0), []
    for _ in range(1 if options.pattern == "sliced" else options.gemms):
        weight = arrays.pop(0)
        product = a @ (weight if options.layout == "kn" else np.swapaxes(weight, -1, -2))
        factors.append(product + arrays.pop(0) if options.bias != "none" else product)
    if options.pattern == "sliced":
        factors = np.split(factors[0], options.gemms, axis=-1)
    gate = factors.pop(0 if options.combine == "swiglu" else -1)
    result = math.prod(factors, start=activations[options.combine](gate))
    return result + arrays.pop(0) if options.residual else result


@pytest.mark.parametrize("combine", CHOICES["combine"])
@pytest.mark.parametrize(
    "rest",
    [
        {"pattern": "sliced", "bias": "row", "layout": "nk", "gemms": 3},
        {"pattern": "separate", "bias": "full", "residual": True, "batch": 2},
        {"pattern": "sliced", "batch": 2, "layout": "nk", "gemms": 1, "residual": True, "bias": "full"},
    ],
)
def test_programs_compute_what_they_say(combine, rest):
    import numpy as np

    from rocfuse.sim.reference import evaluate_module_text

    options = GenOptions(m=6, n=5, k=7, combine=combine, **rest)
    module = build(options)
    random = np.random.default_rng(1)
    types = module.body.operations[0].type.inputs
    arrays = [random.uniform(-1, 1, tuple(one.shape)).astype(np.float16) for one in types]
    (found,) = evaluate_module_text(str(module), arrays)
    np.testing.assert_allclose(found.astype(np.float64), reference(options, arrays), atol=0.02, rtol=0.02)
