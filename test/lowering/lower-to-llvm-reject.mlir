// A pass that meets another form than it requires says which, what is there, and changes nothing.
// RUN: not %rocfuse-opt %s --rocfuse-lower-to-gpu 2>&1 | FileCheck %s --check-prefix=PLAN
// RUN: not %rocfuse-opt %s --rocfuse-lower-to-amdgpu 2>&1 | FileCheck %s --check-prefix=STEPS
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels --rocfuse-lower-to-gpu --rocfuse-lower-to-llvm 2>&1 | FileCheck %s --check-prefix=WAVE
// RUN: not %rocfuse-opt %s --rocfuse-lower-to-llvm 2>&1 | FileCheck %s --check-prefix=NONE

// PLAN: error: rocfuse-lower-to-gpu requires the form 'planned': rocfuse.multi_gemm has no plan; run rocfuse-plan-kernels before it
// PLAN-NOT: func.func
// STEPS: error: rocfuse-lower-to-amdgpu requires the form 'blockwise': there is no gpu.func in a gpu.module
// WAVE: error: rocfuse-lower-to-llvm requires the form 'wave': rocfuse.{{[a-z_]+}} is left in a kernel; run rocfuse-lower-to-amdgpu before it
// NONE: error: rocfuse-lower-to-llvm requires the form 'wave': there is no gpu.func in a gpu.module

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @single(%x: tensor<64x64xf16>, %w: tensor<32x64xf16>) -> tensor<64x32xf32> {
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<64x64xf16>, tensor<32x64xf16>) -> tensor<64x32xf32>
    vector.yield %p : tensor<64x32xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<64x32xf32>
  %e = tensor.empty() : tensor<64x32xf32>
  %o = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g : tensor<64x32xf32>) outs(%e : tensor<64x32xf32>) {
  ^bb0(%p: f32, %out: f32):
    linalg.yield %p : f32
  } -> tensor<64x32xf32>
  return %o : tensor<64x32xf32>
}
