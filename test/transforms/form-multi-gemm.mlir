// Two products and their combine become one multi_gemm, which shares x, and one generic; views are of the arguments.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-split-sliced-gemms --rocfuse-form-multi-gemm | FileCheck %s

// CHECK-DAG: #[[$A:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[$B:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-DAG: #[[$ID:.*]] = affine_map<(d0, d1) -> (d0, d1)>

// CHECK-LABEL: func.func @gate(
//  CHECK-SAME: %[[X:.*]]: tensor<5x7xf16>, %[[W:.*]]: tensor<7x12xf16>, %[[R:.*]]: tensor<5x6xf16>
//   CHECK-DAG: %[[W0:.*]] = tensor.extract_slice %[[W]][0, 0] [7, 6] [1, 1]
//   CHECK-DAG: %[[W1:.*]] = tensor.extract_slice %[[W]][0, 6] [7, 6] [1, 1]
//       CHECK: %[[G:.*]]:2 = "rocfuse.multi_gemm"() ({
//       CHECK:   %[[P0:.*]] = "rocfuse.gemm"(%[[X]], %[[W0]]) {indexing_maps = [#[[$A]], #[[$B]]]}
//       CHECK:   %[[P1:.*]] = "rocfuse.gemm"(%[[X]], %[[W1]]) {indexing_maps = [#[[$A]], #[[$B]]]}
//       CHECK:   vector.yield %[[P0]], %[[P1]]
//       CHECK: }) {dims = ["m", "n", "k"]} : () -> (tensor<5x6xf32>, tensor<5x6xf32>)
//       CHECK: %[[Y:.*]] = linalg.generic {indexing_maps = [#[[$ID]], #[[$ID]], #[[$ID]], #[[$ID]]]
//  CHECK-SAME:   ins(%[[G]]#0, %[[G]]#1, %[[R]] :
//       CHECK:   ^bb0(%[[L:.*]]: f32, %[[H:.*]]: f32, %[[RES:.*]]: f16, %{{.*}}: f16):
//       CHECK:   %[[M:.*]] = arith.mulf %[[L]], %[[H]] : f32
//       CHECK:   %[[T:.*]] = arith.truncf %[[M]]
//       CHECK:   arith.addf %[[T]], %[[RES]] : f16
//   CHECK-NOT: linalg.generic
//       CHECK: return %[[Y]]
func.func @gate(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %r: tensor<5x6xf16>) -> tensor<5x6xf16> {
  %zero = arith.constant 0.0 : f32
  %0 = tensor.empty() : tensor<5x12xf32>
  %1 = linalg.fill ins(%zero : f32) outs(%0 : tensor<5x12xf32>) -> tensor<5x12xf32>
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%1 : tensor<5x12xf32>) -> tensor<5x12xf32>
  %a = tensor.extract_slice %p[0, 0] [5, 6] [1, 1] : tensor<5x12xf32> to tensor<5x6xf32>
  %b = tensor.extract_slice %p[0, 6] [5, 6] [1, 1] : tensor<5x12xf32> to tensor<5x6xf32>
  %m = arith.mulf %a, %b : tensor<5x6xf32>
  %t = arith.truncf %m : tensor<5x6xf32> to tensor<5x6xf16>
  %y = arith.addf %t, %r : tensor<5x6xf16>
  return %y : tensor<5x6xf16>
}
