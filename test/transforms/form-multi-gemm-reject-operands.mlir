// Operands of a product are views of arguments that have a neighbour in memory; others are refused where they are made.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-split-sliced-gemms --rocfuse-form-multi-gemm --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @chained(
//   CHECK-NOT: multi_gemm
func.func @chained(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %v: tensor<6x4xf16>, %c: tensor<5x6xf16>, %d: tensor<5x4xf16>)
    -> tensor<5x4xf16> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf16>) -> tensor<5x6xf16>
  // expected-remark @below {{linalg.generic reduces over 6 elements of another product's result; compute that product in a kernel before it}}
  %q = linalg.matmul ins(%p, %v : tensor<5x6xf16>, tensor<6x4xf16>) outs(%d : tensor<5x4xf16>) -> tensor<5x4xf16>
  return %q : tensor<5x4xf16>
}

// -----

func.func @computed(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf16>) -> tensor<5x6xf16> {
  %e = math.exp %x : tensor<5x7xf16>
  // expected-remark @below {{the product's body is math.exp, arith.mulf, arith.addf (need out + a·b, operands extended); move the rest out}}
  %p = linalg.matmul ins(%e, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf16>) -> tensor<5x6xf16>
  return %p : tensor<5x6xf16>
}

// -----

func.func @interleaved(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %pairs = tensor.expand_shape %w [[0], [1, 2]] output_shape [7, 6, 2] : tensor<7x12xf16> into tensor<7x6x2xf16>
  %even = tensor.extract_slice %pairs[0, 0, 0] [7, 6, 1] [1, 1, 1] : tensor<7x6x2xf16> to tensor<7x6xf16>
  // expected-remark @below {{an operand is read with a step of 2 elements (need 1): interleaved columns; store them apart}}
  %p = linalg.matmul ins(%x, %even : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %p : tensor<5x6xf32>
}

// -----

// expected-remark @below {{argument 0 is tensor<?x7xf16>: dynamic dims; make the shape static}}
func.func @dynamic(%x: tensor<?x7xf16>, %w: tensor<7x6xf16>, %c: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<?x7xf16>, tensor<7x6xf16>) outs(%c : tensor<?x6xf32>) -> tensor<?x6xf32>
  return %p : tensor<?x6xf32>
}

// -----

func.func @constant(%x: tensor<5x7xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %w = arith.constant dense<2.0> : tensor<7x6xf16>
  // expected-remark @below {{an operand of the product is a constant; operands must be function arguments: pass it as one}}
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %p : tensor<5x6xf32>
}

// -----

func.func @ones(%x: tensor<5x7xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %w = arith.constant dense<1.0> : tensor<7x6xf16>
  // expected-remark @below {{an operand of the product is a constant; operands must be function arguments: pass it as one}}
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %p : tensor<5x6xf32>
}

// -----

func.func @constant_beside_a_product(%x: tensor<5x7xf16>, %v: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %w = arith.constant dense<2.0> : tensor<7x6xf16>
  %p = linalg.matmul ins(%x, %v : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  // expected-remark @below {{an operand of the product is a constant; operands must be function arguments: pass it as one}}
  %q = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  %r = arith.addf %p, %q : tensor<5x6xf32>
  return %r : tensor<5x6xf32>
}
