// Only kernels in the blockwise form can be pipelined.
// RUN: not %rocfuse-opt %s --rocfuse-pipeline-loop 2>&1 | FileCheck %s
// CHECK: error: rocfuse-pipeline-loop requires the form 'blockwise': there is no gpu.func in a gpu.module
// CHECK-NOT: func.func

func.func @f(%x: tensor<4xf16>) -> tensor<4xf16> {
  return %x : tensor<4xf16>
}
