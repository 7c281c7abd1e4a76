// A function is one pattern and has no effects; one that is not comes out as it went in, and leaves the others alone.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-split-sliced-gemms --rocfuse-form-multi-gemm --split-input-file --verify-diagnostics | FileCheck %s

// expected-remark @below {{rocfuse-form-multi-gemm: nothing to fuse: no product of two tensors; a linalg or tosa matmul is needed}}
func.func @nothing(%x: tensor<5x6xf16>) -> tensor<5x6xf16> {
  %r = math.exp %x : tensor<5x6xf16>
  return %r : tensor<5x6xf16>
}

// -----

// CHECK-LABEL: func.func @one(
//       CHECK:   "rocfuse.multi_gemm"
func.func @one(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %p : tensor<5x6xf32>
}
// CHECK-LABEL: func.func @without(
//       CHECK:   math.exp %{{.*}} : tensor<5x6xf16>
// expected-remark @below {{nothing to fuse: no product of two tensors; a linalg or tosa matmul is needed; compile the other functions without @without}}
func.func @without(%x: tensor<5x6xf16>) -> tensor<5x6xf16> {
  %r = math.exp %x : tensor<5x6xf16>
  return %r : tensor<5x6xf16>
}

// -----

// The caller is refused where it calls; the function that it calls is a program, too.
// CHECK-LABEL: func.func @caller(
//       CHECK:   linalg.matmul
// CHECK-LABEL: func.func private @called(
//       CHECK:   "rocfuse.multi_gemm"
func.func @caller(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  // expected-remark @below {{calls are no part of a kernel; inline them with rocfuse.opt --pass-pipeline=inline, or move them out}}
  %d = call @called(%x, %w, %c) : (tensor<5x7xf16>, tensor<7x6xf16>, tensor<5x6xf32>) -> tensor<5x6xf32>
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%d : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %p : tensor<5x6xf32>
}
func.func private @called(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %p : tensor<5x6xf32>
}

// CHECK-LABEL: func.func @only_calls(
func.func @only_calls(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  // expected-remark @below {{nothing to fuse: no product of two tensors, and calls are no part of a kernel; inline them}}
  %p = call @called(%x, %w, %c) : (tensor<5x7xf16>, tensor<7x6xf16>, tensor<5x6xf32>) -> tensor<5x6xf32>
  return %p : tensor<5x6xf32>
}

// -----

func.func @two_patterns(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>, %v: tensor<7x8xf16>, %d: tensor<5x8xf32>)
    -> (tensor<5x6xf32>, tensor<5x8xf32>) {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  %q = linalg.matmul ins(%x, %v : tensor<5x7xf16>, tensor<7x8xf16>) outs(%d : tensor<5x8xf32>) -> tensor<5x8xf32>
  // expected-remark @below {{the results have different shapes, 5x6 and 5x8; one kernel has one output shape}}
  return %p, %q : tensor<5x6xf32>, tensor<5x8xf32>
}

// -----

func.func private @print(tensor<5x6xf32>)
func.func @effect(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  // expected-remark @below {{calls are no part of a kernel; inline them with rocfuse.opt --pass-pipeline=inline, or move them out}}
  call @print(%p) : (tensor<5x6xf32>) -> ()
  return %p : tensor<5x6xf32>
}

// -----

func.func @buffers(%x: memref<5x7xf16>, %w: memref<7x6xf16>, %c: memref<5x6xf32>) {
  // expected-remark @below {{linalg.generic on buffers; tensors are needed: compile the program before bufferization}}
  linalg.matmul ins(%x, %w : memref<5x7xf16>, memref<7x6xf16>) outs(%c : memref<5x6xf32>)
  return
}
