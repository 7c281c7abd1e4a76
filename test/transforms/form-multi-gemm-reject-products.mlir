// Products that no matrix instruction computes, or not with one plan, stay products; the reason is at the product.
// RUN: %rocfuse-opt %s --rocfuse-normalize --rocfuse-split-sliced-gemms --rocfuse-form-multi-gemm --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @f32(
//   CHECK-NOT: multi_gemm
func.func @f32(%x: tensor<5x7xf32>, %w: tensor<7x6xf32>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  // expected-remark @below {{rocfuse-form-multi-gemm: the product multiplies f32 by f32 (need two f16 or two bf16); convert them}}
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf32>, tensor<7x6xf32>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %p : tensor<5x6xf32>
}

// -----

func.func @i8(%x: tensor<5x7xi8>, %w: tensor<7x6xi8>, %c: tensor<5x6xi32>) -> tensor<5x6xi32> {
  // expected-remark @below {{the product multiplies i8 by i8 into i32 (need two f16 or two bf16); convert them}}
  %p = linalg.matmul ins(%x, %w : tensor<5x7xi8>, tensor<7x6xi8>) outs(%c : tensor<5x6xi32>) -> tensor<5x6xi32>
  return %p : tensor<5x6xi32>
}

// -----

func.func @complex(%x: tensor<5x7xcomplex<f32>>, %w: tensor<7x6xcomplex<f32>>, %c: tensor<5x6xcomplex<f32>>)
    -> tensor<5x6xcomplex<f32>> {
  // expected-remark @below {{the product multiplies complex<f32> by complex<f32>}}
  %p = linalg.matmul ins(%x, %w : tensor<5x7xcomplex<f32>>, tensor<7x6xcomplex<f32>>)
      outs(%c : tensor<5x6xcomplex<f32>>) -> tensor<5x6xcomplex<f32>>
  return %p : tensor<5x6xcomplex<f32>>
}

// -----

func.func @vector(%x: tensor<5x7xf16>, %w: tensor<7xf16>, %c: tensor<5xf32>) -> tensor<5xf32> {
  // expected-remark @below {{the product has no m dimension; give the vector a dimension of 1}}
  %p = linalg.matvec ins(%x, %w : tensor<5x7xf16>, tensor<7xf16>) outs(%c : tensor<5xf32>) -> tensor<5xf32>
  return %p : tensor<5xf32>
}

// -----

func.func @convolution(%x: tensor<1x8x8x4xf16>, %w: tensor<3x3x4x8xf16>, %c: tensor<1x6x6x8xf32>) -> tensor<1x6x6x8xf32> {
  // expected-remark @below {{nothing to fuse: linalg.generic is no product of two tensors (a convolution, a sum?)}}
  %p = linalg.conv_2d_nhwc_hwcf ins(%x, %w : tensor<1x8x8x4xf16>, tensor<3x3x4x8xf16>)
      outs(%c : tensor<1x6x6x8xf32>) -> tensor<1x6x6x8xf32>
  return %p : tensor<1x6x6x8xf32>
}
