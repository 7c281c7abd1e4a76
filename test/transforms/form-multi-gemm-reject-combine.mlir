// What stands between products and results is elementwise over all of them; the reason is at the op that is not.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-split-sliced-gemms --rocfuse-form-multi-gemm --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @gate_of_one_column(
//   CHECK-NOT: multi_gemm
func.func @gate_of_one_column(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<5x12xf32>) -> tensor<5x11xf32> {
  // expected-remark @below {{products of unequal width are combined: one of 5x1 for a result of 5x11}}
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%c : tensor<5x12xf32>) -> tensor<5x12xf32>
  %a = tensor.extract_slice %p[0, 0] [5, 1] [1, 1] : tensor<5x12xf32> to tensor<5xf32>
  %b = tensor.extract_slice %p[0, 1] [5, 11] [1, 1] : tensor<5x12xf32> to tensor<5x11xf32>
  %0 = tensor.empty() : tensor<5x11xf32>
  %g = linalg.broadcast ins(%a : tensor<5xf32>) outs(%0 : tensor<5x11xf32>) dimensions = [1]
  %r = arith.mulf %g, %b : tensor<5x11xf32>
  return %r : tensor<5x11xf32>
}

// -----

// CHECK-LABEL: func.func @sum(
//   CHECK-NOT: multi_gemm
func.func @sum(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>, %d: tensor<5xf32>) -> tensor<5xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  // expected-remark @below {{linalg.generic reduces over 6 elements after the product; the combine is elementwise: reduce in another kernel}}
  %r = linalg.reduce {arith.addf} ins(%p : tensor<5x6xf32>) outs(%d : tensor<5xf32>) dimensions = [1]
  return %r : tensor<5xf32>
}

// -----

func.func @squares(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>, %d: tensor<5xf32>) -> tensor<5xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  %h = tensor.extract_slice %p[0, 0] [5, 3] [1, 1] : tensor<5x6xf32> to tensor<5x3xf32>
  %g = tensor.extract_slice %p[0, 3] [5, 3] [1, 1] : tensor<5x6xf32> to tensor<5x3xf32>
  %m = arith.mulf %h, %g : tensor<5x3xf32>
  // expected-remark @below {{linalg.generic reduces over 3 elements of another product's result; compute that product in a kernel before it}}
  %r = linalg.reduce {arith.addf} ins(%m : tensor<5x3xf32>) outs(%d : tensor<5xf32>) dimensions = [1]
  return %r : tensor<5xf32>
}

// -----

func.func @softmax(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  %0 = tensor.empty() : tensor<5x6xf32>
  // expected-remark @below {{linalg.softmax between the products and the result; the combine is made of elementwise linalg ops}}
  %r = linalg.softmax dimension(1) ins(%p : tensor<5x6xf32>) outs(%0 : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %r : tensor<5x6xf32>
}

// -----

func.func @table(%x: tensor<5x7xf16>, %w: tensor<7x2xf16>, %c: tensor<5x2xf32>) -> tensor<5x2xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x2xf16>) outs(%c : tensor<5x2xf32>) -> tensor<5x2xf32>
  // expected-remark @below {{a constant tensor of several values is read; pass it as an argument}}
  %t = arith.constant dense<[[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]> : tensor<5x2xf32>
  %r = arith.mulf %p, %t : tensor<5x2xf32>
  return %r : tensor<5x2xf32>
}

// -----

func.func @place(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  // expected-remark @below {{linalg.generic reads its place by linalg.index; the combine is the same everywhere: pass a tensor instead}}
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]} ins(%p : tensor<5x6xf32>) outs(%c : tensor<5x6xf32>) {
  ^bb0(%e: f32, %o: f32):
    %n = linalg.index 1 : index
    %k = arith.index_cast %n : index to i32
    %f = arith.sitofp %k : i32 to f32
    %q = arith.mulf %e, %f : f32
    linalg.yield %q : f32
  } -> tensor<5x6xf32>
  return %r : tensor<5x6xf32>
}
