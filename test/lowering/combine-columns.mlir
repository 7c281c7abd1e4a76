// Rows that are not aligned go through no scratch: blocks are taken column by column, a run of four elements of all rows
// before the next, so that the masks of columns past the edge are few; the operands of the next part are read before.
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=schedule=plain,tile-m=64,tile-n=64,tile-k=32,waves-m=1,waves-n=1,matrix-op=32x32x8 --rocfuse-lower-to-gpu | FileCheck %s

// CHECK-LABEL: gpu.func @odd
//       CHECK:   %[[SUM:.*]]:4 = scf.for
//       CHECK:   "rocfuse.barrier"
//       CHECK:   %[[ROW:.*]] = "rocfuse.line_fragment"({{.*}}) {block = [0, 0], extra = 0 : i64, first = 0 : i64} {{.*}} -> vector<4xf16>
//       CHECK:   %[[R:.*]] = "rocfuse.tile_read"(%[[FULL:.*]], {{.*}}) {block = [0, 0], first = 0 : i64} {{.*}} -> vector<4xf16>
// The row is there for the second row of blocks.
//       CHECK:   %[[R1:.*]] = "rocfuse.tile_read"(%[[FULL]], {{.*}}) {block = [1, 0], first = 0 : i64}
//       CHECK:   "rocfuse.keep_order"
//       CHECK:   arith.addf %{{.*}}, %[[ROW]]
//       CHECK:   arith.mulf %{{.*}}, %[[R]]
//       CHECK:   "rocfuse.tile_write"({{.*}}) {block = [0, 0], first = 0 : i64}
//       CHECK:   %[[ROW4:.*]] = "rocfuse.line_fragment"({{.*}}) {block = [0, 0], extra = 0 : i64, first = 4 : i64}
//       CHECK:   "rocfuse.tile_read"({{.*}}) {block = [0, 0], first = 4 : i64}
//       CHECK:   "rocfuse.keep_order"
//       CHECK:   arith.addf %{{.*}}, %[[ROW]]
//       CHECK:   arith.mulf %{{.*}}, %[[R1]]
//       CHECK:   "rocfuse.tile_write"({{.*}}) {block = [1, 0], first = 0 : i64}
//       CHECK:   "rocfuse.tile_read"({{.*}}) {block = [1, 0], first = 4 : i64}
//       CHECK:   arith.addf %{{.*}}, %[[ROW4]]
//       CHECK:   "rocfuse.tile_write"({{.*}}) {block = [0, 0], first = 4 : i64}
//       CHECK:   "rocfuse.tile_write"({{.*}}) {block = [1, 1], first = 12 : i64}
//   CHECK-NOT:   "rocfuse.tile_write"

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>
func.func @odd(%x: tensor<63x64xf16>, %w: tensor<61x64xf16>, %c: tensor<61xf16>, %r: tensor<63x61xf16>) -> tensor<63x61xf16> {
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<63x64xf16>, tensor<61x64xf16>) -> tensor<63x61xf32>
    vector.yield %p : tensor<63x61xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<63x61xf32>
  %e = tensor.empty() : tensor<63x61xf16>
  %o = linalg.generic {indexing_maps = [#id, #row, #id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g, %c, %r : tensor<63x61xf32>, tensor<61xf16>, tensor<63x61xf16>) outs(%e : tensor<63x61xf16>) {
  ^bb0(%p: f32, %q: f16, %s: f16, %out: f16):
    %t = arith.truncf %p : f32 to f16
    %u = arith.addf %t, %q : f16
    %v = arith.mulf %u, %s : f16
    linalg.yield %v : f16
  } -> tensor<63x61xf16>
  return %o : tensor<63x61xf16>
}
