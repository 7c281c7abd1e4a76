// Each labelled constraint of dialects/README.md is an error at the op, with the label.
// RUN: %rocfuse-opt %s --rocfuse-verify --split-input-file --verify-diagnostics

func.func @c1_foreign(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>) {
  // expected-error @below {{multi_gemm_c1: its region holds tensor.empty (need rocfuse.gemm alone)}}
  %g = "rocfuse.multi_gemm"() ({
    %p = tensor.empty() : tensor<5x6xf32>
    vector.yield %p : tensor<5x6xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<5x6xf32>
  return
}

// -----

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d2, d1)>
func.func @c2_order(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>) {
  // expected-error @below {{multi_gemm_c2: dims are n, m, k (need batch*, m+, n+, k in this order)}}
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<5x7xf16>, tensor<7x6xf16>) -> tensor<5x6xf32>
    vector.yield %p : tensor<5x6xf32>
  }) {dims = ["n", "m", "k"]} : () -> tensor<5x6xf32>
  return
}

// -----

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d2, d1)>
func.func @c2_two_k(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>) {
  // expected-error @below {{multi_gemm_c2: dims are m, n, k, k}}
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<5x7xf16>, tensor<7x6xf16>) -> tensor<5x6xf32>
    vector.yield %p : tensor<5x6xf32>
  }) {dims = ["m", "n", "k", "k"]} : () -> tensor<5x6xf32>
  return
}

// -----

#a = affine_map<(d0, d1, d2) -> (d0, d2 + 1)>
#b = affine_map<(d0, d1, d2) -> (d2, d1)>
func.func @c3_offset(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>) {
  // expected-error @below {{multi_gemm_c3: gemm 0: the map of a, (d0, d1, d2) -> (d0, d2 + 1), is no projected permutation}}
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<5x7xf16>, tensor<7x6xf16>) -> tensor<5x6xf32>
    vector.yield %p : tensor<5x6xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<5x6xf32>
  return
}

// -----

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d0, d1)>
func.func @c4_no_k(%x: tensor<5x7xf16>, %w: tensor<5x6xf16>) {
  // expected-error @below {{multi_gemm_c4: gemm 0: b is indexed by d0, d1 (need d1, d2)}}
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<5x7xf16>, tensor<5x6xf16>) -> tensor<5x6xf32>
    vector.yield %p : tensor<5x6xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<5x6xf32>
  return
}
