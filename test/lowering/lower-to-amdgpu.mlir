// Steps become what one lane does: bounded 128-bit loads, LDS accesses of 16 bytes, matrix instructions that share a read.
// RUN: %rocfuse-opt %s --pass-pipeline='rocfuse-plan-kernels{schedule=plain tile-m=32 tile-n=32 tile-k=32 waves-m=1 waves-n=1 matrix-op=32x32x8},rocfuse-lower-to-gpu,rocfuse-lower-to-amdgpu,canonicalize,cse' | FileCheck %s

// CHECK-LABEL: gpu.func @single
// Results are bounded by their bytes, 64 x 32 x 4; operands too, by the size of their flat view.
//       CHECK:   %[[BYTES:.*]] = arith.constant 8192 : i64
//   CHECK-DAG:   memref.reinterpret_cast %{{.*}} sizes: [4096], strides: [1] : memref<64x64xf16>
//   CHECK-DAG:   memref.reinterpret_cast %{{.*}} sizes: [2048], strides: [1] : memref<32x64xf16>
//       CHECK:   %[[OUT:.*]] = amdgpu.fat_raw_buffer_cast %{{.*}} validBytes(%[[BYTES]]) resetOffset : memref<2048xf32{{.*}}>
//       CHECK:   %[[AT:.*]] = memref.view %{{.*}} to memref<1024xf16, #gpu.address_space<workgroup>>
//       CHECK:   %[[BT:.*]] = memref.view %{{.*}} to memref<1024xf16, #gpu.address_space<workgroup>>
//       CHECK:   scf.for
//   CHECK-NOT:     arith.select
// CHECK-COUNT-4:   {{vector.load|amdgpu.raw_buffer_load}} {{.*}}vector<8xf16>
//       CHECK:     amdgpu.lds_barrier
//       CHECK:     vector.store %{{.*}}, %[[AT]][%{{.*}}] {alignment = 16 : i64}
//       CHECK:     vector.store %{{.*}}, %[[BT]][%{{.*}}] {alignment = 16 : i64}
//       CHECK:     amdgpu.lds_barrier
//       CHECK:     %[[A:.*]] = vector.load %[[AT]][%{{.*}}] {alignment = 16 : i64} {{.*}}, vector<8xf16>
//       CHECK:     %[[B:.*]] = vector.load %[[BT]][%{{.*}}] {alignment = 16 : i64} {{.*}}, vector<8xf16>
// The product is computed transposed, so that a lane holds neighbours along n: B comes first.
//       CHECK:     %[[B0:.*]] = vector.shuffle %[[B]], %[[B]] [0, 1, 2, 3]
//       CHECK:     %[[A0:.*]] = vector.shuffle %[[A]], %[[A]] [0, 1, 2, 3]
//       CHECK:     %[[S:.*]] = amdgpu.mfma 32x32x8 %[[B0]] * %[[A0]] + %
//       CHECK:     amdgpu.mfma 32x32x8 %{{.*}} * %{{.*}} + %[[S]]
//       CHECK:     scf.yield
// Nothing to mask: 64 rows and 32 columns are whole tiles.
//   CHECK-NOT:   arith.select
// CHECK-COUNT-4: vector.store %{{.*}}, %[[OUT]][%{{.*}}] {alignment = 16 : i64} {{.*}}, vector<4xf32>
//       CHECK:   gpu.return

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
