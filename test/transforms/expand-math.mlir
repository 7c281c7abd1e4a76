// Math functions become hardware instructions: f16 and bf16 ops are evaluated in f32, divisions become reciprocals.
// RUN: %rocfuse-opt %s --rocfuse-expand-math | FileCheck %s --enable-var-scope

// An f16 exponential is one v_exp_f32 in f32; on bf16 results below 2^-126 are scaled first.
// CHECK-LABEL: @exponentials
func.func @exponentials(%x: f16, %y: bf16) -> (f16, bf16) {
  // CHECK: %[[WIDE:.*]] = arith.extf %{{.*}} : f16 to f32
  // CHECK: %[[SCALED:.*]] = arith.mulf %[[WIDE]], %{{.*}} : f32
  // CHECK: %[[POWER:.*]] = math.exp2 %[[SCALED]] fastmath<afn> : f32
  // CHECK: arith.truncf %[[POWER]] : f32 to f16
  %0 = math.exp %x : f16
  // CHECK: arith.cmpf olt
  // CHECK: math.exp2 %{{.*}} fastmath<afn> : f32
  %1 = math.exp %y : bf16
  // CHECK-NOT: math.exp %
  return %0, %1 : f16, bf16
}

// An f32 sigmoid that ends in f16 is of v_exp and v_rcp grade.
// CHECK-LABEL: @loose
func.func @loose(%x: f32) -> f16 {
  %one = arith.constant 1.0 : f32
  // CHECK: math.exp2 %{{.*}} fastmath<afn> : f32
  %e = math.exp %x : f32
  %d = arith.addf %e, %one : f32
  // CHECK: arith.divf %{{.*}}, %{{.*}} fastmath<afn> : f32
  %q = arith.divf %one, %d : f32
  %r = arith.truncf %q : f32 to f16
  return %r : f16
}

// A quotient of a quotient: the first is replaced before the second is.
// CHECK-LABEL: @quotients
func.func @quotients(%x: f16, %y: f16, %z: f16) -> f16 {
  // CHECK: %[[FIRST:.*]] = arith.truncf
  %a = arith.divf %x, %y : f16
  // CHECK: arith.extf %[[FIRST]] : f16 to f32
  // CHECK: %[[SECOND:.*]] = arith.truncf
  %b = arith.divf %a, %y : f16
  // CHECK: arith.extf %[[SECOND]] : f16 to f32
  %c = arith.divf %z, %b : f16
  return %c : f16
}

// The same in f32 stays exact.
// CHECK-LABEL: @strict
func.func @strict(%x: f32) -> f32 {
  %one = arith.constant 1.0 : f32
  // CHECK: math.exp %{{.*}} : f32
  %e = math.exp %x : f32
  %d = arith.addf %e, %one : f32
  // CHECK: arith.divf %{{.*}}, %{{.*}} : f32
  %q = arith.divf %one, %d : f32
  return %q : f32
}

// Constants fold with the roundings of their types, and a division by one is a product.
// CHECK-LABEL: @constants
func.func @constants(%x: vector<4xf16>) -> vector<4xf16> {
  // CHECK-NOT: math.sqrt
  // CHECK: arith.constant dense<0.707182347> : vector<4xf32>
  // CHECK: arith.mulf %{{.*}}, %{{.*}} : vector<4xf32>
  %two = arith.constant dense<2.0> : vector<4xf16>
  %root = math.sqrt %two : vector<4xf16>
  %q = arith.divf %x, %root : vector<4xf16>
  return %q : vector<4xf16>
}
