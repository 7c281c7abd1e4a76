"""numba, with a cache on disk where that is possible, and the fused multiply-add that numpy does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function; without a writable cache directory it is compiled once a process."""
    try:
        kernel: Callable[..., Any] = numba.njit(cache=True, error_model="numpy", nogil=True)(function)
    except RuntimeError:
        kernel = numba.njit(error_model="numpy", nogil=True)(function)
    return kernel


def _ufunc(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            ufunc: Callable[..., Any] = numba.vectorize([signature], cache=True)(function)
        except RuntimeError:
            ufunc = numba.vectorize([signature])(function)
        return ufunc

    return decorate


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """llvm.fma: a * b + c with one rounding."""
    if a not in (types.float32, types.float64):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FloatType() if a == types.float32 else ir.DoubleType()
        name = "llvm.fma.f32" if a == types.float32 else "llvm.fma.f64"
        function = builder.module.declare_intrinsic(name.rsplit(".", 1)[0], (kind,), ir.FunctionType(kind, [kind] * 3))
        return builder.call(function, arguments)

    return a(a, a, a), generate


@_ufunc("float32(float32, float32, float32)")
def fma_f32(a: Any, b: Any, c: Any) -> Any:
    """a * b + c in f32 with one rounding."""
    return fma(a, b, c)


@_ufunc("float64(float64, float64, float64)")
def fma_f64(a: Any, b: Any, c: Any) -> Any:
    """a * b + c in f64 with one rounding."""
    return fma(a, b, c)
