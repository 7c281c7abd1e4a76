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

  // Blockwise steps: what one lane does of a tile-level action. Tiles are rows x k (rows of A, columns of B); `operand`
  // numbers the plan's distinct operands, whose entry says how the tile is dealt to lanes and laid out in LDS.

  // Load one unit of an operand tile whose first element is (row, k) of the view. `masked` 1: zero at and past the view's k;
  // 2: nothing at all where the tile begins there.
  irdl.operation @global_read {
    %view = irdl.base "!builtin.memref"
    %index = irdl.is i32
    %vector = irdl.base "!builtin.vector"
    %operand = irdl.base "#builtin.integer"
    %part = irdl.base "#builtin.integer"
    %masked = irdl.base "#builtin.integer"
    irdl.operands(view: %view, row: %index, k: %index)
    irdl.results(unit: %vector)
    irdl.attributes {"operand" = %operand, "part" = %part, "masked" = %masked}
  }

  // Store a unit that was read from memory into its place in an LDS tile.
  irdl.operation @lds_write {
    %vector = irdl.base "!builtin.vector"
    %buffer = irdl.base "!builtin.memref"
    %operand = irdl.base "#builtin.integer"
    %part = irdl.base "#builtin.integer"
    irdl.operands(unit: %vector, buffer: %buffer)
    irdl.attributes {"operand" = %operand, "part" = %part}
  }

  // The second operand in waves from number `from_wave` on, the first one in the waves before: two views of arrays, or two
  // LDS tiles. (Two operands of two types: a variadic list in IRDL has one, and views differ in their offset.)
  irdl.operation @wave_select {
    %low = irdl.base "!builtin.memref"
    %high = irdl.base "!builtin.memref"
    %result = irdl.base "!builtin.memref"
    %from_wave = irdl.base "#builtin.integer"
    irdl.operands(low: %low, high: %high)
    irdl.results(selected: %result)
    irdl.attributes {"from_wave" = %from_wave}
  }

  // All waves of the workgroup have finished their LDS accesses up to here.
  irdl.operation @barrier {}

  // All but the last `outstanding` LDS accesses of this wave are done.
  irdl.operation @wait_lds {
    %outstanding = irdl.base "#builtin.integer"
    irdl.attributes {"outstanding" = %outstanding}
  }

  // All but the last `outstanding` loads from memory of this wave are done.
  irdl.operation @wait_memory {
    %outstanding = irdl.base "#builtin.integer"
    irdl.attributes {"outstanding" = %outstanding}
  }

  // Steps before this stay before steps after it.
  irdl.operation @keep_order {}

  // Loads from memory and LDS writes before this stay before those after it.
  irdl.operation @keep_copies {}

  // The K range before this has finished with its LDS tiles.
  irdl.operation @begin_range {}

  // One barrier more for the first (0) or second (1) half of the waves, which puts it a phase behind the other.
  irdl.operation @phase_shift {
    %half = irdl.base "#builtin.integer"
    irdl.attributes {"half" = %half}
  }

  // Which of a SIMD's waves issues first.
  irdl.operation @set_priority {
    %level = irdl.base "#builtin.integer"
    irdl.attributes {"level" = %level}
  }

  // Ask the backend's scheduler for one of its instruction patterns in this block.
  irdl.operation @schedule_hint {
    %iglp = irdl.base "#builtin.integer"
    irdl.attributes {"iglp" = %iglp}
  }

  // Load this lane's part of a 128-bit wide k slice of one block of rows.
  irdl.operation @fragment_read {
    %buffer = irdl.base "!builtin.memref"
    %vector = irdl.base "!builtin.vector"
    %operand = irdl.base "#builtin.integer"
    %block = irdl.base "#builtin.integer"
    %k_slice = irdl.base "#builtin.integer"
    irdl.operands(buffer: %buffer)
    irdl.results(fragment: %vector)
    irdl.attributes {"operand" = %operand, "block" = %block, "k_slice" = %k_slice}
  }

  // Multiply two fragments of a k slice onto an accumulator block.
  irdl.operation @mma {
    %a = irdl.base "!builtin.vector"
    %b = irdl.base "!builtin.vector"
    %accumulator = irdl.base "!builtin.vector"
    irdl.operands(a: %a, b: %b, accumulator: %accumulator)
    irdl.results(result: %accumulator)
  }

  // This lane's elements of one accumulator-shaped block of an array that the combine reads, or a part of them from `first`
  // on; (m, n) is the tile's origin.
  irdl.operation @tile_read {
    %view = irdl.base "!builtin.memref"
    %index = irdl.is i32
    %vector = irdl.base "!builtin.vector"
    %block = irdl.base "#builtin.array"
    %first = irdl.base "#builtin.integer"
    irdl.operands(view: %view, m: %index, n: %index)
    irdl.results(elements: %vector)
    irdl.attributes {"block" = %block, "first" = %first}
  }

  // Load this thread's share of a line: what the tile needs of an array that varies along one direction at most. `extra`
  // numbers the combine's other operands, whose entry in the plan says how the line is dealt to threads.
  irdl.operation @line_read {
    %view = irdl.base "!builtin.memref"
    %index = irdl.is i32
    %vector = irdl.base "!builtin.vector"
    %extra = irdl.base "#builtin.integer"
    irdl.operands(view: %view, m: %index, n: %index)
    irdl.results(unit: %vector)
    irdl.attributes {"extra" = %extra}
  }

  // Store a thread's share of a line into LDS.
  irdl.operation @line_write {
    %vector = irdl.base "!builtin.vector"
    %buffer = irdl.base "!builtin.memref"
    %extra = irdl.base "#builtin.integer"
    irdl.operands(unit: %vector, buffer: %buffer)
    irdl.attributes {"extra" = %extra}
  }

  // What this lane's elements of one accumulator block, or a part of them from `first` on, need of a line in LDS.
  irdl.operation @line_fragment {
    %buffer = irdl.base "!builtin.memref"
    %vector = irdl.base "!builtin.vector"
    %extra = irdl.base "#builtin.integer"
    %block = irdl.base "#builtin.array"
    %first = irdl.base "#builtin.integer"
    irdl.operands(buffer: %buffer)
    irdl.results(elements: %vector)
    irdl.attributes {"extra" = %extra, "block" = %block, "first" = %first}
  }

  // Write this lane's elements of one block of a result, a part of them from `first` on, into its wave's scratch in LDS.
  irdl.operation @stage_write {
    %vector = irdl.base "!builtin.vector"
    %buffer = irdl.base "!builtin.memref"
    %output = irdl.base "#builtin.integer"
    %block = irdl.base "#builtin.array"
    %first = irdl.base "#builtin.integer"
    irdl.operands(elements: %vector, buffer: %buffer)
    irdl.attributes {"output" = %output, "block" = %block, "first" = %first}
  }

  // Store the rows that fill a wave's scratch for the `fill`-th time, each lane as wide as it can.
  irdl.operation @stage_store {
    %buffer = irdl.base "!builtin.memref"
    %view = irdl.base "!builtin.memref"
    %index = irdl.is i32
    %output = irdl.base "#builtin.integer"
    %fill = irdl.base "#builtin.integer"
    irdl.operands(buffer: %buffer, view: %view, m: %index, n: %index)
    irdl.attributes {"output" = %output, "fill" = %fill}
  }

  // Load the rows that fill the scratch of `output` for the `fill`-th time, of an operand of its shape.
  irdl.operation @stage_load {
    %view = irdl.base "!builtin.memref"
    %index = irdl.is i32
    %vector = irdl.base "!builtin.vector"
    %output = irdl.base "#builtin.integer"
    %fill = irdl.base "#builtin.integer"
    irdl.operands(view: %view, m: %index, n: %index)
    irdl.results(unit: %vector)
    irdl.attributes {"output" = %output, "fill" = %fill}
  }

  // Write rows that were loaded into the scratch of `output`.
  irdl.operation @stage_fill {
    %vector = irdl.base "!builtin.vector"
    %buffer = irdl.base "!builtin.memref"
    %output = irdl.base "#builtin.integer"
    irdl.operands(unit: %vector, buffer: %buffer)
    irdl.attributes {"output" = %output}
  }

  // Read this lane's elements of one block from the scratch of `output`.
  irdl.operation @stage_read {
    %buffer = irdl.base "!builtin.memref"
    %vector = irdl.base "!builtin.vector"
    %output = irdl.base "#builtin.integer"
    %block = irdl.base "#builtin.array"
    irdl.operands(buffer: %buffer)
    irdl.results(elements: %vector)
    irdl.attributes {"output" = %output, "block" = %block}
  }

  // LDS accesses of a wave before this stay before its accesses after it. The hardware keeps their order anyway.
  irdl.operation @wave_fence {}

  // Store this lane's elements of one block of a result, a part of them from `first` on.
  irdl.operation @tile_write {
    %vector = irdl.base "!builtin.vector"
    %view = irdl.base "!builtin.memref"
    %index = irdl.is i32
    %block = irdl.base "#builtin.array"
    %first = irdl.base "#builtin.integer"
    irdl.operands(elements: %vector, view: %view, m: %index, n: %index)
    irdl.attributes {"block" = %block, "first" = %first}
  }
}
