"""The K loop of the largest plan keeps the figures that it was built for: matrix work, and little else."""

from __future__ import annotations

import pytest

from bench import isa_stats
from rocfuse import gen
from rocfuse.codegen.elf import read_kernels
from rocfuse.codegen.link import link
from rocfuse.compiler import generate

PLAN = "v1:m256,n128,k64,wm4,wn2,op32x32x8,s1,interleaved,fused"


@pytest.mark.parametrize(("layout", "least"), [("nk", 0.90), ("kn", 0.87)])
def test_the_large_loop_is_matrix_work(layout: str, least: float) -> None:
    """u1 is matrix cycles / (matrix cycles + issue cycles of all else), of one wave; each iteration multiplies 64 k."""
    text = str(gen.build(gen.GenOptions(m=4096, n=14336, k=4096, pattern="separate", combine="swiglu", layout=layout)))
    hsaco = link(generate(text, options={"rocfuse-plan-kernels": {"perf-config": PLAN}}).obj)
    (loop,) = isa_stats.from_binary(hsaco, None)
    assert isinstance(loop.u1, float) and loop.u1 >= least
    assert loop.matrix_ops == {"v_mfma_f32_32x32x8_f16": 64}
    assert loop.count("accvgpr", "scratch") == 0
    (kernel,) = read_kernels(hsaco)
    assert kernel.metadata[".vgpr_spill_count"] == kernel.metadata[".private_segment_fixed_size"] == 0
