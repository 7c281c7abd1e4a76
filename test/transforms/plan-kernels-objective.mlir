// What a plan is chosen for is an option, and stands in the plan; a grid of large tiles that leaves compute units idle
// is the slower one alone on the GPU, and the one that takes less of a GPU that is full.
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels | FileCheck %s --check-prefix=LATENCY
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=objective=auto | FileCheck %s --check-prefix=LATENCY
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=objective=latency | FileCheck %s --check-prefix=LATENCY
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=objective=throughput | FileCheck %s --check-prefix=THROUGHPUT
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=objective=throughput,tile-m=64 | FileCheck %s --check-prefix=PIN
// RUN: %rocfuse-opt %s --pass-pipeline='rocfuse-plan-kernels{objective=throughput}' --dump-pass-pipeline -o /dev/null 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=objective=speed 2>&1 | FileCheck %s --check-prefix=WRONG

// LATENCY: objective = "latency"
// LATENCY-SAME: tile = [{{16|32|64|128}}, {{16|32|64}}, {{[0-9]+}}]
// THROUGHPUT: objective = "throughput"
// THROUGHPUT-SAME: tile = [256, 128, 64]
// PIN: objective = "throughput"
// PIN-SAME: tile = [64,
// TEXT: rocfuse-plan-kernels{objective=throughput}
// WRONG: error: rocfuse-plan-kernels: option 'objective' takes auto or latency or throughput, not 'speed'

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @dual(%x: tensor<512x640xf16>, %u: tensor<1024x640xf16>, %v: tensor<1024x640xf16>) -> tensor<512x1024xf16> {
  %g:2 = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %u) {indexing_maps = [#a, #b]} : (tensor<512x640xf16>, tensor<1024x640xf16>) -> tensor<512x1024xf32>
    %q = "rocfuse.gemm"(%x, %v) {indexing_maps = [#a, #b]} : (tensor<512x640xf16>, tensor<1024x640xf16>) -> tensor<512x1024xf32>
    vector.yield %p, %q : tensor<512x1024xf32>, tensor<512x1024xf32>
  }) {dims = ["m", "n", "k"]} : () -> (tensor<512x1024xf32>, tensor<512x1024xf32>)
  %e = tensor.empty() : tensor<512x1024xf16>
  %o = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g#0, %g#1 : tensor<512x1024xf32>, tensor<512x1024xf32>) outs(%e : tensor<512x1024xf16>) {
  ^bb0(%p: f32, %q: f32, %out: f16):
    %s = arith.mulf %p, %q : f32
    %t = arith.truncf %s : f32 to f16
    linalg.yield %t : f16
  } -> tensor<512x1024xf16>
  return %o : tensor<512x1024xf16>
}
