// In the whole pipeline a slice that cannot be split refuses the program: one remark, and no multi_gemm.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-split-sliced-gemms --rocfuse-form-multi-gemm --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @whole(
//   CHECK-NOT: multi_gemm
func.func @whole(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<5x12xf32>) -> (tensor<5x6xf32>, tensor<5x12xf32>) {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%c : tensor<5x12xf32>) -> tensor<5x12xf32>
  %a = tensor.extract_slice %p[0, 0] [5, 6] [1, 1] : tensor<5x12xf32> to tensor<5x6xf32>
  %b = tensor.extract_slice %p[0, 6] [5, 6] [1, 1] : tensor<5x12xf32> to tensor<5x6xf32>
  %r = arith.mulf %a, %b : tensor<5x6xf32>
  // expected-remark @below {{2 slices of the product, and func.return reads all of it}}
  return %r, %p : tensor<5x6xf32>, tensor<5x12xf32>
}

// -----

// CHECK-LABEL: func.func @interleaved(
//   CHECK-NOT: multi_gemm
func.func @interleaved(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<5x12xf32>) -> tensor<5x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%c : tensor<5x12xf32>) -> tensor<5x12xf32>
  // expected-remark @below {{the product is sliced with a step of 2 (need 1): interleaved columns}}
  %a = tensor.extract_slice %p[0, 0] [5, 6] [1, 2] : tensor<5x12xf32> to tensor<5x6xf32>
  return %a : tensor<5x6xf32>
}
