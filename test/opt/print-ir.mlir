// IR after every pass on stderr, and as numbered files; times on stderr; stdout stays the result.
// RUN: rm -rf %t && %rocfuse-opt %s --pass-pipeline='cse,canonicalize' --mlir-print-ir-after-all --mlir-print-ir-tree-dir=%t --mlir-timing 2> %t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=AFTER < %t.err
// RUN: ls %t | FileCheck %s --check-prefix=FILES
// RUN: FileCheck %s --check-prefix=INPUT < %t/00_input.mlir

// CHECK-NOT: IR Dump
// CHECK: func.func @f
// AFTER: // -----// IR Dump After cse //----- //
// AFTER: func.func @f
// AFTER: // -----// IR Dump After canonicalize //----- //
// AFTER: ----Wall Time----  ----Name----
// AFTER: %)  canonicalize
// AFTER: (100.0%)  Total
// FILES: 00_input.mlir
// FILES-NEXT: 01_cse.mlir
// FILES-NEXT: 02_canonicalize.mlir
// INPUT: %{{.*}} = arith.constant 1
func.func @f() {
  %dead = arith.constant 1 : i32
  return
}
