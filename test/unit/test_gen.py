"""Generated programs: all combinations verify and have the shapes that were asked for."""

import itertools
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
