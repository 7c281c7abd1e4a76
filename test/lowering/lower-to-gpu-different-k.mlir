// GEMMs of different k: a loop over the whole tiles of each, and its own masked tile, at which its arrays end.
// DEFINE: %{plan} = tile-m=64,tile-n=64,tile-k=32,waves-m=2,waves-n=2,matrix-op=32x32x8,schedule=interleaved,stages=1
// RUN: %rocfuse-opt %S/../transforms/plan-kernels-different-k.mlir --rocfuse-plan-kernels=%{plan} --rocfuse-lower-to-gpu -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: %rocfuse-opt %t.mlir --rocfuse-pipeline-loop | FileCheck %s --check-prefix=PIPELINED

// CHECK-LABEL: gpu.func @dual
//       CHECK: scf.for %{{.*}} = %c0{{.*}} to %c32{{.*}} step %c32
//   CHECK-NOT: masked = 1
//       CHECK: }
//       CHECK: "rocfuse.global_read"(%{{.*}}, %c32{{.*}}) {masked = 1 : i64, operand = 0 : {{.*}} : (memref<64x40xf16
//       CHECK: "rocfuse.begin_range"
//       CHECK: scf.for %{{.*}} = %c0{{.*}} to %c192{{.*}} step %c32
//       CHECK: "rocfuse.global_read"(%{{.*}}, %c192{{.*}}) {masked = 1 : i64, operand = 2 : {{.*}} : (memref<64x200xf16
//       CHECK: "rocfuse.{{(stage|tile)_write}}"

// the two tiles of k 40 need no loop; of the seven of k 200 four are brought in by one
// PIPELINED-LABEL: gpu.func @dual
//   PIPELINED-NOT: scf.for
//       PIPELINED: "rocfuse.global_read"({{.*}} {masked = 1 : i64, operand = 0
//   PIPELINED-NOT: scf.for
//       PIPELINED: "rocfuse.begin_range"
//       PIPELINED: scf.for %{{.*}} = %c0{{.*}} to %c4{{.*}} step %c1
//       PIPELINED: "rocfuse.global_read"({{.*}} {masked = 1 : i64, operand = 2
