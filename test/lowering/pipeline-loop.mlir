// The K loop brings tiles in ahead: a filled stage before it, waits and barriers inside it, the last tiles behind it.
// DEFINE: %{plan} = tile-m=64,tile-n=64,tile-k=32,waves-m=2,waves-n=2,matrix-op=32x32x8
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=%{plan},schedule=interleaved,stages=1 --rocfuse-lower-to-gpu --rocfuse-pipeline-loop | FileCheck %s --enable-var-scope --check-prefixes=CHECK,ONE
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=%{plan},schedule=interleaved,stages=2 --rocfuse-lower-to-gpu --rocfuse-pipeline-loop | FileCheck %s --enable-var-scope --check-prefixes=CHECK,TWO
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=%{plan},schedule=plain --rocfuse-lower-to-gpu -o %t.plain
// RUN: %rocfuse-opt %t.plain --rocfuse-pipeline-loop | diff %t.plain -

// CHECK-LABEL: gpu.func @dual
//         TWO: memref.view %{{.*}}[%c12288
//       CHECK: %[[U0:.*]] = "rocfuse.global_read"({{.*}}) {masked = 0 : i64, operand = 0 : i64, part = 0 : i64
//       CHECK: "rocfuse.keep_order"
//       CHECK: %[[U1:.*]] = "rocfuse.global_read"({{.*}}) {masked = 0 : i64, operand = 0 : i64, part = 0 : i64
//       CHECK: "rocfuse.lds_write"(%[[U0]], %[[A:[^)]*]])
//       CHECK: "rocfuse.barrier"
//       CHECK: %[[F0:.*]] = "rocfuse.fragment_read"(%[[A]]) {block = 0 : i64, k_slice = 0 : i64, operand = 0 : i64
// the loop multiplies one tile (two with two stages), writes the next one and loads the one after that
//       CHECK: scf.for {{.*}} iter_args({{.*}} = %[[F0]]{{.*}} = %[[U1]]
//       CHECK:   "rocfuse.fragment_read"({{.*}}) {block = 0 : i64, k_slice = 1 : i64
//       CHECK:   "rocfuse.wait_lds"() {outstanding = {{[1-9]}} : i64}
//       CHECK:   "rocfuse.mma"
//       CHECK:   "rocfuse.keep_order"
//       CHECK:   "rocfuse.wait_memory"() {outstanding = 0 : i64}
//         ONE:   "rocfuse.barrier"
//       CHECK:   "rocfuse.lds_write"
//       CHECK:   "rocfuse.global_read"
//       CHECK:   "rocfuse.barrier"
//       CHECK:   "rocfuse.fragment_read"({{.*}}) {block = 0 : i64, k_slice = 0 : i64
//       CHECK:   scf.yield
// K = 200 ends 8 past the last whole tile: that tile is loaded with a mask
//       CHECK: "rocfuse.global_read"({{.*}}) {masked = 1 : i64
//   CHECK-NOT: scf.for
//       CHECK: "rocfuse.{{(stage|tile)_write}}"

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @dual(%x: tensor<64x200xf16>, %u: tensor<64x200xf16>, %v: tensor<64x200xf16>) -> tensor<64x64xf32> {
  %g:2 = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %u) {indexing_maps = [#a, #b]} : (tensor<64x200xf16>, tensor<64x200xf16>) -> tensor<64x64xf32>
    %q = "rocfuse.gemm"(%x, %v) {indexing_maps = [#a, #b]} : (tensor<64x200xf16>, tensor<64x200xf16>) -> tensor<64x64xf32>
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
