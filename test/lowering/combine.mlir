// The combine runs on accumulator blocks: its scalar body on vectors. A row is loaded before the loop and shared in LDS, where
// lanes read it once for all rows. Results fill a wave's scratch, which is stored row of blocks by row of blocks; an operand
// of their shape comes in by the same way, its next rows ahead.
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=schedule=plain,tile-m=64,tile-n=64,tile-k=32,waves-m=1,waves-n=1,matrix-op=32x32x8 --rocfuse-lower-to-gpu | FileCheck %s

// CHECK-LABEL: gpu.func @extras
//       CHECK:   %[[ROW:.*]] = memref.reinterpret_cast %{{.*}}, sizes: [64, 64], strides: [0, 1] {{.*}}: memref<64xf32> to
//       CHECK:   %[[FULL:.*]] = memref.reinterpret_cast %{{.*}}, sizes: [64, 64], strides: [64, 1] {{.*}}: memref<64x64xf16> to
//       CHECK:   %[[Y:.*]] = memref.reinterpret_cast %{{.*}} : memref<64x64xf16> to
//       CHECK:   %[[Z:.*]] = memref.reinterpret_cast %{{.*}} : memref<64x64xf32> to
//       CHECK:   %[[UNIT:.*]] = "rocfuse.line_read"(%[[ROW]], {{.*}}) {extra = 0 : i64} {{.*}} -> vector<1x1xf32>
//       CHECK:   %[[SUM:.*]]:4 = scf.for
// Constants of the body are made once.
//       CHECK:   %[[HALF:.*]] = arith.constant dense<5.000000e-01> : vector<4xf32>
//       CHECK:   %[[F0:.*]] = "rocfuse.stage_load"(%[[FULL]], {{.*}}) {fill = 0 : i64, output = 0 : i64} {{.*}} -> vector<4x8xf16>
//       CHECK:   "rocfuse.begin_range"
//       CHECK:   "rocfuse.line_write"(%[[UNIT]], %[[LINE:.*]]) {extra = 0 : i64}
//       CHECK:   "rocfuse.barrier"
//       CHECK:   %[[SY:.*]] = memref.view %{{.*}} to memref<1x2048xf16, #gpu.address_space<workgroup>>
//       CHECK:   "rocfuse.stage_fill"(%[[F0]], %[[IN:.*]]) {output = 0 : i64}
//       CHECK:   %[[F1:.*]] = "rocfuse.stage_load"(%[[FULL]], {{.*}}) {fill = 1 : i64, output = 0 : i64}
//       CHECK:   "rocfuse.wave_fence"
//       CHECK:   %[[F:.*]] = "rocfuse.stage_read"(%[[IN]]) {block = [0, 0], output = 0 : i64} {{.*}} -> vector<16xf16>
//       CHECK:   "rocfuse.stage_read"(%[[IN]]) {block = [0, 1]
//       CHECK:   "rocfuse.wave_fence"
//       CHECK:   %[[ROW0:.*]] = "rocfuse.line_fragment"(%[[LINE]]) {block = [0, 0], extra = 0 : i64, first = 0 : i64} {{.*}} -> vector<16xf32>
// The body takes four elements of a block after the other.
//       CHECK:   "rocfuse.keep_order"
//       CHECK:   %[[ROW00:.*]] = vector.shuffle %[[ROW0]], %[[ROW0]] [0, 1, 2, 3]
//       CHECK:   %[[F00:.*]] = vector.shuffle %[[F]], %[[F]] [0, 1, 2, 3]
//       CHECK:   %[[SUM0:.*]] = vector.shuffle %[[SUM]]#0, %[[SUM]]#0 [0, 1, 2, 3]
//       CHECK:   %[[S:.*]] = arith.mulf %[[SUM0]], %[[HALF]] fastmath<contract> : vector<4xf32>
//       CHECK:   %[[T0:.*]] = arith.addf %[[S]], %[[ROW00]] : vector<4xf32>
//       CHECK:   %[[C:.*]] = arith.truncf %[[T0]] : vector<4xf32> to vector<4xf16>
//       CHECK:   %[[D:.*]] = arith.addf %[[C]], %[[F00]] : vector<4xf16>
//       CHECK:   "rocfuse.stage_write"(%[[D]], %[[SY]]) {block = [0, 0], first = 0 : i64, output = 0 : i64}
//       CHECK:   "rocfuse.tile_write"(%[[T0]], %[[Z]], {{.*}}) {block = [0, 0], first = 0 : i64}
//   CHECK-NOT:   dense<5.000000e-01>
// CHECK-COUNT-3:   "rocfuse.keep_order"
//       CHECK:   "rocfuse.stage_write"({{.*}}, %[[SY]]) {block = [0, 0], first = 12 : i64, output = 0 : i64}
//       CHECK:   "rocfuse.tile_write"({{.*}}, %[[Z]], {{.*}}) {block = [0, 0], first = 12 : i64}
//       CHECK:   "rocfuse.line_fragment"(%[[LINE]]) {block = [0, 1], extra = 0 : i64, first = 0 : i64}
//       CHECK:   "rocfuse.wave_fence"
//       CHECK:   "rocfuse.stage_store"(%[[SY]], %[[Y]], {{.*}}) {fill = 0 : i64, output = 0 : i64}
//       CHECK:   "rocfuse.wave_fence"
// The second row of blocks reuses the row operand.
//   CHECK-NOT:   "rocfuse.line_fragment"
//       CHECK:   "rocfuse.stage_fill"(%[[F1]], %{{.*}})
//       CHECK:   vector.shuffle %[[ROW0]], %[[ROW0]] [0, 1, 2, 3]
//       CHECK:   "rocfuse.stage_store"(%[[SY]], %[[Y]], {{.*}}) {fill = 1 : i64, output = 0 : i64}
//   CHECK-NOT:   "rocfuse.wave_fence"

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d2, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>
func.func @extras(%x: tensor<64x64xf16>, %w: tensor<64x64xf16>, %bias: tensor<64xf32>, %r: tensor<64x64xf16>)
    -> (tensor<64x64xf16>, tensor<64x64xf32>) {
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<64x64xf16>, tensor<64x64xf16>) -> tensor<64x64xf32>
    vector.yield %p : tensor<64x64xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<64x64xf32>
  %half = arith.constant 0.5 : f32
  %e = tensor.empty() : tensor<64x64xf16>
  %f = tensor.empty() : tensor<64x64xf32>
  %o:2 = linalg.generic {indexing_maps = [#id, #row, #id, #id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g, %bias, %r : tensor<64x64xf32>, tensor<64xf32>, tensor<64x64xf16>) outs(%e, %f : tensor<64x64xf16>, tensor<64x64xf32>) {
  ^bb0(%p: f32, %c: f32, %q: f16, %out0: f16, %out1: f32):
    %s = arith.mulf %p, %half fastmath<contract> : f32
    %t = arith.addf %s, %c : f32
    %u = arith.truncf %t : f32 to f16
    %v = arith.addf %u, %q : f16
    linalg.yield %v, %t : f16, f32
  } -> (tensor<64x64xf16>, tensor<64x64xf32>)
  return %o#0, %o#1 : tensor<64x64xf16>, tensor<64x64xf32>
}
