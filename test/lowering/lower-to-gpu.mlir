// One kernel: a view for each array and batch, a loop over whole K tiles, one masked tile for the rest of K, the combine.
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=schedule=plain,tile-m=32,tile-n=32,tile-k=32,waves-m=1,waves-n=1,matrix-op=32x32x8 --rocfuse-lower-to-gpu | FileCheck %s

//   CHECK-NOT: func.func
// CHECK-LABEL: gpu.func @dual
//  CHECK-SAME:   %[[X:.*]]: memref<2x40x100xf16> {llvm.noalias, llvm.readonly}, %[[W:.*]]: memref<2x100x48xf16> {llvm.noalias, llvm.readonly}, %[[O:.*]]: memref<2x40x24xf16> {llvm.noalias})
//  CHECK-SAME:   workgroup(%[[LDS:.*]] : memref<6144xi8, #gpu.address_space<workgroup>>) kernel
//  CHECK-SAME:   known_block_size = array<i32: 64, 1, 1>
// The batch is 64-bit arithmetic on the base, and the second half of W is an offset of its view.
//       CHECK:   %[[XB:.*]] = arith.muli %{{.*}}, %{{.*}} : index
//       CHECK:   %[[A:.*]] = memref.reinterpret_cast %[[X]] to offset: [%[[XB]]], sizes: [40, 100], strides: [100, 1] {rocfuse.vector = 4 : i64}
//       CHECK:   %[[C24:.*]] = arith.constant 24 : index
//       CHECK:   %[[WB:.*]] = arith.addi %{{.*}}, %[[C24]] : index
//       CHECK:   memref.reinterpret_cast %[[W]] to offset: [%[[WB]]], sizes: [24, 100], strides: [1, 48]
//       CHECK:   %[[OUT:.*]] = memref.reinterpret_cast %[[O]] {{.*}}, sizes: [40, 24], strides: [24, 1]
//       CHECK:   %[[AT:.*]] = memref.view %[[LDS]]{{.*}} to memref<32x32xf16, #gpu.address_space<workgroup>>
//       CHECK:   %[[SUM:.*]]:2 = scf.for %[[K:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[P:.*]] = %{{.*}}, %[[Q:.*]] = %{{.*}}) -> (vector<16xf32>, vector<16xf32>)
//       CHECK:     %[[U:.*]] = "rocfuse.global_read"(%[[A]], %{{.*}}, %[[K]]) {masked = 0 : i64, operand = 0 : i64, part = 0 : i64
// CHECK-COUNT-3:   "rocfuse.global_read"
//   CHECK-NOT:     "rocfuse.global_read"
//       CHECK:     "rocfuse.barrier"
//       CHECK:     "rocfuse.lds_write"(%[[U]], %[[AT]])
// CHECK-COUNT-3:   "rocfuse.lds_write"
//       CHECK:     "rocfuse.barrier"
// Each fragment is read once and A's feeds both products.
//       CHECK:     %[[FA:.*]] = "rocfuse.fragment_read"(%[[AT]]) {block = 0 : i64, k_slice = 0 : i64, operand = 0 : i64
//       CHECK:     %[[FB:.*]] = "rocfuse.fragment_read"
//       CHECK:     %[[FC:.*]] = "rocfuse.fragment_read"
//       CHECK:     %[[P1:.*]] = "rocfuse.mma"(%[[FA]], %[[FB]], %[[P]])
//       CHECK:     %[[Q1:.*]] = "rocfuse.mma"(%[[FA]], %[[FC]], %[[Q]])
//       CHECK:     "rocfuse.mma"({{.*}}, %[[P1]])
// K = 100 is three tiles of 32 and a masked one at 96.
//       CHECK:   %[[C96:.*]] = arith.constant 96 : i32
//       CHECK:   "rocfuse.global_read"(%[[A]], %{{.*}}, %[[C96]]) {masked = 1 : i64
//       CHECK:   "rocfuse.mma"({{.*}}, %[[SUM]]#0)
//       CHECK:   "rocfuse.begin_range"
//       CHECK:   memref.view %[[LDS]]{{.*}} to memref<1x1024xf16, #gpu.address_space<workgroup>>
// The body is computed for four elements at once.
//       CHECK:   "rocfuse.keep_order"
//       CHECK:   %[[S:.*]] = arith.mulf %{{.*}} : vector<4xf32>
//       CHECK:   %[[T:.*]] = arith.truncf %[[S]] : vector<4xf32> to vector<4xf16>
// Rows are 48 bytes: a wave's results go through its scratch, in place of tiles that are dead, to 128-bit stores.
//       CHECK:   "rocfuse.stage_write"(%[[T]], %[[SCRATCH:.*]]) {block = [0, 0], first = 0 : i64, output = 0 : i64}
// CHECK-COUNT-3:   "rocfuse.keep_order"
//       CHECK:   "rocfuse.wave_fence"
//       CHECK:   "rocfuse.stage_store"(%[[SCRATCH]], %[[OUT]], %{{.*}}, %{{.*}}) {fill = 0 : i64, output = 0 : i64}

#a = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
#b = affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>
#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
func.func @dual(%x: tensor<2x40x100xf16>, %w: tensor<2x100x48xf16>) -> tensor<2x40x24xf16> {
  %w0 = tensor.extract_slice %w[0, 0, 0] [2, 100, 24] [1, 1, 1] : tensor<2x100x48xf16> to tensor<2x100x24xf16>
  %w1 = tensor.extract_slice %w[0, 0, 24] [2, 100, 24] [1, 1, 1] : tensor<2x100x48xf16> to tensor<2x100x24xf16>
  %g:2 = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w0) {indexing_maps = [#a, #b]} : (tensor<2x40x100xf16>, tensor<2x100x24xf16>) -> tensor<2x40x24xf32>
    %q = "rocfuse.gemm"(%x, %w1) {indexing_maps = [#a, #b]} : (tensor<2x40x100xf16>, tensor<2x100x24xf16>) -> tensor<2x40x24xf32>
    vector.yield %p, %q : tensor<2x40x24xf32>, tensor<2x40x24xf32>
  }) {dims = ["batch", "m", "n", "k"]} : () -> (tensor<2x40x24xf32>, tensor<2x40x24xf32>)
  %e = tensor.empty() : tensor<2x40x24xf16>
  %o = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
    ins(%g#0, %g#1 : tensor<2x40x24xf32>, tensor<2x40x24xf32>) outs(%e : tensor<2x40x24xf16>) {
  ^bb0(%p: f32, %q: f32, %out: f16):
    %s = arith.mulf %p, %q : f32
    %t = arith.truncf %s : f32 to f16
    linalg.yield %t : f16
  } -> tensor<2x40x24xf16>
  return %o : tensor<2x40x24xf16>
}
