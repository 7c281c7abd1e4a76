// A program that cannot be fused: a pass alone leaves it as it is, with a remark; asking for a kernel is an error and no file.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-split-sliced-gemms --rocfuse-form-multi-gemm 2> %t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-form-multi-gemm --verify-diagnostics | FileCheck %s
// RUN: rm -f %t.hsaco && not %rocfuse-opt %s --emit=hsaco -o %t.hsaco 2>&1 | FileCheck %s --check-prefix=ERROR
// RUN: not ls %t.hsaco

// CHECK-LABEL: func.func @sum
//       CHECK:   arith.addf
// REMARK: refusal.mlir:[[#]]:{{[0-9]+}}: remark: rocfuse-form-multi-gemm: nothing to fuse
// ERROR: error: rocfuse-form-multi-gemm: nothing to fuse
// expected-remark @below {{rocfuse-form-multi-gemm: nothing to fuse}}
func.func @sum(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %0 = arith.addf %x, %y : tensor<4xf32>
  return %0 : tensor<4xf32>
}
