// One product without an epilogue takes the same path: a multi_gemm of one, and a combine that passes it on.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-form-multi-gemm | FileCheck %s

// CHECK-LABEL: func.func @plain(
//       CHECK: %[[P:.*]] = "rocfuse.multi_gemm"()
//       CHECK: %[[Y:.*]] = linalg.generic
//  CHECK-SAME:   ins(%[[P]] : tensor<5x6xf32>)
//       CHECK:   ^bb0(%[[IN:.*]]: f32, %{{.*}}: f32):
//  CHECK-NEXT:   linalg.yield %[[IN]]
//       CHECK: return %[[Y]]
func.func @plain(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>) -> tensor<5x6xf32> {
  %zero = arith.constant 0.0 : f32
  %0 = tensor.empty() : tensor<5x6xf32>
  %1 = linalg.fill ins(%zero : f32) outs(%0 : tensor<5x6xf32>) -> tensor<5x6xf32>
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%1 : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %p : tensor<5x6xf32>
}
