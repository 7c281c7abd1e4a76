// Transposes, casts and fills fold into one product and one elementwise generic; a second run changes nothing.
// RUN: %rocfuse-opt %s --rocfuse-normalize | FileCheck %s
// RUN: %rocfuse-opt %s --rocfuse-normalize | %rocfuse-opt - --rocfuse-normalize | FileCheck %s

// CHECK-DAG: #[[$A:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[$B:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-DAG: #[[$C:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>

// CHECK-LABEL: func.func @linear(
//  CHECK-SAME: %[[X:.*]]: tensor<5x7xf16>, %[[W:.*]]: tensor<12x7xf16>
//   CHECK-NOT: linalg.transpose
//       CHECK: %[[P:.*]] = linalg.generic {indexing_maps = [#[[$A]], #[[$B]], #[[$C]]]
//  CHECK-SAME:   ins(%[[X]], %[[W]] :
//       CHECK: linalg.generic
//  CHECK-SAME:   ins(%[[P]] :
//       CHECK:   arith.truncf
//       CHECK:   math.exp
//   CHECK-NOT: linalg.generic
//       CHECK: return
func.func @linear(%x: tensor<5x7xf16>, %w: tensor<12x7xf16>) -> tensor<5x12xf16> {
  %zero = arith.constant 0.0 : f32
  %0 = tensor.empty() : tensor<7x12xf16>
  %t = linalg.transpose ins(%w : tensor<12x7xf16>) outs(%0 : tensor<7x12xf16>) permutation = [1, 0]
  %1 = tensor.empty() : tensor<5x12xf32>
  %2 = linalg.fill ins(%zero : f32) outs(%1 : tensor<5x12xf32>) -> tensor<5x12xf32>
  %p = linalg.matmul ins(%x, %t : tensor<5x7xf16>, tensor<7x12xf16>) outs(%2 : tensor<5x12xf32>) -> tensor<5x12xf32>
  %h = arith.truncf %p : tensor<5x12xf32> to tensor<5x12xf16>
  %y = math.exp %h : tensor<5x12xf16>
  return %y : tensor<5x12xf16>
}
