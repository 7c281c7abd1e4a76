// An importer's program carries its perf config on the function, through all passes up to the plan; nothing of it is left.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-split-sliced-gemms --rocfuse-form-multi-gemm --rocfuse-plan-kernels | FileCheck %s
// RUN: %rocfuse-opt %s --emit=mlir | FileCheck %s --check-prefix=LOW

// CHECK: func.func @dual({{.*}}) -> tensor<64x64xf16> attributes {rocfuse.config = "v1:n32,m16,k32"}
// CHECK: tile = [16, 32, 32]
// LOW-NOT: rocfuse.config
func.func @dual(%x: tensor<64x64xf16>, %u: tensor<64x64xf16>) -> tensor<64x64xf16> attributes {rocfuse.config = "v1:n32,m16,k32"} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64x64xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  %p = linalg.matmul ins(%x, %u : tensor<64x64xf16>, tensor<64x64xf16>) outs(%f : tensor<64x64xf32>) -> tensor<64x64xf32>
  %t = arith.truncf %p : tensor<64x64xf32> to tensor<64x64xf16>
  return %t : tensor<64x64xf16>
}
