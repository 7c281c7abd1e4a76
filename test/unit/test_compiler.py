"""rocfuse.compile takes text or a module, from any context, and gives the same code object."""

from pathlib import Path

from mlir import ir

import rocfuse

TEXT = (Path(__file__).parents[1] / "inputs" / "swiglu_cat_small.mlir").read_text()


def test_a_module_of_a_foreign_context_is_compiled_and_stays_as_it_is():
    with ir.Context():
        module = ir.Module.parse(TEXT)
        before = str(module)
        code = rocfuse.compile(module)
    assert code.hsaco == rocfuse.compile(TEXT).hsaco
    assert str(module) == before
