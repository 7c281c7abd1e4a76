// What has no expansion is an error at the op, never a crash in a later pass.
// RUN: not %rocfuse-opt %s --split-input-file --rocfuse-expand-math 2>&1 | FileCheck %s

// CHECK: error: rocfuse-expand-math: 'math.ipowi' has no expansion for this target; write it with other math ops
func.func @unknown(%x: i32) -> i32 {
  %0 = math.ipowi %x, %x : i32
  return %0 : i32
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
