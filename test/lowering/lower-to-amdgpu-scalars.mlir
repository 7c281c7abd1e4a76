// An odd row length allows no vector access: elements go to and from memory as scalars, never as vectors of one element
// (the optimiser of LLVM 22 aborts on shuffles of those), and the kernel compiles.
// RUN: %rocfuse-opt %s --pass-pipeline='rocfuse-normalize,rocfuse-form-multi-gemm,rocfuse-plan-kernels{tile-m=64 tile-n=32 tile-k=32 waves-m=1 waves-n=1 matrix-op=32x32x8},rocfuse-lower-to-gpu,rocfuse-lower-to-amdgpu,canonicalize,cse' | FileCheck %s --implicit-check-not='{{, vector<1xf|-> vector<1xf}}'
// RUN: %rocfuse-opt %s --emit=isa --rocfuse-plan-kernels=tile-m=64,tile-n=32,tile-k=32,waves-m=1,waves-n=1,matrix-op=32x32x8 | FileCheck %s --check-prefix=ISA

// CHECK-LABEL: gpu.func @residual
//       CHECK:   memref.load %{{.*}} : memref<17xf16, #amdgpu.address_space<fat_raw_buffer>>
//       CHECK:   amdgpu.mfma
//       CHECK:   memref.store %{{.*}} : memref<64xf16, #gpu.address_space<workgroup>>
//       CHECK:   memref.store %{{.*}} : memref<17xf16, #amdgpu.address_space<fat_raw_buffer>>
// ISA: v_mfma_f32_32x32x8
// ISA: buffer_store_short
// ISA: s_endpgm

#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @residual(%x: tensor<17x32xf16>, %w: tensor<32x1xf16>, %r: tensor<17x1xf16>) -> tensor<17x1xf16> {
  %c = arith.constant 0.0 : f32
  %d = tensor.empty() : tensor<17x1xf32>
  %z = linalg.fill ins(%c : f32) outs(%d : tensor<17x1xf32>) -> tensor<17x1xf32>
  %g = linalg.matmul ins(%x, %w : tensor<17x32xf16>, tensor<32x1xf16>) outs(%z : tensor<17x1xf32>) -> tensor<17x1xf32>
  %one = arith.constant 1.0 : f16
  %zero = arith.constant 0.0 : f16
  %e = tensor.empty() : tensor<17x1xf16>
  %o = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g, %r : tensor<17x1xf32>, tensor<17x1xf16>) outs(%e : tensor<17x1xf16>) {
  ^bb0(%p: f32, %q: f16, %out: f16):
    %s = arith.truncf %p : f32 to f16
    %t = arith.cmpf ogt, %s, %zero : f16
    %u = arith.select %t, %one, %zero : f16
    %v = arith.addf %u, %q : f16
    linalg.yield %v : f16
  } -> tensor<17x1xf16>
  return %o : tensor<17x1xf16>
}
