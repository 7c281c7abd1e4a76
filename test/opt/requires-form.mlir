// A pass that comes too early says, at the op, which pass comes first; where that one ran, it is not what is missing.
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels 2>&1 | FileCheck %s --check-prefix=FUSED
// RUN: not %rocfuse-opt %s --rocfuse-form-multi-gemm 2>&1 | FileCheck %s --check-prefix=TENSOR
// RUN: not %rocfuse-opt %s --pass-pipeline='rocfuse-normalize,rocfuse-form-multi-gemm,func.func(empty-tensor-to-alloc-tensor),rocfuse-plan-kernels' 2>&1 | FileCheck %s --check-prefix=RAN

// FUSED: requires-form.mlir:[[#@LINE+5]]:8: error: rocfuse-plan-kernels requires the form 'fused': linalg.matmul is a product outside of a rocfuse.multi_gemm; run rocfuse-form-multi-gemm before it{{$}}
// TENSOR: requires-form.mlir:[[#@LINE+4]]:8: error: rocfuse-form-multi-gemm requires the form 'tensor': linalg.matmul is left; run rocfuse-normalize before it{{$}}
// RAN: error: rocfuse-plan-kernels requires the form 'fused': an op that is no constant, view, multi_gemm or combine (bufferization.alloc_tensor){{$}}

func.func @f(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %0 = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %0 : tensor<5x6xf32>
}
