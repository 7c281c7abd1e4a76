// Every function is a program of its own: each becomes a kernel, and one that is refused among them stays as it was.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-split-sliced-gemms --rocfuse-form-multi-gemm --verify-diagnostics | FileCheck %s
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-split-sliced-gemms --rocfuse-form-multi-gemm --rocfuse-expand-math --rocfuse-plan-kernels --rocfuse-lower-to-gpu --rocfuse-pipeline-loop --rocfuse-lower-to-amdgpu --rocfuse-lower-to-llvm 2>/dev/null | FileCheck %s --check-prefix=LLVM
// RUN: rm -f %t.hsaco && not %rocfuse-opt %s --emit=hsaco -o %t.hsaco 2>&1 | FileCheck %s --check-prefix=ERROR
// RUN: not ls %t.hsaco

// LLVM-LABEL: gpu.module @kernels
//       LLVM:   llvm.func @row
//       LLVM:   llvm.func @unit_batch
//   LLVM-NOT: gpu.module

// CHECK-LABEL: func.func @row(
//       CHECK:   {dims = ["m", "n", "k"]}
func.func @row(%x: tensor<1x7xf16>, %w: tensor<7x6xf16>, %c: tensor<1x6xf32>) -> tensor<1x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<1x7xf16>, tensor<7x6xf16>) outs(%c : tensor<1x6xf32>) -> tensor<1x6xf32>
  return %p : tensor<1x6xf32>
}

// It was normalized before it was refused.
// CHECK-LABEL: func.func @refused(
//       CHECK:   %[[P:.*]] = linalg.matmul
//       CHECK:   %[[A:.*]] = tensor.extract_slice %[[P]][0, 0] [5, 6]
//       CHECK:   return %[[A]], %[[P]]
// LLVM-LABEL: func.func @refused(
//       LLVM:   linalg.matmul
// ERROR: functions.mlir:[[#@LINE+5]]:{{[0-9]+}}: error: rocfuse-split-sliced-gemms: 1 slice of the product, and func.return
func.func @refused(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<5x12xf32>) -> (tensor<5x6xf32>, tensor<5x12xf32>) {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%c : tensor<5x12xf32>) -> tensor<5x12xf32>
  %a = tensor.extract_slice %p[0, 0] [5, 6] [1, 1] : tensor<5x12xf32> to tensor<5x6xf32>
  // expected-remark @below {{1 slice of the product, and func.return reads all of it; slice for every reader or for none}}
  return %a, %p : tensor<5x6xf32>, tensor<5x12xf32>
}

// The unit batch of its weights goes, as it does when it is alone, though the M of @row, which is 1 as well, has to stay.
// CHECK-LABEL: func.func @unit_batch(
//       CHECK:   {dims = ["m", "m", "n", "k"]}
func.func @unit_batch(%x: tensor<1x5x7xf16>, %w: tensor<1x7x6xf16>, %c: tensor<1x5x6xf32>) -> tensor<1x5x6xf32> {
  %p = linalg.batch_matmul ins(%x, %w : tensor<1x5x7xf16>, tensor<1x7x6xf16>) outs(%c : tensor<1x5x6xf32>) -> tensor<1x5x6xf32>
  return %p : tensor<1x5x6xf32>
}
