// Every stage has its own buffers; more than are lowered, or than fit, are refused with the numbers.
// RUN: %rocfuse-opt %S/plan-kernels-reject.mlir --rocfuse-plan-kernels=stages=2,tile-m=64,tile-n=64,tile-k=32,waves-m=2,waves-n=2,loop-form=fused | FileCheck %s
// RUN: not %rocfuse-opt %S/plan-kernels-reject.mlir --rocfuse-plan-kernels=stages=9 2>&1 | FileCheck %s --check-prefix=MOST
// RUN: not %rocfuse-opt %S/plan-kernels-reject.mlir --rocfuse-plan-kernels=stages=2,tile-m=128,tile-n=128,tile-k=64,loop-form=fused 2>&1 | FileCheck %s --check-prefix=LDS

// CHECK: {bytes = 4096 : i64, live = "loop", name = "B1", offset = 8192 : i64, stage = 0 : i64}
// CHECK-SAME: {bytes = 4096 : i64, live = "loop", name = "A", offset = 12288 : i64, stage = 1 : i64}
// CHECK-SAME: {bytes = 4096 : i64, live = "loop", name = "B1", offset = 20480 : i64, stage = 1 : i64}
// CHECK-SAME: lds_bytes = 24576 : i64
// CHECK-SAME: stages = 2 : i64
// MOST: error: rocfuse-plan-kernels: {{.*}}: stages: need 1 to {{[0-9]}}, have 9; try
// LDS: error: rocfuse-plan-kernels: 128x(128+128)x64: lds 98304 B > 65536 B on gfx942; try
// LDS: note: B1 stage 1: 16384 B at 81920 (loop)
