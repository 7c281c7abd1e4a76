"""Where MLIR's Python bindings look first for the op classes of a dialect, from the first import of this package on."""

from mlir._mlir_libs import _mlir

_mlir.globals.dialect_search_modules = [__name__, *_mlir.globals.dialect_search_modules]
