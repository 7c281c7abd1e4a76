"""Where MLIR's Python bindings look for op classes of our dialect (see rocfuse/dialect.py)."""
