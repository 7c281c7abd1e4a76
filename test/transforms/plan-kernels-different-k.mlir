// GEMMs of different k are planned as one loop after another; who pins one loop for all is told what it needs.
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels | FileCheck %s
// RUN: %rocfuse-plan %s | FileCheck %s --check-prefix=REPORT
// RUN: %rocfuse-plan %s --json | FileCheck %s --check-prefix=JSON
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=loop-form=fused,tile-m=64,tile-n=64,tile-k=32,waves-m=2,waves-n=2,matrix-op=32x32x8 2>&1 | FileCheck %s --check-prefix=FUSED
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=stages=3,tile-k=32 2>&1 | FileCheck %s --check-prefix=STAGES

// CHECK: loop_form = "sequential"
// REPORT: 2 GEMMs of batch 1, m 64, n 64, k 40 and 200, f16
// REPORT: sequential loops
// JSON: "k": [
// JSON-NEXT: 40,
// JSON-NEXT: 200
// FUSED: error: rocfuse-plan-kernels: 64x(64+64)x32: loop-form fused: need one k, have 40 and 200; needs loop-form=sequential; try loop-form=sequential (64x(64+64)x32)
// STAGES: error: rocfuse-plan-kernels: {{.*}}: stages 3 > 2, the tiles of k 40; try

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @dual(%x: tensor<64x40xf16>, %u: tensor<64x40xf16>, %y: tensor<64x200xf16>, %v: tensor<64x200xf16>) -> tensor<64x64xf32> {
  %g:2 = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %u) {indexing_maps = [#a, #b]} : (tensor<64x40xf16>, tensor<64x40xf16>) -> tensor<64x64xf32>
    %q = "rocfuse.gemm"(%y, %v) {indexing_maps = [#a, #b]} : (tensor<64x200xf16>, tensor<64x200xf16>) -> tensor<64x64xf32>
    vector.yield %p, %q : tensor<64x64xf32>, tensor<64x64xf32>
  }) {dims = ["m", "n", "k"]} : () -> (tensor<64x64xf32>, tensor<64x64xf32>)
  %e = tensor.empty() : tensor<64x64xf32>
  %o = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g#0, %g#1 : tensor<64x64xf32>, tensor<64x64xf32>) outs(%e : tensor<64x64xf32>) {
  ^bb0(%s: f32, %t: f32, %out: f32):
    %m = arith.mulf %s, %t : f32
    linalg.yield %m : f32
  } -> tensor<64x64xf32>
  return %o : tensor<64x64xf32>
}
