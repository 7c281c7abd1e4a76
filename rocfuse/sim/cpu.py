"""Run a tensor program on the CPU through upstream MLIR alone: its lowering passes and its execution engine.

Nothing here knows what an op means. The roundings are those of the IR: every f16 or bf16 arith op is evaluated in f32
and rounded to its type, every f16 or bf16 math op is evaluated in f32 by libm and rounded to its type.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import ml_dtypes
import numpy as np
from mlir import ir, runtime
from mlir.dialects import arith, linalg, math
from mlir.execution_engine import ExecutionEngine
from mlir.passmanager import PassManager

from rocfuse.diagnostics import CompileError, count
from rocfuse.pipeline import mlir_failure

TO_LINALG = (
    "func.func(tosa-to-linalg-named,tosa-to-linalg,tosa-to-tensor,tosa-to-arith),"
    "func.func(convert-elementwise-to-linalg)"  # arith and math ops on tensors
)

# The order matters: f16 and bf16 are widened first (libm has neither, and expansions in f16 are inaccurate); the math
# ops expanded are those that neither LLVM nor libm has.
_WIDENING = (
    "func.func(math-extend-to-supported-types{target-type=f32},math-expand-ops{ops=rsqrt,fpowi,clampf,ctlz},"
    "arith-emulate-unsupported-floats{source-types=bf16 target-type=f32})"
)
_BUFFERS = (
    # first: a rounding to bf16 that folds into the conversion from an integer before it would call a run-time library.
    # What has a name may have add and mul alone in its body
    "func.func(linalg-generalize-named-ops,arith-expand{include-bf16=true})",
    "empty-tensor-to-alloc-tensor",
    "one-shot-bufferize{bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map}",
    "buffer-results-to-out-params{hoist-static-allocs=true modify-public-functions=true}",
    "buffer-deallocation-pipeline",
)
_LOWERING = (
    "func.func(convert-linalg-to-loops)",
    "expand-strided-metadata,lower-affine,convert-scf-to-cf,arith-expand",
    "convert-math-to-llvm,convert-math-to-libm,convert-arith-to-llvm,convert-index-to-llvm,convert-cf-to-llvm",
    "finalize-memref-to-llvm,convert-func-to-llvm,reconcile-unrealized-casts",
)

_NUMPY_TYPES = {
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "i1": np.dtype(np.bool_),
    "i8": np.dtype(np.int8),
    "i16": np.dtype(np.int16),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
    "index": np.dtype(np.int64),
}


def numpy_type(element: ir.Type) -> np.dtype:
    """The numpy type that holds one element of an MLIR type. Raises CompileError for a type without one."""
    if str(element) not in _NUMPY_TYPES:
        known = ", ".join(_NUMPY_TYPES)
        raise CompileError(f"the CPU reference has no numpy type for '{element}'; it has {known}")
    return _NUMPY_TYPES[str(element)]


def parse_program(text: str) -> ir.Module:
    """Parse a program and take it to linalg on tensors; `cf.assert` is dropped (it would abort).

    TOSA is lowered, and arith and math ops on tensors become linalg. Needs a current context. Raises CompileError for
    text that is not valid IR.
    """
    try:
        module = ir.Module.parse(text)
    except ir.MLIRError as error:
        raise mlir_failure(error, "the CPU reference cannot read the program") from error
    asserts: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name == "cf.assert":
            asserts.append(op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    for op in asserts:
        op.erase()
    run_passes(module, TO_LINALG)
    return module


def run_passes(module: ir.Module, pipeline: str) -> None:
    """Run upstream passes on a module. Raises CompileError with MLIR's first message when one fails."""
    try:
        PassManager.parse(f"builtin.module({pipeline})").run(module.operation)
    except ir.MLIRError as error:
        raise mlir_failure(error, "upstream's CPU lowering") from error


def entry_function(module: ir.Module, name: str = "") -> ir.Operation:
    """The function called `name`, or the module's only public one. Raises CompileError when there is no such."""
    found = []
    for op in module.body.operations:
        if op.operation.name != "func.func" or op.operation.regions[0].blocks.__len__() == 0:
            continue
        private = "sym_visibility" in op.attributes
        symbol = ir.StringAttr(op.attributes["sym_name"]).value
        if symbol == name or (not name and not private):
            found.append(op.operation)
    if len(found) != 1:
        wanted = f"called '{name}'" if name else "that is public"
        raise CompileError(f"the CPU reference needs one function {wanted}, the module has {len(found)}")
    return found[0]


