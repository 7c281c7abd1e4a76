// slice(dot(x, w) + bias) becomes dot(x, slice(w)) + slice(bias): the bias vector and the weight are cut, x is shared.
// RUN: %rocfuse-opt %s --rocfuse-split-sliced-gemms | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>

// CHECK-LABEL: func.func @columns(
//  CHECK-SAME: %[[X:.*]]: tensor<5x7xf16>, %[[W:.*]]: tensor<7x12xf16>, %[[BIAS:.*]]: tensor<12xf32>
//       CHECK: %[[W0:.*]] = tensor.extract_slice %[[W]][0, 0] [7, 8] [1, 1]
//       CHECK: %[[P0:.*]] = linalg.matmul ins(%[[X]], %[[W0]] : tensor<5x7xf16>, tensor<7x8xf16>)
//       CHECK: %[[B0:.*]] = tensor.extract_slice %[[BIAS]][0] [8] [1]
//       CHECK: %[[Y0:.*]] = linalg.generic
//  CHECK-SAME:   ins(%[[P0]], %[[B0]] : tensor<5x8xf32>, tensor<8xf32>)
//       CHECK: %[[W1:.*]] = tensor.extract_slice %[[W]][0, 7] [7, 4] [1, 1]
//       CHECK: %[[P1:.*]] = linalg.matmul ins(%[[X]], %[[W1]] : tensor<5x7xf16>, tensor<7x4xf16>)
//       CHECK: %[[B1:.*]] = tensor.extract_slice %[[BIAS]][7] [4] [1]
//       CHECK: %[[Y1:.*]] = linalg.generic
//  CHECK-SAME:   ins(%[[P1]], %[[B1]] : tensor<5x4xf32>, tensor<4xf32>)
//       CHECK: return %[[Y0]], %[[Y1]]
func.func @columns(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %bias: tensor<12xf32>)
    -> (tensor<5x8xf32>, tensor<5x4xf32>) {
  %zero = arith.constant 0.0 : f32
  %0 = tensor.empty() : tensor<5x12xf32>
  %1 = linalg.fill ins(%zero : f32) outs(%0 : tensor<5x12xf32>) -> tensor<5x12xf32>
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%1 : tensor<5x12xf32>) -> tensor<5x12xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p, %bias : tensor<5x12xf32>, tensor<12xf32>) outs(%0 : tensor<5x12xf32>) {
  ^bb0(%in: f32, %b: f32, %out: f32):
    %2 = arith.addf %in, %b : f32
    linalg.yield %2 : f32
  } -> tensor<5x12xf32>
  %a = tensor.extract_slice %y[0, 0] [5, 8] [1, 1] : tensor<5x12xf32> to tensor<5x8xf32>
  %b = tensor.extract_slice %y[0, 7] [5, 4] [1, 1] : tensor<5x12xf32> to tensor<5x4xf32>
  return %a, %b : tensor<5x8xf32>, tensor<5x4xf32>
}
