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
//   CHECK-DAG:   %[[XBYTES:.*]] = arith.constant 3824 : i64
//       CHECK:   amdgpu.fat_raw_buffer_cast %{{.*}} validBytes(%[[XBYTES]])
// The first tile of K is whole; the second has 4 of 32, at k = 32.
//       CHECK:   amdgpu.mfma
//       CHECK:   %[[IN:.*]] = arith.cmpi ult, %{{.*}}, %[[K]] : i32
//       CHECK:   %[[AT:.*]] = arith.select %[[IN]], %{{.*}}, %[[XEND]] : i32
//       CHECK:   %[[I:.*]] = arith.index_cast %[[AT]] : i32 to index
//       CHECK:   %[[V:.*]] = vector.load %{{.*}}[%[[I]]] {alignment = 16 : i64} {{.*}}, vector<8xf16>
//       CHECK:   %[[E:.*]] = vector.extract %[[V]][7]
//       CHECK:   arith.select %{{.*}}, %[[E]], %[[ZERO]] : f16
//       CHECK:   vector.from_elements
// Rows of W are 36 long, so its vectors are 4 wide and none crosses K.
//       CHECK:   arith.select %{{.*}}, %{{.*}}, %[[WEND]] : i32
//       CHECK:   vector.load %{{.*}} {alignment = 8 : i64} {{.*}}, vector<4xf16>
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
