// LLVM is told what a kernel does not use, and a loop of known turns ends at equality; one whose bound is not known does not.
// RUN: %rocfuse-opt %s --rocfuse-lower-to-llvm | FileCheck %s

// CHECK-LABEL: llvm.func @f
//  CHECK-SAME: "amdgpu-no-implicitarg-ptr"
//  CHECK-SAME: "amdgpu-no-workgroup-id-y"
//   CHECK-NOT: "amdgpu-no-workgroup-id-z"
//  CHECK-SAME: "amdgpu-no-workitem-id-y"
//  CHECK-SAME: ["amdgpu-agpr-alloc", "0"]
//       CHECK: llvm.icmp "ne"
//       CHECK: llvm.br {{.*}}loop_annotation = #{{.*}}
//       CHECK: llvm.icmp "slt"
//       CHECK: llvm.br {{.*}}loop_annotation = #{{.*}}
#loop = #llvm.loop_annotation<unroll = <disable = true>>
gpu.module @m {
  gpu.func @f(%x: memref<64xf32>) kernel {
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    %c8 = arith.constant 8 : i32
    %zero = arith.constant 0.0 : f32
    %one = arith.constant 1.0 : f32
    %c0i = arith.constant 0 : index
    %z = gpu.block_id z
    %turns = arith.index_cast %z : index to i32
    %s = scf.for %i = %c0 to %c8 step %c1 iter_args(%sum = %zero) -> (f32) : i32 {
      %more = arith.addf %sum, %one : f32
      scf.yield %more : f32
    } {llvm.loop_annotation = #loop}
    %t = scf.for %i = %c0 to %turns step %c1 iter_args(%sum = %s) -> (f32) : i32 {
      %more = arith.mulf %sum, %sum : f32
      scf.yield %more : f32
    } {llvm.loop_annotation = #loop}
    memref.store %t, %x[%c0i] : memref<64xf32>
    gpu.return
  }
}
