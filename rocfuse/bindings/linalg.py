"""linalg's op classes without the Python language for writing new ones, which takes longer to import than all else."""

from mlir._mlir_libs._mlirDialectsLinalg import get_indexing_maps
from mlir.dialects._linalg_ops_gen import GenericOp, YieldOp

__all__ = ["GenericOp", "YieldOp", "get_indexing_maps"]
