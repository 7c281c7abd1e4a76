// A product that is sliced but cannot be split stays as it is, with the reason at the op that is in the way.
// RUN: %rocfuse-opt %s --rocfuse-split-sliced-gemms --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @whole(
//       CHECK: linalg.matmul
//       CHECK: tensor.extract_slice %{{.*}}[0, 0] [5, 6]
func.func @whole(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<5x12xf32>) -> (tensor<5x6xf32>, tensor<5x12xf32>) {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%c : tensor<5x12xf32>) -> tensor<5x12xf32>
  %a = tensor.extract_slice %p[0, 0] [5, 6] [1, 1] : tensor<5x12xf32> to tensor<5x6xf32>
  // expected-remark @below {{rocfuse-split-sliced-gemms: 1 slice of the product, and func.return reads all of it}}
  return %a, %p : tensor<5x6xf32>, tensor<5x12xf32>
}

// -----

// CHECK-LABEL: func.func @interleaved(
//       CHECK: tensor.extract_slice %{{.*}}[0, 1] [5, 6] [1, 2]
func.func @interleaved(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<5x12xf32>) -> tensor<5x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%c : tensor<5x12xf32>) -> tensor<5x12xf32>
  // expected-remark @below {{sliced with a step of 2 (need 1): interleaved columns}}
  %a = tensor.extract_slice %p[0, 1] [5, 6] [1, 2] : tensor<5x12xf32> to tensor<5x6xf32>
  return %a : tensor<5x6xf32>
}

// -----

func.func @dynamic_place(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<5x12xf32>, %i: index) -> tensor<5x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%c : tensor<5x12xf32>) -> tensor<5x12xf32>
  // expected-remark @below {{a slice of the product has offsets or sizes that are not constant}}
  %a = tensor.extract_slice %p[0, %i] [5, 6] [1, 1] : tensor<5x12xf32> to tensor<5x6xf32>
  return %a : tensor<5x6xf32>
}

// -----

func.func @dynamic_rows(%x: tensor<?x7xf16>, %w: tensor<7x12xf16>, %c: tensor<?x12xf32>) -> tensor<5x6xf32> {
  // expected-remark @below {{the sliced product tensor<?x12xf32> has dynamic dims}}
  %p = linalg.matmul ins(%x, %w : tensor<?x7xf16>, tensor<7x12xf16>) outs(%c : tensor<?x12xf32>) -> tensor<?x12xf32>
  %a = tensor.extract_slice %p[0, 0] [5, 6] [1, 1] : tensor<?x12xf32> to tensor<5x6xf32>
  return %a : tensor<5x6xf32>
}

// -----

func.func @dynamic_slice(%x: tensor<?x7xf16>, %w: tensor<7x12xf16>, %c: tensor<?x12xf32>, %m: index) -> tensor<?x6xf32> {
  // expected-remark @below {{the sliced product tensor<?x12xf32> has dynamic dims}}
  %p = linalg.matmul ins(%x, %w : tensor<?x7xf16>, tensor<7x12xf16>) outs(%c : tensor<?x12xf32>) -> tensor<?x12xf32>
  %a = tensor.extract_slice %p[0, 0] [%m, 6] [1, 1] : tensor<?x12xf32> to tensor<?x6xf32>
  return %a : tensor<?x6xf32>
}
