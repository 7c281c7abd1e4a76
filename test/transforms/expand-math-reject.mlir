// What has no expansion is an error at the op, never a crash in a later pass.
// RUN: not %rocfuse-opt %s --split-input-file --rocfuse-expand-math 2>&1 | FileCheck %s

// CHECK: 'math.acos' has no expansion for this target; write it with other math ops
func.func @unknown(%x: f16) -> f16 {
  %0 = math.acos %x : f16
  return %0 : f16
}

// -----

// CHECK: 'math.erfc' has no expansion for f32; cast to f16 before it
func.func @single(%x: f32) -> f32 {
  %0 = math.erfc %x : f32
  return %0 : f32
}

// -----

// CHECK: 'math.fpowi' takes a constant exponent from -8 to 8 here; use math.powf
func.func @exponent(%x: f32, %n: i32) -> f32 {
  %0 = math.fpowi %x, %n : f32, i32
  return %0 : f32
}

// -----

// CHECK: 'arith.extf' has f64 values that are not constant, and kernels compute in f32; cast to f32 before it
func.func @double(%x: f32) -> f64 {
  %0 = arith.extf %x : f32 to f64
  return %0 : f64
}

// -----

// CHECK: 'arith.remf' has no expansion for this target
func.func @remainder(%x: f32) -> f32 {
  %0 = arith.remf %x, %x : f32
  return %0 : f32
}
