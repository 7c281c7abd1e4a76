// Casts of f64 constants and roots of f16 constants are folded, rounded once, though upstream finds them inexact.
// RUN: %rocfuse-opt %s --rocfuse-normalize | FileCheck %s

// CHECK-LABEL: func.func @constants(
//   CHECK-DAG: %[[C:.*]] = arith.constant 1.702150e+00 : f16
//   CHECK-DAG: %[[ROOT:.*]] = arith.constant 1.414060e+00 : f16
//   CHECK-NOT: math.sqrt
//       CHECK: arith.mulf %{{.*}}, %[[C]]
//       CHECK: arith.divf %{{.*}}, %[[ROOT]]
func.func @constants(%x: tensor<8xf16>) -> tensor<8xf16> {
  %c = arith.constant 1.702000e+00 : f64
  %two = arith.constant 2.0 : f16
  %0 = tensor.empty() : tensor<8xf16>
  %1 = linalg.generic {
      indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
      iterator_types = ["parallel"]} ins(%x : tensor<8xf16>) outs(%0 : tensor<8xf16>) {
  ^bb0(%in: f16, %out: f16):
    %2 = arith.truncf %c : f64 to f16
    %3 = math.sqrt %two : f16
    %4 = arith.mulf %in, %2 : f16
    %5 = arith.divf %4, %3 : f16
    linalg.yield %5 : f16
  } -> tensor<8xf16>
  return %1 : tensor<8xf16>
}
