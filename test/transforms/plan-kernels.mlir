// One plan for all GEMMs of a kernel: what is not pinned is chosen, what is pinned stays, and the account adds up.
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=tile-m=128,tile-n=64,tile-k=64,waves-m=2,waves-n=2,matrix-op=32x32x8,stages=1 | FileCheck %s
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=matrix-op=16x16x16,tile-k=32 | FileCheck %s --check-prefix=PART
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels | FileCheck %s --check-prefix=FREE
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=max-lds-bytes=12000,min-waves-per-simd=2 | FileCheck %s --check-prefix=LIMIT

// CHECK-LABEL: func.func @dual
//       CHECK:   "rocfuse.multi_gemm"
//       CHECK:   {dims = ["m", "n", "k"], rocfuse.plan = {
// Rows of the result are 256 bytes: a wave's go through LDS, 32 at once.
//  CHECK-SAME:     combine = {operands = [], stores = [{reason = "{{.*}}", staging = {columns = 32 : i64, {{.*}} rows = 32 : i64
//  CHECK-SAME:     contiguous = "n"
// A is loaded once for both products, along k; the halves of W are two views, loaded along n.
//  CHECK-SAME:     along = "k", {{[^}]*}}operand = "A", {{[^}]*}}role = "a"
//  CHECK-SAME:     along = "row", {{[^}]*}}operand = "B0", {{[^}]*}}role = "b"
//  CHECK-SAME:     along = "row", {{[^}]*}}operand = "B1", {{[^}]*}}role = "b"
//  CHECK-SAME:     grid = 4 : i64
//  CHECK-SAME:     lds = [{bytes = 16384 : i64, live = "loop", name = "A", offset = 0 : i64, stage = 0 : i64},
//  CHECK-SAME:            {bytes = 8192 : i64, live = "loop", name = "B0", offset = 16384 : i64, stage = 0 : i64},
//  CHECK-SAME:            {bytes = 8192 : i64, live = "loop", name = "B1", offset = 24576 : i64, stage = 0 : i64},
//  CHECK-SAME:            {bytes = 8192 : i64, live = "combine", name = "result0", offset = 0 : i64, stage = 0 : i64}]
//  CHECK-SAME:     lds_bytes = 32768 : i64
//  CHECK-SAME:     matrix_op = "32x32x8"
//  CHECK-SAME:     register_budget = 256 : i64
//  CHECK-SAME:     split_k = 1 : i64
//  CHECK-SAME:     tile = [128, 64, 64], waves = [2, 2]
//       CHECK:   linalg.generic

// PART-LABEL: func.func @dual
//       PART:   matrix_op = "16x16x16"
//  PART-SAME:   tile = [{{[0-9]+}}, {{[0-9]+}}, 32]
// FREE-LABEL: func.func @dual
//       FREE:   rocfuse.plan = {
//       FREE:   linalg.generic
// LIMIT-LABEL: func.func @dual
//       LIMIT: lds_bytes = {{[0-9]|1[01]}}{{[0-9][0-9][0-9]}} : i64
//  LIMIT-SAME: waves_per_simd = {{[2-8]}} : i64

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d2, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @dual(%x: tensor<256x640xf16>, %w: tensor<640x256xf16>) -> tensor<256x128xf16> {
  %w0 = tensor.extract_slice %w[0, 0] [640, 128] [1, 1] : tensor<640x256xf16> to tensor<640x128xf16>
  %w1 = tensor.extract_slice %w[0, 128] [640, 128] [1, 1] : tensor<640x256xf16> to tensor<640x128xf16>
  %g:2 = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w0) {indexing_maps = [#a, #b]} : (tensor<256x640xf16>, tensor<640x128xf16>) -> tensor<256x128xf32>
    %q = "rocfuse.gemm"(%x, %w1) {indexing_maps = [#a, #b]} : (tensor<256x640xf16>, tensor<640x128xf16>) -> tensor<256x128xf32>
    vector.yield %p, %q : tensor<256x128xf32>, tensor<256x128xf32>
  }) {dims = ["m", "n", "k"]} : () -> (tensor<256x128xf32>, tensor<256x128xf32>)
  %e = tensor.empty() : tensor<256x128xf16>
  %o = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g#0, %g#1 : tensor<256x128xf32>, tensor<256x128xf32>) outs(%e : tensor<256x128xf16>) {
  ^bb0(%p: f32, %q: f32, %out: f16):
    %s = arith.mulf %p, %q : f32
    %t = arith.truncf %s : f32 to f16
    linalg.yield %t : f16
  } -> tensor<256x128xf16>
  return %o : tensor<256x128xf16>
}
