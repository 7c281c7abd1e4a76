// The dialect loads in stock mlir-opt, which parses, checks and prints our ops; what IRDL can state, IRDL rejects.
// RUN: mlir-opt --irdl-file=%dialect %s | FileCheck %s
// RUN: mlir-opt --irdl-file=%dialect %s | %rocfuse-opt - --rocfuse-verify | FileCheck %s
// RUN: sed 's/dims = /sizes = /' %s | not mlir-opt --irdl-file=%dialect - 2>&1 | FileCheck %s --check-prefix=MISSING

#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d2, d1)>

// CHECK-LABEL: func.func @one(
//       CHECK:   %[[G:.*]] = "rocfuse.multi_gemm"() ({
//       CHECK:     %[[P:.*]] = "rocfuse.gemm"
//       CHECK:     vector.yield %[[P]]
//       CHECK:   return %[[G]]
// MISSING: error: 'rocfuse.multi_gemm' op attribute "dims" is expected but not provided
func.func @one(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>) -> tensor<5x6xf32> {
  %g = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<5x7xf16>, tensor<7x6xf16>) -> tensor<5x6xf32>
    vector.yield %p : tensor<5x6xf32>
  }) {dims = ["m", "n", "k"]} : () -> tensor<5x6xf32>
  return %g : tensor<5x6xf32>
}
