// Where no tile is masked, the last turn of the loop loads one past the end of K: nothing, where rows go on behind it.
// DEFINE: %{plan} = tile-m=64,tile-n=64,tile-k=32,waves-m=2,waves-n=2,matrix-op=32x32x8,schedule=interleaved
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=%{plan},stages=1 --rocfuse-lower-to-gpu --rocfuse-pipeline-loop -o %t.one
// RUN: FileCheck %s --check-prefix=ONE < %t.one
// RUN: %rocfuse-opt %t.one --rocfuse-lower-to-amdgpu | FileCheck %s --check-prefix=WAVE
// RUN: %rocfuse-opt %s --rocfuse-plan-kernels=%{plan},stages=2 --rocfuse-lower-to-gpu --rocfuse-pipeline-loop | FileCheck %s --check-prefix=TWO

// six tiles: five in the loop, whose last turn loads what would be the seventh; the sixth is multiplied behind it
// ONE-LABEL: gpu.func @dual
//       ONE: scf.for %{{.*}} = %c0{{.*}} to %c5{{.*}} step %c1
//       ONE:   "rocfuse.global_read"({{.*}}) {masked = 2 : i64, operand = 0
//   ONE-NOT:   masked = 0
//       ONE:   scf.yield
//   ONE-NOT: "rocfuse.global_read"
//   ONE-NOT: "rocfuse.lds_write"
//       ONE: gpu.return

// WAVE-LABEL: gpu.func @dual
//       WAVE: scf.for
//       WAVE:   %[[INSIDE:.*]] = arith.cmpi {{.*}}, %[[K:.*]], %c192
//       WAVE:   %[[AT:.*]] = arith.select %[[INSIDE]], %[[K]], %c12288
//       WAVE:   amdgpu.raw_buffer_load {{.*}} sgprOffset %[[AT]]
//       WAVE:   scf.yield

// two turns of two tiles load the sixth: none is past the end
// TWO-LABEL: gpu.func @dual
//   TWO-NOT: masked = {{[12]}}
//       TWO: gpu.return

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @dual(%x: tensor<64x192xf16>, %u: tensor<64x192xf16>, %v: tensor<64x192xf16>) -> tensor<64x64xf32> {
  %g:2 = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %u) {indexing_maps = [#a, #b]} : (tensor<64x192xf16>, tensor<64x192xf16>) -> tensor<64x64xf32>
    %q = "rocfuse.gemm"(%x, %v) {indexing_maps = [#a, #b]} : (tensor<64x192xf16>, tensor<64x192xf16>) -> tensor<64x64xf32>
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
