// The rocfuse dialect. Loads in stock mlir-opt: mlir-opt --irdl-file=dialects/rocfuse.irdl.mlir FILE
// Constraints that IRDL cannot state are labelled in dialects/README.md and checked by `rocfuse-verify`.
irdl.dialect @rocfuse {
  // G GEMMs over one (batch, m, n) index space: operands A0, B0, A1, B1, …; results the G products in f32.
  irdl.operation @multi_gemm {
    %any = irdl.any  // operands differ in type; a shared irdl.base would force them equal (multi_gemm_c2 checks them)
    %product = irdl.base "!builtin.tensor"  // one constraint value: all products have one type
    %maps = irdl.base "#builtin.array"
    %dims = irdl.any
    irdl.operands(inputs: variadic %any)
    irdl.results(products: variadic %product)
    irdl.attributes {"indexing_maps" = %maps, "dims" = %dims}
  }
}
