"""Where MLIR's Python bindings look first for the op classes of a dialect, from the first import of this package on.

Ops of a dialect that has a module here have no classes of their own, in the whole process, until upstream's module of
the dialect (`mlir.dialects.gpu`) is imported: they are `ir.OpView`s with operands, results, attributes and regions.
"""

from mlir._mlir_libs import _mlir

_mlir.globals.dialect_search_modules = [__name__, *_mlir.globals.dialect_search_modules]
