// Expected diagnostics at every kind of place make the command succeed, part by part.
// RUN: %rocfuse-opt %s --split-input-file --verify-diagnostics | FileCheck %s

// CHECK: func.func @fine
func.func @fine() {
  return
}
// -----
func.func @below(%x: i32) -> i32 {
  // expected-error @below {{use of undeclared SSA value name}}
  return %y : i32
}
// -----
func.func @relative(%x: i32) -> i32 {
  // expected-error @+1 {{use of undeclared}}
  return %y : i32
}
// -----
func.func @same_line(%x: i32) -> i32 {
  return %y : i32 // expected-error {{undeclared SSA value}}
}
// -----
func.func @above(%x: i32) -> i32 {
  return %y : i32
  // expected-error-re @above {{use of {{[a-z]+}} SSA value}}
}
// -----
func.func @minus(%x: i32) -> i32 {
  return %y : i32

  // expected-error @-2 {{use of undeclared SSA value name}}
}
