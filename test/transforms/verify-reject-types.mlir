// Each labelled constraint of dialects/README.md is an error at the op, with the label.
// RUN: %rocfuse-opt %s --rocfuse-verify --split-input-file --verify-diagnostics

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d2, d1)>
func.func @c5_f32(%x: tensor<5x7xf32>, %w: tensor<7x6xf32>) {
  // expected-error @below {{multi_gemm_c5: gemm 0: it multiplies f32 by f32 (need two f16 or two bf16)}}
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<5x7xf32>, tensor<7x6xf32>) -> tensor<5x6xf32>
    vector.yield %p : tensor<5x6xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<5x6xf32>
  return
}

// -----

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d2, d1)>
func.func @c5_product(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>) {
  // expected-error @below {{multi_gemm_c5: gemm 0: its product is of f16 (need f32)}}
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<5x7xf16>, tensor<7x6xf16>) -> tensor<5x6xf16>
    vector.yield %p : tensor<5x6xf16>
  }) {dims = ["m", "n", "k"]} : () -> tensor<5x6xf16>
  return
}

// -----

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d2, d1)>
func.func @c6_k(%x: tensor<5x7xf16>, %w: tensor<8x6xf16>) {
  // expected-error @below {{multi_gemm_c6: gemm 0: d2 is 8 in b and 7 in a of gemm 0}}
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<5x7xf16>, tensor<8x6xf16>) -> tensor<5x6xf32>
    vector.yield %p : tensor<5x6xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<5x6xf32>
  return
}

// -----

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d2, d1)>
func.func @c6_shape(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>) {
  // expected-error @below {{multi_gemm_c6: the products are 6x5 (need 5x6: the extents of the loop dims without k)}}
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<5x7xf16>, tensor<7x6xf16>) -> tensor<6x5xf32>
    vector.yield %p : tensor<6x5xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<6x5xf32>
  return
}

// -----

func.func @c1_outside(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>) {
  // expected-error @below {{multi_gemm_c1: rocfuse.gemm is in func.func (need rocfuse.multi_gemm)}}
  %p = "rocfuse.gemm"(%x, %w) {indexing_maps = []} : (tensor<5x7xf16>, tensor<7x6xf16>) -> tensor<5x6xf32>
  return
}
