"""Pipeline text, the default pipeline, and the runner's checks."""

from dataclasses import dataclass, fields
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlir import ir

from rocfuse import passes
from rocfuse.diagnostics import CompileError, Refusal, UsageError
from rocfuse.dialect import create_context
from rocfuse.forms import FORMS
from rocfuse.opt_arguments import pass_docstring
from rocfuse.passes import Pass, PassContext, get_pass, pass_names
from rocfuse.pipeline import DEFAULT_PASSES, Pipeline, default_pipeline, parse_pipeline, run_pipeline

UPSTREAM = [
    "canonicalize",
    "cse",
    "func.func(cse,canonicalize)",
    "canonicalize{max-iterations=3 top-down=false}",
    "gpu.module(convert-gpu-to-rocdl{chipset=gfx942 use-bare-ptr-memref-call-conv=true})",
    "any(cse)",
    "inline{op-pipelines=func.func(canonicalize,cse)}",
]


PASSES = [get_pass(name) for name in pass_names()]  # imported before the first example is drawn


@st.composite
def pass_elements(draw):
    """Any rocfuse pass with any of its whole-number and true/false options set."""
    cls = draw(st.sampled_from(PASSES))
    texts = {}
    for field in fields(cls):
        if str(field.type).startswith("int") and draw(st.booleans()):
            texts[field.name.replace("_", "-")] = str(draw(st.integers(1, 1 << 20)))
        elif str(field.type) == "bool":
            texts[field.name.replace("_", "-")] = draw(st.sampled_from(["true", "false"]))
    return cls.from_options(texts)


@given(st.lists(st.one_of(pass_elements(), st.sampled_from(UPSTREAM)), max_size=6))
def test_text_round_trips(elements):
    pipeline = Pipeline(tuple(elements))
    assert parse_pipeline(pipeline.text()) == pipeline
    assert parse_pipeline(f"builtin.module({pipeline.text()})") == pipeline


def test_nested_modules_and_spaces_are_dropped():
    pipeline = parse_pipeline("builtin.module( cse , builtin.module(canonicalize),  rocfuse-verify )")
    assert pipeline.text() == "cse,canonicalize,rocfuse-verify"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rocfuse-nonsense", "unknown pass 'rocfuse-nonsense'; there are: rocfuse-normalize"),
        ("cse)", "unexpected ')'"),
        ("func.func(cse", "missing ')'"),
        ("cse,,cse", "expected a pass name"),
        ("func.func(rocfuse-verify)", "rocfuse-verify runs on the module"),
        ("rocfuse-verify(cse)", "after rocfuse-verify"),
        ("rocfuse-plan-kernels{tile-m}", "malformed pass option 'tile-m'"),
        ("builtin.module{}", "expected builtin.module(...)"),
    ],
)
def test_malformed_text(text, message):
    with pytest.raises(UsageError) as error:
        parse_pipeline(text)
    assert message in str(error.value)


def test_default_passes_are_the_registered_ones_in_order():
    assert [name for name in pass_names() if name in DEFAULT_PASSES] == list(DEFAULT_PASSES)
    assert [one.name for one in default_pipeline().elements] == list(DEFAULT_PASSES)


def test_options_reach_their_pass():
    pipeline = default_pipeline({"rocfuse-plan-kernels": {"tile-m": "128"}})
    assert "rocfuse-plan-kernels{tile-m=128}" in pipeline.text()
    with pytest.raises(UsageError, match="no stage of the default pipeline"):
        default_pipeline({"rocfuse-verify": {}})


@dataclass(frozen=True)
class Break(Pass):
    """Take the terminator away."""

    name: ClassVar[str] = "rocfuse-test-break"

    def run(self, module, context):
        list(module.body.operations[0].regions[0].blocks[0].operations)[-1].operation.erase()


@dataclass(frozen=True)
class Needs(Pass):
    """Need a form that is not there."""

    name: ClassVar[str] = "rocfuse-test-needs"
    requires: ClassVar[tuple[str, ...]] = ("test",)
    ensures: ClassVar[tuple[str, ...]] = ("test",)

    def run(self, module, context):
        pass


class Recorder:
    def __init__(self):
        self.events = []

    def before(self, index, element, module):
        self.events.append(("before", index, element))

    def after(self, index, element, module):
        self.events.append(("after", index, element))


@pytest.fixture
def module():
    from mlir import ir

    from rocfuse.dialect import create_context

    return ir.Module.parse("func.func @f() {\n  %0 = arith.constant 1 : i32\n  return\n}", context=create_context())


def test_upstream_passes_run_and_are_observed(module):
    recorder = Recorder()
    run_pipeline(module, parse_pipeline("canonicalize,func.func(cse)"), PassContext(), recorder)
    assert "arith.constant" not in str(module)
    assert [event[:2] for event in recorder.events] == [("before", 1), ("after", 1), ("before", 2), ("after", 2)]


def test_unknown_upstream_pass_is_found_before_anything_runs(module):
    before = str(module)
    with pytest.raises(UsageError, match="'nonsense' does not refer to a registered pass"):
        run_pipeline(module, parse_pipeline("canonicalize,nonsense"), PassContext())
    assert str(module) == before


def test_invalid_ir_after_a_pass_names_the_pass(module):
    with pytest.raises(CompileError, match="rocfuse-test-break left invalid IR"):
        run_pipeline(module, Pipeline((Break(),)), PassContext())


@pytest.mark.parametrize(
    ("answers", "verb"), [([Refusal("has no loop")], "requires"), ([None, Refusal("has no loop")], "ensures")]
)
def test_forms_are_checked_around_a_pass(module, monkeypatch, answers, verb):
    from rocfuse import forms

    replies = iter(answers)
    monkeypatch.setitem(forms.FORMS, "test", lambda module, refused: next(replies))
    with pytest.raises(CompileError, match=f"rocfuse-test-needs {verb} the form 'test': has no loop"):
        run_pipeline(module, Pipeline((Needs(),)), PassContext())


def test_every_pass_says_what_it_does():
    for name in passes.pass_names():
        cls = get_pass(name)
        assert cls.name == name
        assert len(cls.summary()) > 10
        assert pass_docstring(name).splitlines()[0] == cls.summary()


def test_a_product_in_a_kernel_breaks_every_form_of_kernels():
    text = """gpu.module @kernels {
      gpu.func @f(%a: tensor<4x4xf16>) kernel {
        %0 = "rocfuse.gemm"(%a, %a) {indexing_maps = []} : (tensor<4x4xf16>, tensor<4x4xf16>) -> tensor<4x4xf32>
        gpu.return
      }
    }"""
    with create_context():
        module = ir.Module.parse(text)
    for form in ("blockwise", "wave"):
        broken = FORMS[form](module, ())
        assert broken is not None and broken.reason == "rocfuse.gemm is left in a kernel"
