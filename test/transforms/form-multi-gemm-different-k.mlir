// Products of different K are one multi_gemm: each has its own A, B and k, all have one m and n.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-split-sliced-gemms --rocfuse-form-multi-gemm --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @different_k(
//  CHECK-SAME: %[[X:.*]]: tensor<5x7xf16>, %[[W:.*]]: tensor<7x6xf16>, %[[Y:.*]]: tensor<5x9xf16>, %[[V:.*]]: tensor<9x6xf16>
//       CHECK: %[[G:.*]]:2 = "rocfuse.multi_gemm"() ({
//       CHECK:   %[[P:.*]] = "rocfuse.gemm"(%[[X]], %[[W]]) {{.*}} : (tensor<5x7xf16>, tensor<7x6xf16>) -> tensor<5x6xf32>
//       CHECK:   %[[Q:.*]] = "rocfuse.gemm"(%[[Y]], %[[V]]) {{.*}} : (tensor<5x9xf16>, tensor<9x6xf16>) -> tensor<5x6xf32>
//       CHECK:   vector.yield %[[P]], %[[Q]]
//       CHECK: }) {dims = ["m", "n", "k"]} : () -> (tensor<5x6xf32>, tensor<5x6xf32>)
//       CHECK: linalg.generic {{.*}} ins(%[[G]]#0, %[[G]]#1,
func.func @different_k(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %y: tensor<5x9xf16>, %v: tensor<9x6xf16>, %c: tensor<5x6xf32>)
    -> tensor<5x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  %q = linalg.matmul ins(%y, %v : tensor<5x9xf16>, tensor<9x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  %r = arith.mulf %p, %q : tensor<5x6xf32>
  return %r : tensor<5x6xf32>
}

// -----

// The first 4 of 7 columns and rows begin where all of them do, and are another product.
// CHECK-LABEL: func.func @prefix(
//  CHECK-SAME: %[[X:.*]]: tensor<5x7xf16>, %[[W:.*]]: tensor<7x6xf16>
//   CHECK-DAG: %[[X4:.*]] = tensor.extract_slice %[[X]][0, 0] [5, 4] [1, 1]
//   CHECK-DAG: %[[W4:.*]] = tensor.extract_slice %[[W]][0, 0] [4, 6] [1, 1]
//       CHECK: "rocfuse.gemm"(%[[X4]], %[[W4]])
//       CHECK: "rocfuse.gemm"(%[[X]], %[[W]])
func.func @prefix(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %y = tensor.extract_slice %x[0, 0] [5, 4] [1, 1] : tensor<5x7xf16> to tensor<5x4xf16>
  %v = tensor.extract_slice %w[0, 0] [4, 6] [1, 1] : tensor<7x6xf16> to tensor<4x6xf16>
  %p = linalg.matmul ins(%y, %v : tensor<5x4xf16>, tensor<4x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  %q = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  %r = arith.mulf %p, %q : tensor<5x6xf32>
  return %r : tensor<5x6xf32>
}
