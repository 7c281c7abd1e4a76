"""What the planner decides about a program, for the benchmarks: nothing is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mlir import ir

from rocfuse.dialect import MULTI_GEMM, create_context, walk
from rocfuse.fused_kernel import FusedKernel, read_kernel
from rocfuse.options import parse_fields
from rocfuse.passes import PassContext
from rocfuse.pipeline import Pipeline, default_pipeline, run_pipeline
from rocfuse.targets import GFX942 as TARGET
from rocfuse.transforms.plan_kernels import Decision, PlanKernels


def kernel_of(text: str) -> tuple[ir.Module, FusedKernel]:
    """A program's module, which has to be kept, and its one kernel, as the planner gets it."""
    module = ir.Module.parse(text, context=create_context())
    elements = default_pipeline({}).elements
    before = [getattr(one, "name", "") for one in elements].index(PlanKernels.name)
    run_pipeline(module, Pipeline(elements[:before]), PassContext(TARGET, refusal_is_error=True))
    (op,) = walk(module, MULTI_GEMM)
    return module, read_kernel(op.parent)


def decide(text: str, options: Mapping[str, str] = MappingProxyType({})) -> Decision:
    """The planner's decision about the one kernel of a program, with options of rocfuse-plan-kernels."""
    _module, kernel = kernel_of(text)
    return PlanKernels(**parse_fields(PlanKernels, options)).decide(kernel, PassContext(TARGET))
