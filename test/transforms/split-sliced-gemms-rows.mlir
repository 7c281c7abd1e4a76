// Slices along the rows of a product cut A, along its batch both operands; a full-matrix addend is cut like the product.
// RUN: %rocfuse-opt %s --rocfuse-split-sliced-gemms | FileCheck %s

// CHECK-LABEL: func.func @rows(
//  CHECK-SAME: %[[X:.*]]: tensor<10x7xf16>, %[[W:.*]]: tensor<7x6xf16>, %[[C:.*]]: tensor<10x6xf32>
//       CHECK: %[[X0:.*]] = tensor.extract_slice %[[X]][3, 0] [5, 7] [1, 1]
//       CHECK: %[[C0:.*]] = tensor.extract_slice %[[C]][3, 0] [5, 6] [1, 1]
//       CHECK: %[[Y:.*]] = linalg.matmul ins(%[[X0]], %[[W]] :{{.*}}) outs(%[[C0]] :
//       CHECK: return %[[Y]]
func.func @rows(%x: tensor<10x7xf16>, %w: tensor<7x6xf16>, %c: tensor<10x6xf32>) -> tensor<5x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<10x7xf16>, tensor<7x6xf16>) outs(%c : tensor<10x6xf32>) -> tensor<10x6xf32>
  %a = tensor.extract_slice %p[3, 0] [5, 6] [1, 1] : tensor<10x6xf32> to tensor<5x6xf32>
  return %a : tensor<5x6xf32>
}

// CHECK-LABEL: func.func @batch(
//  CHECK-SAME: %[[X:.*]]: tensor<4x5x7xf16>, %[[W:.*]]: tensor<4x7x6xf16>, %[[C:.*]]: tensor<4x5x6xf32>
//       CHECK: %[[X3:.*]] = tensor.extract_slice %[[X]][3, 0, 0] [1, 5, 7] [1, 1, 1]
//       CHECK: %[[W3:.*]] = tensor.extract_slice %[[W]][3, 0, 2] [1, 7, 4] [1, 1, 1]
//       CHECK: %[[P:.*]] = linalg.batch_matmul ins(%[[X3]], %[[W3]] :
//       CHECK: %[[Y:.*]] = tensor.collapse_shape %[[P]] {{\[}}[0, 1], [2]]
//       CHECK: return %[[Y]]
func.func @batch(%x: tensor<4x5x7xf16>, %w: tensor<4x7x6xf16>, %c: tensor<4x5x6xf32>) -> tensor<5x4xf32> {
  %p = linalg.batch_matmul ins(%x, %w : tensor<4x5x7xf16>, tensor<4x7x6xf16>) outs(%c : tensor<4x5x6xf32>)
      -> tensor<4x5x6xf32>
  %a = tensor.extract_slice %p[3, 0, 2] [1, 5, 4] [1, 1, 1] : tensor<4x5x6xf32> to tensor<5x4xf32>
  return %a : tensor<5x4xf32>
}
