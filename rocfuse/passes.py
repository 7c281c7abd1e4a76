"""What a pass is, and the one registry of them.

A pass is a frozen dataclass with a kebab-case name, typed options as its fields, the forms that it requires and ensures
(see forms.py) and a `run` that rewrites a module in place. Its docstring shows the IR before and after.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from rocfuse.diagnostics import Refusal, UsageError
from rocfuse.options import parse_fields, print_fields
from rocfuse.targets import GFX942, Target

if TYPE_CHECKING:
    from mlir import ir

    from rocfuse.tuning_db import TuningDb


@dataclass
class PassContext:
    """What the runner hands to every pass: the target, and where remarks and refusals go."""

    target: Target = GFX942
    on_remark: Callable[[str, str], None] | None = None  # (location text, message)
    refusals: list[Refusal] = field(default_factory=list)
    refusal_is_error: bool = False  # the caller raises it: no remark with the same words before
    tuning: TuningDb | None = None  # choices that were recorded for kernels

    @property
    def refused(self) -> frozenset[str]:
        """The names of the functions that stay as they are; an empty name stands for all."""
        return frozenset(one.function for one in self.refusals)

    def remark(self, location: ir.Location | str, message: str) -> None:
        """Tell the user something about an op that is not an error."""
        if self.on_remark:
            self.on_remark(str(location), message)

    def refuse(self, refusal: Refusal) -> None:
        """Record why a function is left as it is, and say so at its op."""
        self.refusals.append(refusal)
        if not self.refusal_is_error:
            self.remark(refusal.location, refusal.reason)


@dataclass(frozen=True)
class Pass:
    """Base of every pass. Subclasses are frozen dataclasses whose fields are the options."""

    name: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()
    ensures: ClassVar[tuple[str, ...]] = ()

    def run(self, module: ir.Module, context: PassContext) -> None:
        """Rewrite `module` in place. Raises CompileError for a program that cannot be compiled."""
        raise NotImplementedError(self.name)  # this class is only the base: every registered pass has its own

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring, for listings."""
        return (cls.__doc__ or "").strip().splitlines()[0]

    @classmethod
    def from_options(cls, texts: dict[str, str]) -> Pass:
        """Build the pass from its option texts. Raises UsageError for one that is unknown or malformed."""
        return cls(**parse_fields(cls, texts))

    def spec(self) -> str:
        """The pass as pipeline text: `name{option=value …}`; parses back to an equal pass."""
        return self.name + print_fields(self)


# name -> module that defines it; modules are imported when their pass is asked for, so that --help answers at once
_MODULES: dict[str, str] = {
    "rocfuse-normalize": "rocfuse.transforms.normalize",
    "rocfuse-split-sliced-gemms": "rocfuse.transforms.split_sliced_gemms",
    "rocfuse-form-multi-gemm": "rocfuse.transforms.form_multi_gemm",
    "rocfuse-expand-math": "rocfuse.transforms.expand_math",
    "rocfuse-plan-kernels": "rocfuse.transforms.plan_kernels",
    "rocfuse-lower-to-gpu": "rocfuse.lowering.lower_to_gpu",
    "rocfuse-pipeline-loop": "rocfuse.lowering.pipeline_loop",
    "rocfuse-lower-to-amdgpu": "rocfuse.lowering.lower_to_amdgpu",
    "rocfuse-lower-to-llvm": "rocfuse.lowering.lower_to_llvm",
    "rocfuse-verify": "rocfuse.transforms.verify",
}
_CLASSES: dict[str, type[Pass]] = {}


def run_upstream(op: ir.Operation, pipeline: str) -> None:
    """Run a pipeline of upstream passes on `op` inside a pass; the runner verifies what the whole pass leaves."""
    from mlir.passmanager import PassManager

    manager = PassManager.parse(pipeline, context=op.context)
    manager.enable_verifier(False)
    manager.run(op)


def register(cls: type[Pass]) -> type[Pass]:
    """Class decorator: enter a pass under its name."""
    _CLASSES[cls.name] = cls
    return cls


def pass_names() -> tuple[str, ...]:
    """Every pass name, in pipeline order."""
    return tuple(_MODULES)


def get_pass(name: str) -> type[Pass]:
    """The pass class called `name`; raises UsageError with the list of names."""
    if name not in _MODULES:
        raise UsageError(f"unknown pass '{name}'; there are: {', '.join(_MODULES)}")
    if name not in _CLASSES:
        importlib.import_module(_MODULES[name])
    return _CLASSES[name]
