"""rocfuse.compile takes text or a module, from any context, and gives the same code object."""

import contextlib
import gc
from pathlib import Path

import pytest
from mlir import ir

import rocfuse
from rocfuse.diagnostics import CompileError, UsageError

TEXT = (Path(__file__).parents[1] / "inputs" / "swiglu_cat_small.mlir").read_text()


def test_a_module_of_a_foreign_context_is_compiled_and_stays_as_it_is():
    with ir.Context():
        module = ir.Module.parse(TEXT)
        before = str(module)
        code = rocfuse.compile(module)
    assert code.hsaco == rocfuse.compile(TEXT).hsaco
    assert str(module) == before


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("text", [TEXT, "func.func @nothing() { return }"])
def test_the_cyclic_collector_is_as_it_was_after_a_compilation(on, text):
    was = gc.isenabled()
    try:
        (gc.enable if on else gc.disable)()
        with contextlib.suppress(CompileError):
            rocfuse.compile(text)
        assert gc.isenabled() == on
    finally:
        (gc.enable if was else gc.disable)()


def test_options_are_values_or_text():
    pinned = {"tile-m": 32, "objective": "latency"}
    code = rocfuse.compile(TEXT, options={"rocfuse-plan-kernels": pinned})
    assert code.plan["tile"]["m"] == 32
    assert rocfuse.compile(TEXT, options={"rocfuse-plan-kernels": "tile-m=32,objective=latency"}).hsaco == code.hsaco


@pytest.mark.parametrize(
    ("program", "options", "message"),
    [
        (TEXT, "rocfuse-plan-kernels", "options: need a dict of pass names, {'PASS': {'NAME': value}}, have str"),
        (TEXT, {"rocfuse-plan-kernels": 7}, "rocfuse-plan-kernels: need a dict of options or their text, 'NAME=value"),
        (TEXT, {"rocfuse-plan-kernels": "latency"}, "malformed pass option 'latency': write name=value"),
        (TEXT, {"rocfuse-plan-kernels": {"tile-m": 6.5}}, "option 'tile-m' takes a str, int or bool, not float"),
        (TEXT, {"rocfuse-plan-kernels": {"tile-m": True}}, "option 'tile-m' takes a whole number, not 'true'"),
        (None, None, "the program: need MLIR text or an ir.Module, have NoneType"),
    ],
)
def test_wrong_arguments_are_usage_errors(program, options, message):
    with pytest.raises(UsageError) as error:
        rocfuse.compile(program, options=options)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_code_object_is_shown_in_short():
    code = rocfuse.compile(TEXT)
    assert repr(code) == f"CodeObject({code.plan['name']} for gfx942, {len(code.hsaco)} B)"
