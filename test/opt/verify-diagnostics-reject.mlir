// A diagnostic that is missing, unexpected, at the wrong line, of the wrong kind or with other text fails the command.
// RUN: split-file %s %t
// RUN: not %rocfuse-opt %t/missing.mlir --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not %rocfuse-opt %t/unexpected.mlir --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=UNEXPECTED
// RUN: not %rocfuse-opt %t/line.mlir --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=LINE
// RUN: not %rocfuse-opt %t/kind.mlir --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: not %rocfuse-opt %t/text.mlir --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=TEXT

//--- missing.mlir
// MISSING: missing.mlir:2:1: error: expected remark "something" was not produced
// expected-remark @+1 {{something}}
func.func @f() {
  return
}
//--- unexpected.mlir
// UNEXPECTED: unexpected.mlir:4:10: error: unexpected error: use of undeclared SSA value name
func.func @f() -> i32 {

  return %y : i32
}
//--- line.mlir
// LINE: line.mlir:5:10: error: unexpected error: use of undeclared
// LINE: line.mlir:4:1: error: expected error "use of undeclared" was not produced
func.func @f() -> i32 { // the next line claims the wrong one
// expected-error @-1 {{use of undeclared}}
  return %y : i32
}
//--- kind.mlir
// KIND: error: unexpected error: use of undeclared
// KIND: error: expected remark "use of undeclared" was not produced
func.func @f() -> i32 {
  // expected-remark @below {{use of undeclared}}
  return %y : i32
}
//--- text.mlir
// TEXT: error: expected error "use of declared" was not produced
func.func @f() -> i32 {
  // expected-error @below {{use of declared}}
  return %y : i32
}
