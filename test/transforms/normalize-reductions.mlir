// Two reduction dims that are neighbours in both operands are one k: attention's output projection stays a plain product.
// RUN: %rocfuse-opt %s --rocfuse-normalize | FileCheck %s
// RUN: %rocfuse-opt %s --rocfuse-normalize | %rocfuse-opt - --rocfuse-normalize | FileCheck %s

// CHECK-LABEL: func.func @heads(
//  CHECK-SAME: %[[X:.*]]: tensor<2x5x3x4xf16>, %[[W:.*]]: tensor<12x6xf16>
//       CHECK: %[[X2:.*]] = tensor.collapse_shape %[[X]] {{\[}}[0], [1], [2, 3]]
//       CHECK: linalg.generic
//  CHECK-SAME:   iterator_types = ["parallel", "parallel", "parallel", "reduction"]
//  CHECK-SAME:   ins(%[[X2]], %[[W]] : tensor<2x5x12xf16>, tensor<12x6xf16>)
func.func @heads(%x: tensor<2x5x3x4xf16>, %w: tensor<12x6xf16>, %c: tensor<10x6xf32>) -> tensor<2x5x6xf32> {
  %x2 = tensor.collapse_shape %x [[0, 1], [2, 3]] : tensor<2x5x3x4xf16> into tensor<10x12xf16>
  %p = linalg.matmul ins(%x2, %w : tensor<10x12xf16>, tensor<12x6xf16>) outs(%c : tensor<10x6xf32>) -> tensor<10x6xf32>
  %y = tensor.expand_shape %p [[0, 1], [2]] output_shape [2, 5, 6] : tensor<10x6xf32> into tensor<2x5x6xf32>
  return %y : tensor<2x5x6xf32>
}
