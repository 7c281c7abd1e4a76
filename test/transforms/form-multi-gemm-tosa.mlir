// TOSA: its unit batch and its reshapes leave no trace; dense weights arrive as views of the arguments.
// RUN: %rocfuse-opt %inputs/glu_small_tosa.mlir --rocfuse-normalize --rocfuse-split-sliced-gemms --rocfuse-form-multi-gemm | FileCheck %s

// CHECK-LABEL: func.func @glu_small_tosa(
//  CHECK-SAME: %[[X:.*]]: tensor<48x64xf16>, %[[W:.*]]: tensor<256x64xf16>, %[[BIAS:.*]]: tensor<256xf16>
//   CHECK-NOT: _shape
//   CHECK-DAG: %[[W0:.*]] = tensor.extract_slice %[[W]][0, 0] [128, 64] [1, 1]
//   CHECK-DAG: %[[W1:.*]] = tensor.extract_slice %[[W]][128, 0] [128, 64] [1, 1]
//       CHECK: "rocfuse.gemm"(%[[X]], %[[W0]])
//       CHECK: "rocfuse.gemm"(%[[X]], %[[W1]])
//       CHECK: dims = ["m", "n", "k"]
//   CHECK-DAG: tensor.extract_slice %[[BIAS]][0] [128] [1]
//   CHECK-DAG: tensor.extract_slice %[[BIAS]][128] [128] [1]
//   CHECK-NOT: _shape
