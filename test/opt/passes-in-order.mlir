// Upstream and rocfuse passes run in the order of the pipeline text; without a pass the file is parsed and printed.
// RUN: %rocfuse-opt %s | FileCheck %s --check-prefixes=CHECK,PLAIN
// RUN: %rocfuse-opt %s --pass-pipeline='builtin.module(func.func(cse),canonicalize)' | FileCheck %s --check-prefixes=CHECK,PASSES
// RUN: %rocfuse-opt - --pass-pipeline='canonicalize,cse' < %s | FileCheck %s --check-prefixes=CHECK,PASSES
// RUN: %rocfuse-opt %s --pass-pipeline='canonicalize,cse' -o %t.mlir && FileCheck %s --check-prefixes=CHECK,PASSES < %t.mlir
// RUN: %rocfuse-opt < %t.mlir | FileCheck %s --check-prefixes=CHECK,PASSES

// CHECK-LABEL: func.func @twice(
//  CHECK-SAME: %[[X:[a-z0-9]+]]: i32
//       CHECK:   %[[SUM:.*]] = arith.addi %[[X]], %[[X]]
//  PLAIN-NEXT:   %[[AGAIN:.*]] = arith.addi %[[X]], %[[X]]
// PASSES-NEXT: arith.muli %[[SUM]], %[[SUM]]
func.func @twice(%x: i32) -> i32 {
  %0 = arith.addi %x, %x : i32
  %1 = arith.addi %x, %x : i32
  %2 = arith.muli %0, %1 : i32
  return %2 : i32
}
