"""Pipelines: text to passes and back, the default pipeline, and the runner that checks forms between passes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from rocfuse.diagnostics import CompileError, UsageError
from rocfuse.passes import Pass, PassContext, get_pass
from rocfuse.records import record

if TYPE_CHECKING:
    from mlir import ir

# The whole way from tensors to LLVM, in order, each with the reason for its place.
DEFAULT_PASSES: tuple[str, ...] = (
    "rocfuse-normalize",  # first: every importer's spelling becomes one, so that no later pass matches named ops
    "rocfuse-split-sliced-gemms",  # needs the products as generics; leaves one GEMM for each slice, still plain linalg
    "rocfuse-form-multi-gemm",  # needs separate GEMMs of one shape; from here on a kernel is one op and one combine
    "rocfuse-expand-math",  # after fusing, so that only the combine of a kernel is touched and the rest stays as given
    "rocfuse-plan-kernels",  # last at tensor level: the account is of the kernel as it will be lowered
    "rocfuse-lower-to-gpu",  # grid, K loop and LDS tiles as the plan says
    "rocfuse-pipeline-loop",  # on whole steps, before they are instructions; it only reorders and copies them
    "rocfuse-lower-to-amdgpu",  # steps become instructions only when their order is final
    "rocfuse-lower-to-llvm",  # upstream conversions, once nothing of ours is left
)

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_BRACKETS = {"(": ")", "{": "}", "[": "]", "<": ">"}


@record
class Pipeline:
    """A sequence of passes. A text element is an upstream pass (pipeline), run on builtin.module."""

    elements: tuple[Pass | str, ...]

    def text(self) -> str:
        """The pipeline as text that `parse_pipeline` turns into an equal pipeline."""
        return ",".join(element_text(element) for element in self.elements)


class Instrumentation(Protocol):
    """Told about every element of a running pipeline; `index` counts from 1."""

    def before(self, index: int, element: str, module: ir.Module) -> None:
        """The element is about to run on `module`."""

    def after(self, index: int, element: str, module: ir.Module) -> None:
        """The element ran, and `module` is valid."""


def element_text(element: Pass | str) -> str:
    """One element as pipeline text."""
    return element if isinstance(element, str) else element.spec()


def default_pipeline(options: Mapping[str, Mapping[str, str]] | None = None) -> Pipeline:
    """The passes of DEFAULT_PASSES with `options` (pass name -> option texts).

    Raises UsageError for options of a pass that is not in the pipeline.
    """
    options = options or {}
    for name in options:
        if name not in DEFAULT_PASSES:
            get_pass(name)
            raise UsageError(f"{name} is no stage of the default pipeline; its stages are: {', '.join(DEFAULT_PASSES)}")
    return Pipeline(tuple(get_pass(name).from_options(dict(options.get(name, {}))) for name in DEFAULT_PASSES))


def parse_pipeline(text: str) -> Pipeline:
    """Parse pipeline text: `rocfuse-normalize,func.func(cse),rocfuse-plan-kernels{tile-m=128 tile-n=64}`.

    A `builtin.module(...)` around elements is dropped. Raises UsageError for malformed text, for unknown rocfuse passes
    and for their options; upstream elements are checked by MLIR when the pipeline runs.
    """
    return Pipeline(tuple(_parse_elements(text)))


def parse_options(text: str) -> dict[str, str]:
    """Parse `a=1 b=x` or `a=1,b=x`, in braces or not, into option texts.

    What follows a comma and has no `=` belongs to the value before it: `a=x,y b=1` is a: `x,y` and b: `1`.
    """
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    options: dict[str, str] = {}
    key = ""
    for separator, part in re.findall(r"([\s,]*)([^\s,]+)", text):
        if key and separator == "," and "=" not in part:
            options[key] += f",{part}"
            continue
        key, equals, value = part.partition("=")
        if not key or not equals or not value:
            raise UsageError(f"malformed pass option '{part}': write name=value")
        if key in options:
            raise UsageError(f"pass option '{key}' is given twice")
        options[key] = value
    return options


def pass_options(flags: Iterable[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """The option texts of each pass, those of all its `flags`, (name, option text) pairs, together."""
    options: dict[str, dict[str, str]] = {}
    for name, text in flags:
        known = options.setdefault(name, {})
        for key, value in parse_options(text).items():
            if key in known:
                raise UsageError(f"pass option '{key}' is given twice")
            known[key] = value
    return options


def run_pipeline(
    module: ir.Module, pipeline: Pipeline, context: PassContext, instrumentation: Instrumentation | None = None
) -> None:
    """Run `pipeline` on `module` in place, verifying the module and the forms around every pass.

    A refused function comes out as it was before the first of our passes, and the others go on without it; where none
    is left, neither is a pass of ours. `context.refusals` says why.
    Raises UsageError for an upstream element that MLIR does not know, CompileError for a program that fails.
    """
    from mlir import ir

    from rocfuse.transforms.matching import functions, restore

    snapshot = None
    stopped = False  # nothing is left that was not refused
    with module.context, ir.Location.unknown():
        holding: tuple[str, ...] = ()  # forms that the pass before was checked to ensure
        managers = {element: _upstream(element) for element in pipeline.elements if isinstance(element, str)}
        for index, element in enumerate(pipeline.elements, 1):
            text = element_text(element)
            if stopped and isinstance(element, Pass):
                continue
            if instrumentation:
                instrumentation.before(index, text, module)
            if isinstance(element, Pass):
                forms = tuple(set(element.requires) - set(holding))
                _check_forms(element, "requires", forms, module, context.refused, pipeline.elements[: index - 1])
            known = context.refused
            try:
                if isinstance(element, Pass):
                    snapshot = snapshot or module.operation.clone()
                    element.run(module, context)
                else:
                    managers[element].run(module.operation)
            except ir.MLIRError as error:
                raise mlir_failure(error, text) from error
            if snapshot is not None and (refused := context.refused - known):
                restore(module, snapshot, refused)
                stopped = not functions(module, context.refused)
            _verify(module, text, element)
            holding = ()
            if isinstance(element, Pass) and not stopped:
                _check_forms(element, "ensures", element.ensures, module, context.refused)
                holding = element.ensures
            if instrumentation:
                instrumentation.after(index, text, module)


def mlir_failure(error: ir.MLIRError, element: str) -> CompileError:
    """The CompileError for what MLIR reported while `element` ran; its cause keeps every diagnostic."""
    for diagnostic in error.error_diagnostics:
        failure = CompileError(f"{element}: {diagnostic.message}", str(diagnostic.location))
        break
    else:
        failure = CompileError(f"{element} failed: {str(error).strip()}")
    failure.__cause__ = error
    return failure


def _parse_elements(text: str) -> Iterator[Pass | str]:
    if not text.strip():
        return
    for part in _split(text):
        name_match = _NAME.match(part)
        if not name_match:
            raise UsageError(f"malformed pipeline: expected a pass name at '{part}'")
        name, rest = name_match.group(), part[name_match.end() :].strip()
        if name == "builtin.module":
            if not (rest.startswith("(") and rest.endswith(")")):
                raise UsageError("malformed pipeline: expected builtin.module(...)")
            yield from _parse_elements(rest[1:-1])
        elif name.startswith("rocfuse-"):
            if rest and not (rest.startswith("{") and rest.endswith("}")):
                raise UsageError(f"malformed pipeline: expected '{{options}}' or ',' after {name}, not '{rest}'")
            yield get_pass(name).from_options(parse_options(rest))
        else:
            nested = re.search(r"\brocfuse-[\w-]+", rest)
            if nested:
                raise UsageError(f"{nested.group()} runs on the module: move it out of {name}(...)")
            yield name + rest


def _split(text: str) -> Iterator[str]:
    """The comma-separated parts of `text`, brackets respected."""
    closing: list[str] = []
    start = 0
    for position, char in enumerate(text):
        if char in _BRACKETS:
            closing.append(_BRACKETS[char])
        elif closing and char == closing[-1]:
            closing.pop()
        elif char in ")}":
            raise UsageError(f"malformed pipeline: unexpected '{char}' after '{text[:position]}'")
        elif char == "," and not closing:
            yield text[start:position].strip()
            start = position + 1
    if closing:
        raise UsageError(f"malformed pipeline: missing '{closing[-1]}' at the end of '{text}'")
    yield text[start:].strip()


def _upstream(element: str) -> Any:
    from mlir.passmanager import PassManager

    try:
        return PassManager.parse(f"builtin.module({element})")
    except ValueError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip() and line.strip() != "^"]
        reason = lines[0].split("error: ")[-1] if lines else "not understood"
        raise UsageError(f"pipeline element '{element}': {reason}") from error


def _verify(module: ir.Module, text: str, element: Pass | str) -> None:
    from mlir import ir

    from rocfuse.transforms.verify import verify_module

    try:
        module.operation.verify()
    except ir.MLIRError as error:
        raise mlir_failure(error, f"{text} left invalid IR") from error
    # from the blockwise form on, the forms say that kernels hold no product, and other functions are done with
    if not isinstance(element, Pass) or not set(element.ensures) & {"blockwise", "wave", "llvm"}:
        verify_module(module)


def _check_forms(
    element: Pass,
    verb: str,
    forms: tuple[str, ...],
    module: ir.Module,
    refused: Collection[str],
    earlier: tuple[Pass | str, ...] = (),
) -> None:
    """Raise CompileError for a form that does not hold; for one that no `earlier` pass ensures, it says which does."""
    if not forms:
        return
    from rocfuse.forms import FORMS

    for form in forms:
        broken = FORMS[form](module, refused)
        if broken:
            makers = [one for one in DEFAULT_PASSES if form in get_pass(one).ensures] if verb == "requires" else []
            ran = any(isinstance(one, Pass) and form in one.ensures for one in earlier)
            hint = f"; run {makers[0]} before it" if makers and not ran else ""
            raise CompileError(f"{element.name} {verb} the form '{form}': {broken.reason}{hint}", broken.location)
