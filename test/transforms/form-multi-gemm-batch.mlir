// A dim in both operands and the result is batch; one that only A has is a second m: a weight shared by a batch.
// RUN: %rocfuse-opt %s --split-input-file --rocfuse-normalize --rocfuse-form-multi-gemm | FileCheck %s

// CHECK-LABEL: func.func @batched(
//       CHECK: dims = ["batch", "m", "n", "k"]
func.func @batched(%x: tensor<2x5x7xf16>, %w: tensor<2x7x6xf16>, %c: tensor<2x5x6xf32>) -> tensor<2x5x6xf32> {
  %p = linalg.batch_matmul ins(%x, %w : tensor<2x5x7xf16>, tensor<2x7x6xf16>) outs(%c : tensor<2x5x6xf32>)
      -> tensor<2x5x6xf32>
  return %p : tensor<2x5x6xf32>
}

// -----

// CHECK-LABEL: func.func @rank3(
//       CHECK: %[[P:.*]] = "rocfuse.multi_gemm"
//       CHECK: dims = ["m", "m", "n", "k"]{{.*}} -> tensor<2x5x6xf32>
//       CHECK: return %{{.*}} : tensor<2x5x6xf32>
func.func @rank3(%x: tensor<2x5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<2x5x6xf32>) -> tensor<2x5x6xf32> {
  %x2 = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x5x7xf16> into tensor<10x7xf16>
  %c2 = tensor.collapse_shape %c [[0, 1], [2]] : tensor<2x5x6xf32> into tensor<10x6xf32>
  %p = linalg.matmul ins(%x2, %w : tensor<10x7xf16>, tensor<7x6xf16>) outs(%c2 : tensor<10x6xf32>) -> tensor<10x6xf32>
  %y = tensor.expand_shape %p [[0, 1], [2]] output_shape [2, 5, 6] : tensor<10x6xf32> into tensor<2x5x6xf32>
  return %y : tensor<2x5x6xf32>
}
