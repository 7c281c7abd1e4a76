// A cf.assert is dropped with a remark at its place, and what only it used goes with it.
// RUN: %rocfuse-opt %s --rocfuse-normalize --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @reciprocal(
//       CHECK: linalg.generic
//   CHECK-NOT: cmpf
//   CHECK-NOT: cf.assert
//       CHECK: arith.divf
func.func @reciprocal(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %0 = tensor.empty() : tensor<4x8xf32>
  %1 = linalg.generic {
      indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
      iterator_types = ["parallel", "parallel"]} ins(%x : tensor<4x8xf32>) outs(%0 : tensor<4x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %2 = arith.cmpf one, %in, %zero : f32
    // expected-remark @below {{rocfuse-normalize: dropped cf.assert 'tensor with zero element'}}
    cf.assert %2, "tensor with zero element"
    %3 = arith.divf %one, %in : f32
    linalg.yield %3 : f32
  } -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}