def programs(module: ir.Module) -> list[str]:
    """The names of the functions with a body that no function calls, in order: each is a program of its own."""
    called: set[str] = set()

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name == "func.call":
            called.add(ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    functions = [op.operation for op in module.body.operations if op.operation.name == "func.func"]
    names = [ir.StringAttr(op.attributes["sym_name"]).value for op in functions if len(op.regions[0].blocks)]
    return [name for name in names if name not in called]


def alone(module: ir.Module, name: str) -> ir.Module:
    """A copy of a module without the programs but one. Needs a current context and location."""
    others = set(programs(module)) - {name}
    copy = ir.Module.create()
    for op in module.body.operations:
        if "sym_name" not in op.attributes or ir.StringAttr(op.attributes["sym_name"]).value not in others:
            op.operation.clone(ir.InsertionPoint(copy.body))
    return copy


def signature(function: ir.Operation) -> tuple[list[ir.RankedTensorType], list[ir.RankedTensorType]]:
    """The argument and result types of a function. Raises CompileError unless all are tensors of static shape."""
    type_ = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    for one in list(type_.inputs) + list(type_.results):
        if not isinstance(one, ir.RankedTensorType) or not ir.RankedTensorType(one).has_static_shape:
            raise CompileError(f"the CPU reference takes tensors of static shape, not '{one}'", str(function.location))
    return [ir.RankedTensorType(one) for one in type_.inputs], [ir.RankedTensorType(one) for one in type_.results]


def execute(module: ir.Module, arrays: Sequence[np.ndarray], name: str = "") -> list[np.ndarray]:
    """Run a tensor program; `module` is lowered in place. `arrays` are the function's arguments, in order.

    Returns the results in the element types of the IR. Arguments are not changed. Raises CompileError when shapes or
    types differ from the function's, or upstream cannot lower the program.
    """
    function = entry_function(module, name)
    symbol = ir.StringAttr(function.attributes["sym_name"]).value
    _, results = signature(function)
    arguments = check_arguments(function, arrays)
    outputs = [np.zeros(tuple(type_.shape), numpy_type(type_.element_type)) for type_ in results]
    location = function.location
    function.attributes["llvm.emit_c_interface"] = ir.UnitAttr.get(context=module.context)
    if _has_bits(module):
        run_passes(module, "linalg-fuse-elementwise-ops,canonicalize")
        if _has_bits(module):
            raise CompileError("the CPU reference cannot keep a tensor of i1 in memory", str(function.location))
    _widen_fma(module)
    run_passes(module, _WIDENING)
    _keep_roundings(module)
    returned = [str(value) for value in function.regions[0].blocks[0].operations[-1].operands]
    # upstream crashes when it hoists a buffer that is returned twice
    hoist = "hoist-static-allocs=" + ("true" if len(set(returned)) == len(returned) else "false")
    run_passes(module, ",".join(_BUFFERS).replace("hoist-static-allocs=true", hoist))
    _copy_by_loops(module)
    run_passes(module, ",".join(_LOWERING))
    engine = ExecutionEngine(module, opt_level=2, enable_object_dump=False)
    descriptors = [runtime.get_ranked_memref_descriptor(array) for array in arguments + outputs]
    try:
        engine.invoke(symbol, *(ctypes.pointer(ctypes.pointer(one)) for one in descriptors))
    except RuntimeError as error:  # the JIT lacks a symbol that the code calls, and names it on stderr
        raise CompileError(
            f"the CPU reference cannot link the program: {error}; an op calls a run-time function that is not there",
            str(location),
        ) from error
    return outputs


def _widen_fma(module: ir.Module) -> None:
    """Evaluate f16 and bf16 `math.fma` in f32: upstream's widening leaves it, and its code calls a run-time library."""
    found: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name == "math.fma" and str(op.results[0].type) in ("f16", "bf16"):
            found.append(op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    for op in found:
        with ir.InsertionPoint(op), op.location:
            wide = ir.F32Type.get()
            result = math.fma(*(arith.extf(wide, operand) for operand in op.operands))
            op.results[0].replace_all_uses_with(arith.truncf(op.results[0].type, result))
        op.erase()


def _has_bits(module: ir.Module) -> bool:
    """Whether a value is a tensor of i1: LLVM aborts on a store of one."""
    found = False

    def visit(op: ir.Operation) -> ir.WalkResult:
        nonlocal found
        tensors = [ir.RankedTensorType(one.type) for one in op.results if isinstance(one.type, ir.RankedTensorType)]
        found = found or any(str(one.element_type) == "i1" for one in tensors)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return found


def _keep_roundings(module: ir.Module) -> None:
    """Drop `fastmath<contract>` from float casts: upstream's widening sets it, and truncf + extf would fold away."""

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name in ("arith.extf", "arith.truncf") and "fastmath" in op.attributes:
            del op.attributes["fastmath"]
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)


def _copy_by_loops(module: ir.Module) -> None:
    """Make loops of copies: a strided `memref.copy` would call a run-time library that the bindings do not have."""
    copies: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name == "memref.copy":
            copies.append(op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    for op in copies:
        with ir.InsertionPoint(op), op.location:
            linalg.copy(op.operands[0], outs=[op.operands[1]])
        op.erase()


def check_arguments(function: ir.Operation, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Contiguous copies of `arrays` in the function's argument types; uint16/uint8 patterns are reinterpreted.

    Raises CompileError when a shape or a type does not fit.
    """
    inputs, _ = signature(function)
    if len(inputs) != len(arrays):
        raise CompileError(f"need {count(len(inputs), 'array')}, have {len(arrays)}", str(function.location))
    copies = []
    for number, (type_, array) in enumerate(zip(inputs, arrays, strict=True)):
        wanted = numpy_type(type_.element_type)
        if array.dtype != wanted and array.dtype.kind == "u" and array.dtype.itemsize == wanted.itemsize:
            array = array.view(wanted)
        if array.dtype != wanted or tuple(array.shape) != tuple(type_.shape):
            have = "x".join(map(str, array.shape)) + f"x{array.dtype}"
            raise CompileError(f"argument {number} is {have}, the function takes {type_}", str(function.location))
        copies.append(np.array(array, order="C", copy=True))
    return copies
