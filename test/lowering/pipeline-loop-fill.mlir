// What is in registers at once before the loop and, where the backend orders the steps of a tile, in it.
// DEFINE: %{plan} = tile-m=16,tile-n=16,tile-k=64,waves-m=1,waves-n=1,matrix-op=16x16x16,stages=3
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=%{plan},schedule=interleaved --rocfuse-lower-to-gpu --rocfuse-pipeline-loop | FileCheck %s --check-prefixes=CHECK,ORDERED
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=%{plan},schedule=prefetch --rocfuse-lower-to-gpu --rocfuse-pipeline-loop | FileCheck %s --check-prefixes=CHECK,FREE

// three tiles are brought in before the loop; the third is not loaded while two are on their way
// CHECK-LABEL: gpu.func @dual
//       CHECK: "rocfuse.global_read"
//   CHECK-NOT: "rocfuse.lds_write"
//       CHECK: "rocfuse.keep_order"
//       CHECK: "rocfuse.global_read"
//   CHECK-NOT: "rocfuse.keep_order"
//       CHECK: "rocfuse.lds_write"
//   CHECK-NOT: "rocfuse.global_read"
//       CHECK: "rocfuse.keep_order"
//  CHECK-NEXT: arith.constant
//       CHECK: "rocfuse.global_read"
//   CHECK-NOT: "rocfuse.lds_write"
//   CHECK-NOT: "rocfuse.keep_order"
//       CHECK: "rocfuse.barrier"
// a tile's units are in LDS before the next ones are loaded, and the tile is done before the next one begins
//     ORDERED: scf.for
// ORDERED-NOT:   "rocfuse.keep_copies"
//        FREE: scf.for
//        FREE:   "rocfuse.lds_write"
//    FREE-NOT:   "rocfuse.global_read"
//        FREE:   "rocfuse.keep_copies"
//        FREE:   "rocfuse.global_read"
//    FREE-NOT:   "rocfuse.lds_write"
//        FREE:   "rocfuse.keep_order"
//        FREE:   "rocfuse.lds_write"

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @dual(%x: tensor<64x640xf16>, %u: tensor<64x640xf16>, %v: tensor<64x640xf16>) -> tensor<64x64xf32> {
  %g:2 = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %u) {indexing_maps = [#a, #b]} : (tensor<64x640xf16>, tensor<64x640xf16>) -> tensor<64x64xf32>
    %q = "rocfuse.gemm"(%x, %v) {indexing_maps = [#a, #b]} : (tensor<64x640xf16>, tensor<64x640xf16>) -> tensor<64x64xf32>
    vector.yield %p, %q : tensor<64x64xf32>, tensor<64x64xf32>
  }) {dims = ["m", "n", "k"]} : () -> (tensor<64x64xf32>, tensor<64x64xf32>)
  %e = tensor.empty() : tensor<64x64xf32>
  %o = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g#0, %g#1 : tensor<64x64xf32>, tensor<64x64xf32>) outs(%e : tensor<64x64xf32>) {
  ^bb0(%s: f32, %t: f32, %out: f32):
    %m = arith.mulf %s, %t : f32
    linalg.yield %m : f32
  } -> tensor<64x64xf32>
  return %o : tensor<64x64xf32>
}
