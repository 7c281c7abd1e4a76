// What lanes do of the combine: a row is shared by way of LDS, and each wave turns its results into wide stores in a scratch
// of its own, with fences that cost no instruction.
// RUN: %rocfuse-opt %s --pass-pipeline='rocfuse-plan-kernels{schedule=plain tile-m=32 tile-n=64 tile-k=32 waves-m=1 waves-n=1 matrix-op=32x32x8},rocfuse-lower-to-gpu,rocfuse-lower-to-amdgpu,canonicalize,cse' | FileCheck %s
// RUN: %rocfuse-opt %s --emit=isa --rocfuse-plan-kernels=tile-m=32,tile-n=64,tile-k=32,waves-m=1,waves-n=1,matrix-op=32x32x8 | FileCheck %s --check-prefix=ISA

// CHECK-LABEL: gpu.func @bias
// Before the loop 32 lanes load two elements each: a register.
//       CHECK:   %[[ROW:.*]] = vector.load %{{.*}} : memref<64xf16, #amdgpu.address_space<fat_raw_buffer>>, vector<2xf16>
//       CHECK:   scf.for
//       CHECK:   amdgpu.lds_barrier
// The threads that have a part of it write it.
//       CHECK:   scf.if
//       CHECK:     vector.store %[[ROW]], %[[LINE:.*]][%{{.*}}] {{.*}}, vector<2xf16>
//       CHECK:   amdgpu.lds_barrier
//       CHECK:   vector.load %[[LINE]][%{{.*}}] {{.*}}, vector<4xf16>
// CHECK-COUNT-8: vector.store %{{.*}}, %[[SCRATCH:.*]][%{{.*}}] {alignment = 8 : i64} : memref<2048xf16, #gpu.address_space<workgroup>>, vector<4xf16>
//       CHECK:   llvm.fence syncscope("wavefront") acq_rel
//       CHECK:   %[[V:.*]] = vector.load %{{.*}} {alignment = 16 : i64} : memref<2048xf16, #gpu.address_space<workgroup>>, vector<8xf16>
//       CHECK:   vector.store %[[V]], %[[OUT:.*]][%{{.*}}] {alignment = 16 : i64} : memref<4096xf16, #amdgpu.address_space<fat_raw_buffer>>
// Every second read finds the halves of its vectors turned.
//       CHECK:   %[[T:.*]] = vector.shuffle %{{.*}} [4, 5, 6, 7, 0, 1, 2, 3]
//       CHECK:   vector.store %[[T]], %[[OUT]]

// ISA: v_mfma
// ISA-COUNT-8: ds_write{{.*}}b64
// ISA: buffer_store_dwordx4
// ISA-NOT: buffer_store_dword{{ |x2}}

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>
func.func @bias(%x: tensor<64x64xf16>, %w: tensor<64x64xf16>, %c: tensor<64xf16>) -> tensor<64x64xf16> {
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<64x64xf16>, tensor<64x64xf16>) -> tensor<64x64xf32>
    vector.yield %p : tensor<64x64xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<64x64xf32>
  %e = tensor.empty() : tensor<64x64xf16>
  %o = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g, %c : tensor<64x64xf32>, tensor<64xf16>) outs(%e : tensor<64x64xf16>) {
  ^bb0(%p: f32, %q: f16, %out: f16):
    %s = arith.truncf %p : f32 to f16
    %t = arith.addf %s, %q : f16
    linalg.yield %t : f16
  } -> tensor<64x64xf16>
  return %o : tensor<64x64xf16>
}
