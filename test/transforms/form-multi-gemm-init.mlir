// What the product adds to is an f32 addend of the combine, and an f16 sum is rounded once, there.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-form-multi-gemm | FileCheck %s

// CHECK-LABEL: func.func @half(
//  CHECK-SAME: %[[C:[a-z0-9]+]]: tensor<5x6xf16>)
//       CHECK: %[[P:.*]] = "rocfuse.multi_gemm"()
//       CHECK: linalg.generic
//  CHECK-SAME:   ins(%[[P]], %[[C]] : tensor<5x6xf32>, tensor<5x6xf16>)
//       CHECK:   ^bb0(%[[IN:.*]]: f32, %[[ADD:.*]]: f16, %{{.*}}: f16):
//       CHECK:   %[[EXT:.*]] = arith.extf %[[ADD]]
//       CHECK:   %[[SUM:.*]] = arith.addf %[[IN]], %[[EXT]] : f32
//       CHECK:   arith.truncf %[[SUM]] : f32 to f16
func.func @half(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf16>) -> tensor<5x6xf16> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf16>) -> tensor<5x6xf16>
  return %p : tensor<5x6xf16>
}
