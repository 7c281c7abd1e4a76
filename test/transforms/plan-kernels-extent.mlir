// One buffer resource bounds one batch of an array in 32 bits: an array may be larger, a batch of it may not.
// RUN: %rocfuse-opt %s --split-input-file --verify-diagnostics --rocfuse-plan-kernels | FileCheck %s

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @one_batch(%x: tensor<65536x32768xf16>, %w: tensor<16x32768xf16>) -> tensor<65536x16xf32> {
  // expected-error @below {{rocfuse-plan-kernels: arg0: extent 4294967296 B > 4294967295 B of one buffer resource; split the product along m}}
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<65536x32768xf16>, tensor<16x32768xf16>) -> tensor<65536x16xf32>
    vector.yield %p : tensor<65536x16xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<65536x16xf32>
  %e = tensor.empty() : tensor<65536x16xf32>
  %o = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g : tensor<65536x16xf32>) outs(%e : tensor<65536x16xf32>) {
  ^bb0(%p: f32, %out: f32):
    linalg.yield %p : f32
  } -> tensor<65536x16xf32>
  return %o : tensor<65536x16xf32>
}

// -----

// CHECK-LABEL: func.func @many_batches
//       CHECK:   rocfuse.plan = {
#a = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
#b = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
func.func @many_batches(%x: tensor<2x32768x32768xf16>, %w: tensor<2x16x32768xf16>) -> tensor<2x32768x16xf32> {
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<2x32768x32768xf16>, tensor<2x16x32768xf16>) -> tensor<2x32768x16xf32>
    vector.yield %p : tensor<2x32768x16xf32>
  }) {dims = ["batch", "m", "n", "k"]} : () -> tensor<2x32768x16xf32>
  %e = tensor.empty() : tensor<2x32768x16xf32>
  %o = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
    ins(%g : tensor<2x32768x16xf32>) outs(%e : tensor<2x32768x16xf32>) {
  ^bb0(%p: f32, %out: f32):
    linalg.yield %p : f32
  } -> tensor<2x32768x16xf32>
  return %o : tensor<2x32768x16xf32>
}
