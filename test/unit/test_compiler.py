"""rocfuse.compile takes text or a module, from any context, and gives the same code object."""

import contextlib
import gc
from pathlib import Path

import pytest
from mlir import ir

import rocfuse
from rocfuse.diagnostics import CompileError

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
