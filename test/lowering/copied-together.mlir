// Two weights stored K x N are copied side by side: B0 by waves 0 and 1, B1 by waves 2 and 3, in loads of 16 bytes.
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=tile-m=64,tile-n=64,tile-k=64,waves-m=2,waves-n=2,matrix-op=32x32x8,stages=2 --rocfuse-lower-to-gpu --rocfuse-pipeline-loop -o %t.mlir
// RUN: FileCheck %s --input-file=%t.mlir --check-prefix=STEPS
// RUN: %rocfuse-opt %t.mlir --pass-pipeline='rocfuse-lower-to-amdgpu,canonicalize,cse' | FileCheck %s

//       STEPS: copied_together = {{\[\["B0", "B1"\]\]}}
//       STEPS: %[[W:.*]] = memref.reinterpret_cast %{{.*}} sizes: [64, 512], strides: [1, 64]
//       STEPS: %[[V:.*]] = memref.reinterpret_cast %{{.*}} sizes: [64, 512], strides: [1, 64]
//       STEPS: %[[A:.*]] = memref.view
//       STEPS: %[[B0:.*]] = memref.view
//       STEPS: %[[B1:.*]] = memref.view
//       STEPS: %[[SOURCE:.*]] = "rocfuse.wave_select"(%[[W]], %[[V]]) {from_wave = 2 : i64} : {{.*}} -> memref<64x512xf16, strided<[1, 64], offset: ?>>
//       STEPS: %[[TILE:.*]] = "rocfuse.wave_select"(%[[B0]], %[[B1]]) {from_wave = 2 : i64}
// The second LDS stage has tiles of its own to select from.
//       STEPS: %[[NEXT:.*]] = "rocfuse.wave_select"(%{{.*}}, %{{.*}}) {from_wave = 2 : i64}
//       STEPS: %[[UNIT:.*]] = "rocfuse.global_read"(%[[SOURCE]], %{{.*}}) {{{.*}}operand = 1 : i64, part = 0 : i64{{.*}} -> vector<4x8xf16>
//       STEPS: "rocfuse.lds_write"(%[[UNIT]], %[[TILE]])
//       STEPS: scf.for
//       STEPS:   "rocfuse.lds_write"(%{{.*}}, %[[NEXT]])
//       STEPS:   "rocfuse.global_read"(%[[SOURCE]],
//       STEPS:   "rocfuse.fragment_read"(%[[B1]])

// The wave's number is a scalar, so that the buffer resource that it selects is one too.
// CHECK-LABEL: gpu.func @dual
//       CHECK: %[[WAVE:.*]] = rocdl.readfirstlane
//       CHECK: %[[LATER:.*]] = arith.cmpi uge, %[[WAVE]], %c2_i32
//       CHECK: %[[B:.*]] = arith.select %[[LATER]], %{{.*}}, %{{.*}} : memref<32768xf16, strided<[1], offset: ?>>
// CHECK-COUNT-4: amdgpu.raw_buffer_load %[[B]][%{{.*}}] sgprOffset %{{.*}} -> vector<8xf16>

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d2, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @dual(%x: tensor<64x512xf16>, %w: tensor<512x64xf16>, %v: tensor<512x64xf16>) -> tensor<64x64xf16> {
  %g:2 = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<64x512xf16>, tensor<512x64xf16>) -> tensor<64x64xf32>
    %q = "rocfuse.gemm"(%x, %v) {indexing_maps = [#a, #b]} : (tensor<64x512xf16>, tensor<512x64xf16>) -> tensor<64x64xf32>
    vector.yield %p, %q : tensor<64x64xf32>, tensor<64x64xf32>
  }) {dims = ["m", "n", "k"]} : () -> (tensor<64x64xf32>, tensor<64x64xf32>)
  %e = tensor.empty() : tensor<64x64xf16>
  %o = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g#0, %g#1 : tensor<64x64xf32>, tensor<64x64xf32>) outs(%e : tensor<64x64xf16>) {
  ^bb0(%p: f32, %q: f32, %out: f16):
    %s = arith.mulf %p, %q : f32
    %t = arith.truncf %s : f32 to f16
    linalg.yield %t : f16
  } -> tensor<64x64xf16>
  return %o : tensor<64x64xf16>
}
