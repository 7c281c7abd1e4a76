// A perf config that cannot be read, or that with other pins fits nothing, is refused at its op, with what came from where.
// RUN: %rocfuse-opt %s --split-input-file --verify-diagnostics --rocfuse-plan-kernels=waves-m=1,perf-config=v1:wn1,m64 > /dev/null
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=perf-config=v2:m64 2>&1 | FileCheck %s --check-prefix=VERSION
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=perf-config=v1:m64,x3 2>&1 | FileCheck %s --check-prefix=ITEM
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=tile-m=64,x3 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=perf-config=v1:op8x8x4 2>&1 | FileCheck %s --check-prefix=MATRIX
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=group-m=0 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not %rocfuse-opt %s --rocfuse-plan-kernels=fuse=auto 2>&1 | FileCheck %s --check-prefix=AUTO

// VERSION: {{^}}error: rocfuse-plan-kernels: perf config 'v2:m64': need version v1, have 'v2'
// ITEM: {{^}}error: rocfuse-plan-kernels: perf config: unknown item 'x3'; the items are mN, nN, kN,
// NUMBER: {{^}}error: rocfuse-plan-kernels: option 'tile-m' takes a whole number, not '64,x3'
// MATRIX: {{^}}error: unknown matrix instruction '8x8x4' on gfx942; there are: 32x32x8, 16x16x16
// GROUP: {{^}}error: rocfuse-plan-kernels: group-m: need 1 or more, have 0
// AUTO: {{^}}error: rocfuse-plan-kernels: fuse=auto chooses {{.*}} cannot be emitted yet; write fuse=always

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @conflict(%x: tensor<256x64xf16>, %w: tensor<256x64xf16>) -> tensor<256x256xf32> {
  // expected-error @+4 {{rocfuse-plan-kernels: 64x256x256: lds 163840 B > 65536 B on gfx942; try tile-n=}}
  // expected-note @+3 {{A stage 0: 32768 B at 0}}
  // expected-note @+2 {{B stage 0: 131072 B at 32768}}
  // expected-note @+1 {{pinned: tile-m=64 by perf-config (rocfuse.config says 16), tile-n=256 by rocfuse.config, tile-k=256 by rocfuse.config, waves-m=1 by pass options, waves-n=1 by perf-config}}
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<256x64xf16>, tensor<256x64xf16>) -> tensor<256x256xf32>
    vector.yield %p : tensor<256x256xf32>
  }) {dims = ["m", "n", "k"], rocfuse.config = "v1:m16,n256,k256"} : () -> tensor<256x256xf32>
  %e = tensor.empty() : tensor<256x256xf32>
  %o = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g : tensor<256x256xf32>) outs(%e : tensor<256x256xf32>) {
  ^bb0(%p: f32, %out: f32):
    linalg.yield %p : f32
  } -> tensor<256x256xf32>
  return %o : tensor<256x256xf32>
}
