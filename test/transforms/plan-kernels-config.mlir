// A perf config pins a part of the plan: in the program, on the multi_gemm or the function, or as an option, which wins.
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels | FileCheck %s
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=perf-config=v1:m32,plain,s1,wm1,tile-k=32 | FileCheck %s --check-prefix=OPTION
// RUN: %rocfuse-opt %s '--pass-pipeline=rocfuse-plan-kernels{perf-config=v1:m32,plain,s1,wm1 tile-k=32},cse' | FileCheck %s --check-prefix=OPTION

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>

// The whole line, as rocfuse.plan prints it, pins everything.
// CHECK-LABEL: func.func @on_the_op
//       CHECK:   group_m = 3 : i64,
//  CHECK-SAME:   loop_form = "fused", matrix_op = "16x16x16",
//  CHECK-SAME:   schedule = "prefetch", split_k = 1 : i64, stages = 2 : i64, tile = [64, 32, 64], waves = [2, 1]
// OPTION-LABEL: func.func @on_the_op
//       OPTION:   group_m = 3 : i64,
//  OPTION-SAME:   schedule = "plain", split_k = 1 : i64, stages = 1 : i64, tile = [32, 32, 32], waves = [1, 1]
func.func @on_the_op(%x: tensor<256x640xf16>, %w: tensor<128x640xf16>) -> tensor<256x128xf32> {
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<256x640xf16>, tensor<128x640xf16>) -> tensor<256x128xf32>
    vector.yield %p : tensor<256x128xf32>
  }) {dims = ["m", "n", "k"], rocfuse.config = "v1:m64,n32,k64,wm2,wn1,op16x16x16,s2,prefetch,fused,sk1,g3"} : () -> tensor<256x128xf32>
  %e = tensor.empty() : tensor<256x128xf32>
  %o = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g : tensor<256x128xf32>) outs(%e : tensor<256x128xf32>) {
  ^bb0(%p: f32, %out: f32):
    linalg.yield %p : f32
  } -> tensor<256x128xf32>
  return %o : tensor<256x128xf32>
}
