// An annotation that is malformed is an error at its line; it is not passed over.
// RUN: split-file %s %t
// RUN: %python %S/exit_code.py 1 %rocfuse-opt %t/regex.mlir --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: %python %S/exit_code.py 1 %rocfuse-opt %t/place.mlir --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=PLACE
// RUN: %python %S/exit_code.py 1 %rocfuse-opt %t/open.mlir --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=OPEN
// RUN: %python %S/exit_code.py 1 %rocfuse-opt %t/kind.mlir --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=KIND

// REGEX: regex.mlir:1:1: error: {{.*}} is no regular expression: unterminated character set
// PLACE: place.mlir:2:1: error: 'expected-remark @blow {{.*}}: need expected-error, {{.*}}; @+N, @-N, @above, @below, @unknown or nothing; and
// OPEN: open.mlir:1:1: error: 'expected-remark @below {{.*}}: need expected-error,
// KIND: kind.mlir:1:1: error: 'expected-eror {{.*}}: need expected-error, -warning, -remark or -note, with -re
//--- regex.mlir
// expected-remark-re @below {{ {{[}} }}
module {}
//--- place.mlir

// expected-remark @blow {{x}}
module {}
//--- open.mlir
// expected-remark @below {{x
module {}
//--- kind.mlir
// expected-eror {{x}}
module {}
