// What cannot be planned is refused before any lowering: need and have, the buffers where it is LDS, and what would fit.
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=tile-m=256,tile-n=256,tile-k=64,loop-form=fused,stages=1 2>&1 | FileCheck %s --check-prefix=LDS
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=tile-m=96 2>&1 | FileCheck %s --check-prefix=POWER
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=tile-m=64,waves-m=4,matrix-op=32x32x8 2>&1 | FileCheck %s --check-prefix=WAVES
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=tile-n=16,matrix-op=32x32x8 2>&1 | FileCheck %s --check-prefix=OP
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=tile-k=16,matrix-op=16x16x16 2>&1 | FileCheck %s --check-prefix=SLICE
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=matrix-op=8x8x4 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=tile-m=128,tile-n=128,tile-k=64,loop-form=fused,stages=1,max-lds-bytes=40000 2>&1 | FileCheck %s --check-prefix=MAXLDS
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=tile-m=128,tile-n=64,waves-m=2,waves-n=2,max-registers=90 2>&1 | FileCheck %s --check-prefix=MAXREG
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=min-waves-per-simd=9 2>&1 | FileCheck %s --check-prefix=MINWAVES
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=tile-m=64,split-k=4 2>&1 | FileCheck %s --check-prefix=SPLITK

// LDS: plan-kernels-reject.mlir:[[#@LINE+19]]:{{[0-9]+}}: error: rocfuse-plan-kernels: 256x(256+256)x64: lds 98304 B > 65536 B on gfx942; try tile-n=128 (256x(128+128)x64)
// LDS: note: A stage 0: 32768 B at 0 (loop)
// LDS: note: B0 stage 0: 32768 B at 32768 (loop)
// LDS: note: B1 stage 0: 32768 B at 65536 (loop)
// LDS-NOT: func.func
// POWER: error: {{.*}}tile-m: need a power of two, have 96; try
// WAVES: error: {{.*}}tile-m: need a multiple of 4 waves x 32 (32x32x8), have 64; try
// OP: error: {{.*}}tile-n: need a multiple of {{[0-9]}} waves x 32 (32x32x8), have 16
// SLICE: error: {{.*}}tile-k: need a multiple of the k slice 32 (16x16x16), have 16; try
// UNKNOWN: error: unknown matrix instruction '8x8x4' on gfx942; there are: 32x32x8, 16x16x16
// MAXLDS: error: {{.*}}128x(128+128)x64: lds 49152 B > 40000 B (max-lds-bytes)
// MAXREG: error: {{.*}}registers {{[0-9]+}} > 90 (max-registers)
// MINWAVES: error: {{.*}}need 9 waves a SIMD, have {{[1-8]}} (min-waves-per-simd)
// SPLITK: error: {{.*}}split-k: need 1, have 4: split-K is not lowered yet; try {{.*}}split-k=1 (64x

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @dual(%x: tensor<256x640xf16>, %u: tensor<512x640xf16>, %v: tensor<512x640xf16>) -> tensor<256x512xf32> {
  %g:2 = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %u) {indexing_maps = [#a, #b]} : (tensor<256x640xf16>, tensor<512x640xf16>) -> tensor<256x512xf32>
    %q = "rocfuse.gemm"(%x, %v) {indexing_maps = [#a, #b]} : (tensor<256x640xf16>, tensor<512x640xf16>) -> tensor<256x512xf32>
    vector.yield %p, %q : tensor<256x512xf32>, tensor<256x512xf32>
  }) {dims = ["m", "n", "k"]} : () -> (tensor<256x512xf32>, tensor<256x512xf32>)
  %e = tensor.empty() : tensor<256x512xf32>
  %o = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g#0, %g#1 : tensor<256x512xf32>, tensor<256x512xf32>) outs(%e : tensor<256x512xf32>) {
  ^bb0(%p: f32, %q: f32, %out: f32):
    %s = arith.mulf %p, %q : f32
    linalg.yield %s : f32
  } -> tensor<256x512xf32>
  return %o : tensor<256x512xf32>
}
