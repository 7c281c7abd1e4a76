// Only LLVM and ROCDL ops are left, in a kernel that takes one bare pointer an array and nothing else.
// RUN: %rocfuse-opt %s --pass-pipeline='rocfuse-plan-kernels{schedule=plain tile-m=32 tile-n=32 tile-k=32 waves-m=1 waves-n=1 matrix-op=32x32x8},rocfuse-lower-to-gpu,rocfuse-lower-to-amdgpu,rocfuse-lower-to-llvm' | FileCheck %s --implicit-check-not=unrealized --implicit-check-not='{{ (arith|vector|memref|scf|cf|amdgpu|math)[.]}}'

// CHECK-LABEL: gpu.module @kernels
//       CHECK:   llvm.mlir.global internal @[[LDS:[^(]*]]() {addr_space = 3 : i32} : !llvm.array<4096 x i8>
//       CHECK:   llvm.func @single(%[[X:.*]]: !llvm.ptr {llvm.noalias, llvm.readonly}, %[[W:.*]]: !llvm.ptr {llvm.noalias, llvm.readonly}, %[[O:.*]]: !llvm.ptr {llvm.noalias})
//  CHECK-SAME:     rocdl.kernel
//       CHECK:   rocdl.workitem.id.x range <i32, 0, 64>
//       CHECK:   rocdl.make.buffer.rsrc
//       CHECK:   rocdl.s.barrier
//       CHECK:   llvm.store %{{.*}} {alignment = 16 : i64} : vector<8xf16>, !llvm.ptr<3>
//       CHECK:   llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<8xf16>
//       CHECK:   rocdl.mfma.f32.32x32x8f16
//       CHECK:   llvm.return

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
