"""rocfuse-lower-to-llvm: upstream conversions to ROCDL and LLVM, and a check that nothing is left over."""

from __future__ import annotations

from dataclasses import dataclass

from mlir import ir

from rocfuse.dialect import walk
from rocfuse.lowering.hardware_math import use_hardware_math
from rocfuse.lowering.kernel_facts import state_facts
from rocfuse.passes import Pass, PassContext, register, run_upstream

# Inside the gpu.module: loops to branches, addresses to arithmetic, amdgpu and gpu ops to ROCDL; then what remains.
# Math is kept out of convert-gpu-to-rocdl, which would turn it into calls of a device library: LLVM has intrinsics.
# What canonicalize would fold, LLVM folds.
_PIPELINE = (
    "gpu.module(cse,loop-invariant-code-motion,convert-scf-to-cf,"
    "arith-expand,convert-amdgpu-to-rocdl{{chipset={chip}}},"
    "convert-gpu-to-rocdl{{chipset={chip} runtime=HIP use-bare-ptr-memref-call-conv=true "
    "allowed-dialects=arith,cf,func,memref,vector}},"
    "convert-vector-to-llvm,convert-to-llvm{{filter-dialects=ub,math,arith}},cse,"
    "reconcile-unrealized-casts)"
)


@register
@dataclass(frozen=True)
class LowerToLlvm(Pass):
    """Convert the wave form to the llvm form with upstream passes: bare pointers in, ROCDL intrinsics inside.

      gpu.func @f(%x: memref<64x64xf16>) kernel { … amdgpu.mfma … }
    →
      llvm.func @f(%x: !llvm.ptr) attributes {gpu.kernel, rocdl.kernel} { … rocdl.mfma.f32.32x32x8f16 … }
    """

    name = "rocfuse-lower-to-llvm"
    requires = ("wave",)
    ensures = ("llvm",)

    def run(self, module: ir.Module, context: PassContext) -> None:
        """Run the conversions. Upstream's diagnostics come out as they are."""
        for op in walk(module, "gpu.module"):
            run_upstream(op, _PIPELINE.format(chip=context.target.name))
        use_hardware_math(module)
        with module.context:
            state_facts(module)
