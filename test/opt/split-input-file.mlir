// The parts between separators are separate inputs, with the line numbers of the file; one that fails fails the command.
// RUN: %rocfuse-opt %s --split-input-file --pass-pipeline=canonicalize | FileCheck %s
// RUN: not %rocfuse-opt %s 2>&1 | FileCheck %s --check-prefix=WHOLE
// RUN: sed 's/return %x/return %y/' %s | not %rocfuse-opt - --split-input-file -o %t.out 2>&1 | FileCheck %s --check-prefix=FAIL
// RUN: not ls %t.out

// WHOLE: split-input-file.mlir:[[#]]:{{.*}}: error: redefinition of symbol named 'same'
// FAIL: <stdin>:[[#]]:{{.*}}: error: use of undeclared SSA value name

// CHECK:     func.func @same(%{{.*}}: i32)
// CHECK:     {{^}}// -----{{$}}
// CHECK:     func.func @same(%{{.*}}: i64)
// CHECK-NOT: // -----
func.func @same(%x: i32) -> i32 {
  return %x : i32
}
// -----
func.func @same(%x: i64) -> i64 {
  return %x : i64
}
