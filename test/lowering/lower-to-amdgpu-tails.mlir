// Tails: k past K reads past the end of the buffer (zero), a vector across K is cut by element, rows and columns outside
// are stored past the end (dropped).
// RUN: %rocfuse-opt %s --pass-pipeline='rocfuse-plan-kernels{schedule=plain tile-m=32 tile-n=32 tile-k=32 waves-m=1 waves-n=1 matrix-op=32x32x8},rocfuse-lower-to-gpu,rocfuse-lower-to-amdgpu,canonicalize,cse' | FileCheck %s

// CHECK-LABEL: gpu.func @single
// Extents end with the last element that is read, rounded up to the vector: 39 rows of 48 and 36 of the last, 1912.
//   CHECK-DAG:   %[[XEND:.*]] = arith.constant 1912 : i32
//   CHECK-DAG:   %[[WEND:.*]] = arith.constant 864 : i32
//   CHECK-DAG:   %[[OEND:.*]] = arith.constant 960 : i32
//   CHECK-DAG:   %[[K:.*]] = arith.constant 36 : i32
//   CHECK-DAG:   %[[ZERO:.*]] = arith.constant 0.000000e+00 : f16
// The first tile of K is whole; the second has 4 of 32, at k = 32. Masked or not, its loads start where the first's do.
//       CHECK:   %[[X:.*]] = amdgpu.raw_buffer_load %[[XS:.*]][%[[FIRST:.*]]] sgprOffset %c0_i32 {{.*}} -> vector<8xf16>
//       CHECK:   amdgpu.mfma
//       CHECK:   %[[IN:.*]] = arith.cmpi ult, %{{.*}}, %[[K]] : i32
//       CHECK:   %[[AT:.*]] = arith.select %[[IN]], %[[FIRST]], %[[XEND]] : i32
//       CHECK:   %[[V:.*]] = amdgpu.raw_buffer_load %[[XS]][%[[AT]]] sgprOffset %c32_i32 : memref<1912xf16>, {{.*}} -> vector<8xf16>
//       CHECK:   %[[E:.*]] = vector.extract %[[V]][7]
//       CHECK:   arith.select %{{.*}}, %[[E]], %[[ZERO]] : f16
//       CHECK:   vector.from_elements
// Rows of W are 36 long, so its vectors are 4 wide and none crosses K.
//       CHECK:   arith.select %{{.*}}, %{{.*}}, %[[WEND]] : i32
//       CHECK:   amdgpu.raw_buffer_load %{{.*}} sgprOffset %c36_i32 : memref<864xf16>, {{.*}} -> vector<4xf16>
//       CHECK:   amdgpu.mfma
//       CHECK:   %[[ROW:.*]] = arith.cmpi ult
//       CHECK:   %[[COLUMN:.*]] = arith.cmpi ult
//       CHECK:   %[[INSIDE:.*]] = arith.andi %[[ROW]], %[[COLUMN]] : i1
//       CHECK:   %[[TO:.*]] = arith.select %[[INSIDE]], %{{.*}}, %[[OEND]] : i32
//       CHECK:   %[[J:.*]] = arith.index_cast %[[TO]] : i32 to index
//       CHECK:   vector.store %{{.*}}, %{{.*}}[%[[J]]] {alignment = 16 : i64} {{.*}}, vector<4xf32>

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @single(%x: tensor<40x48xf16>, %w: tensor<24x36xf16>) -> tensor<40x24xf32> {
  %a = tensor.extract_slice %x[0, 0] [40, 36] [1, 1] : tensor<40x48xf16> to tensor<40x36xf16>
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%a, %w) {indexing_maps = [#a, #b]} : (tensor<40x36xf16>, tensor<24x36xf16>) -> tensor<40x24xf32>
    vector.yield %p : tensor<40x24xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<40x24xf32>
  %e = tensor.empty() : tensor<40x24xf32>
  %o = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g : tensor<40x24xf32>) outs(%e : tensor<40x24xf32>) {
  ^bb0(%p: f32, %out: f32):
    linalg.yield %p : f32
  } -> tensor<40x24xf32>
  return %o : tensor<40x24xf32>
}
