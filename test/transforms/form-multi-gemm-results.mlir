// Several results are results of one combine, in the order of the return; a transposed one differs in its map.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-form-multi-gemm | FileCheck %s

// CHECK-DAG: #[[$ID:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[$T:.*]] = affine_map<(d0, d1) -> (d1, d0)>

// CHECK-LABEL: func.func @both(
//       CHECK: %[[Y:.*]]:2 = linalg.generic
//  CHECK-SAME:   indexing_maps = [#[[$ID]], #[[$ID]], #[[$ID]], #[[$T]]]
//       CHECK:   %[[E:.*]] = math.exp
//       CHECK:   linalg.yield %[[E]], %[[E]]
//       CHECK: return %[[Y]]#0, %[[Y]]#1 : tensor<5x6xf32>, tensor<6x5xf32>
func.func @both(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> (tensor<5x6xf32>, tensor<6x5xf32>) {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  %y = math.exp %p : tensor<5x6xf32>
  %0 = tensor.empty() : tensor<6x5xf32>
  %t = linalg.transpose ins(%y : tensor<5x6xf32>) outs(%0 : tensor<6x5xf32>) permutation = [1, 0]
  return %y, %t : tensor<5x6xf32>, tensor<6x5xf32>
}
