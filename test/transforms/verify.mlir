// A multi_gemm of GEMMs with different A, B layouts and k passes the verifier: one k a kernel is the planner's wish.
// RUN: %rocfuse-opt %s --rocfuse-verify | FileCheck %s

#a = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
#kn = affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>
#nk = affine_map<(d0, d1, d2, d3) -> (d2, d0, d3)>

// CHECK-LABEL: func.func @different_k(
//       CHECK: "rocfuse.multi_gemm"
func.func @different_k(%x: tensor<2x5x7xf16>, %w: tensor<2x7x6xf16>, %y: tensor<2x5x9xbf16>, %v: tensor<6x2x9xbf16>) {
  %g:2 = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #kn]} : (tensor<2x5x7xf16>, tensor<2x7x6xf16>) -> tensor<2x5x6xf32>
    %q = "rocfuse.gemm"(%y, %v) {indexing_maps = [#a, #nk]} : (tensor<2x5x9xbf16>, tensor<6x2x9xbf16>) -> tensor<2x5x6xf32>
    vector.yield %p, %q : tensor<2x5x6xf32>, tensor<2x5x6xf32>
  }) {dims = ["batch", "m", "n", "k"]} : () -> (tensor<2x5x6xf32>, tensor<2x5x6xf32>)
  return
}
