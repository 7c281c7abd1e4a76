// The rocfuse dialect. Loads in stock mlir-opt: mlir-opt --irdl-file=dialects/rocfuse.irdl.mlir FILE
// Constraints that IRDL cannot state are labelled in dialects/README.md and checked by `rocfuse-verify`.
irdl.dialect @rocfuse {
  // G GEMMs over one (batch, m, n) index space that run side by side in one kernel. The region holds one rocfuse.gemm a
  // product and ends with a vector.yield of all of them.
  irdl.operation @multi_gemm {
    %product = irdl.base "!builtin.tensor"  // one constraint value: all products have one type
    %dims = irdl.base "#builtin.array"
    %block = irdl.region() with size 1
    irdl.results(products: variadic %product)
    irdl.regions(gemms: %block)
    irdl.attributes {"dims" = %dims}
  }

  // One product, f32 accumulated. A variadic operand list in IRDL has one type, so each GEMM is an op of its own.
  irdl.operation @gemm {
    %a = irdl.base "!builtin.tensor"
    %b = irdl.base "!builtin.tensor"
    %product = irdl.base "!builtin.tensor"
    %maps = irdl.base "#builtin.array"
    irdl.operands(a: %a, b: %b)
    irdl.results(product: %product)
    irdl.attributes {"indexing_maps" = %maps}
  }
}
