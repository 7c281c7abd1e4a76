// Every kind of output of one kernel: the lowered module, LLVM IR, assembly, an object, a code object with its contract.
// RUN: rm -rf %t && mkdir %t
// RUN: %rocfuse-opt %s --emit=mlir | FileCheck %s --check-prefix=MLIR
// RUN: %rocfuse-opt %s --emit=llvm | FileCheck %s --check-prefix=LLVM
// RUN: %rocfuse-opt %s --emit=isa | FileCheck %s --check-prefix=ISA
// RUN: %rocfuse-opt %s --emit=obj -o %t/k.o && llvm-readelf -hs %t/k.o | FileCheck %s --check-prefix=OBJ
// RUN: %rocfuse-opt %s --emit=hsaco -o %t/k.hsaco && llvm-readelf -hs %t/k.hsaco | FileCheck %s --check-prefix=HSACO
// RUN: FileCheck %s --check-prefix=JSON < %t/k.json
// RUN: %rocfuse-opt %s --emit=hsaco -o %t/again.hsaco && cmp %t/k.hsaco %t/again.hsaco && cmp %t/k.json %t/again.json

// MLIR-LABEL: gpu.module @kernels
//       MLIR:   llvm.func @two_halves(
//   MLIR-NOT: func.func
// LLVM-LABEL: define amdgpu_kernel void @two_halves(ptr {{.*}}noalias{{.*}}readonly
//       LLVM:   call <{{[0-9]+}} x float> @llvm.amdgcn.mfma.f32.
//   LLVM-NOT: call {{.*}}@{{[^l]}}
//  ISA-LABEL: two_halves:
//        ISA:   buffer_load_dword
//        ISA:   ds_write_b{{[0-9]+}}
//        ISA:   ds_read_b128
//        ISA:   v_mfma_f32_
//        ISA:   buffer_store_
//        ISA:   s_endpgm
//   OBJ: Type: REL
//   OBJ: Machine: {{.*}}AMDGPU
//   OBJ: two_halves
// HSACO: Type: DYN
// HSACO-DAG: FUNC {{.*}} two_halves
// HSACO-DAG: OBJECT {{.*}} two_halves.kd
//  JSON: "version": 1
//  JSON: "name": "two_halves"
//  JSON: "inputs": [
//  JSON: "outputs": [

func.func @two_halves(%x: tensor<32x64xf16>, %w: tensor<64x64xf16>) -> tensor<32x32xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<32x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<32x64xf32>) -> tensor<32x64xf32>
  %p = linalg.matmul ins(%x, %w : tensor<32x64xf16>, tensor<64x64xf16>) outs(%z : tensor<32x64xf32>) -> tensor<32x64xf32>
  %l = tensor.extract_slice %p[0, 0] [32, 32] [1, 1] : tensor<32x64xf32> to tensor<32x32xf32>
  %r = tensor.extract_slice %p[0, 32] [32, 32] [1, 1] : tensor<32x64xf32> to tensor<32x32xf32>
  %o = tensor.empty() : tensor<32x32xf32>
  %m = linalg.mul ins(%l, %r : tensor<32x32xf32>, tensor<32x32xf32>) outs(%o : tensor<32x32xf32>) -> tensor<32x32xf32>
  return %m : tensor<32x32xf32>
}
