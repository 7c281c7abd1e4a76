"""The same program in float64: the meaning that the IR approximates.

Every f16, bf16 and f32 becomes f64; `arith.extf` and `arith.truncf` disappear. A constant keeps the value that it has
in the IR, and a cast of a constant is part of the constant: `truncf 1.702 : f64 to f16` is 1.7021484375, because that
number, not 1.702, is what the program multiplies by.
"""

from __future__ import annotations

import numpy as np
from mlir import ir

from rocfuse.diagnostics import CompileError
from rocfuse.sim.cpu import numpy_type

_NARROW = ("f16", "bf16", "f32")
_CASTS = ("arith.extf", "arith.truncf")


def to_float64(module: ir.Module) -> ir.Module:
    """A copy of a linalg-on-tensors module in which every float is f64. Needs the module's context to be current.

    Raises CompileError for `arith.bitcast` of floats and for element types other than f16, bf16, f32 and f64.
    """
    with module.context, ir.Location.unknown():
        copy = ir.Module.create()
        values: dict[ir.Value, ir.Value] = {}
        for op in module.body.operations:
            _clone(op.operation, values, ir.InsertionPoint(copy.body))
        copy.operation.verify()
    return copy


def _type(type_: ir.Type) -> ir.Type:
    if str(type_) in _NARROW:
        return ir.F64Type.get()
    if isinstance(type_, ir.RankedTensorType):
        tensor = ir.RankedTensorType(type_)
        return ir.RankedTensorType.get(tensor.shape, _type(tensor.element_type), tensor.encoding)
    if isinstance(type_, ir.VectorType):
        vector = ir.VectorType(type_)
        return ir.VectorType.get(vector.shape, _type(vector.element_type), scalable=vector.scalable_dims)
    if isinstance(type_, ir.FunctionType):
        function = ir.FunctionType(type_)
        return ir.FunctionType.get([_type(one) for one in function.inputs], [_type(one) for one in function.results])
    if isinstance(type_, ir.FloatType) and str(type_) != "f64":
        raise CompileError(f"the float64 reference does not know the type '{type_}'")
    return type_


def _attribute(attribute: ir.Attribute) -> ir.Attribute:
    if isinstance(attribute, ir.FloatAttr):
        return ir.FloatAttr.get(_type(ir.FloatAttr(attribute).type), ir.FloatAttr(attribute).value)
    if isinstance(attribute, ir.TypeAttr):
        return ir.TypeAttr.get(_type(ir.TypeAttr(attribute).value))
    if isinstance(attribute, ir.ArrayAttr):
        return ir.ArrayAttr.get([_attribute(one) for one in ir.ArrayAttr(attribute)])
    if isinstance(attribute, ir.DictAttr):
        return ir.DictAttr.get({one.name: _attribute(one.attr) for one in ir.DictAttr(attribute)})
    if isinstance(attribute, ir.DenseElementsAttr):
        return _elements(attribute)
    return attribute


def _elements(attribute: ir.Attribute) -> ir.Attribute:
    type_ = attribute.type
    if str(type_.element_type) not in _NARROW:
        return attribute
    shape = _type(type_)
    dense = ir.DenseElementsAttr(attribute)
    if dense.is_splat:
        value = ir.FloatAttr(dense.get_splat_value()).value
        return ir.DenseElementsAttr.get_splat(shape, ir.FloatAttr.get(ir.F64Type.get(), value))
    values = np.array(dense).astype(np.float64)
    return ir.DenseElementsAttr.get(values, type=shape)


def _clone(op: ir.Operation, values: dict[ir.Value, ir.Value], point: ir.InsertionPoint) -> None:
    if op.name in _CASTS:
        values[op.results[0]] = _cast(op, values, point)
        return
    if op.name == "arith.bitcast" and any(isinstance(one.type, ir.FloatType) for one in (*op.operands, *op.results)):
        raise CompileError("arith.bitcast of a float has no meaning in float64", str(op.location))
    copy = ir.Operation.create(
        op.name,
        results=[_type(result.type) for result in op.results],
        operands=[values[operand] for operand in op.operands],
        attributes={name: _attribute(op.attributes[name]) for name in op.attributes},
        regions=len(op.regions),
        loc=op.location,
        ip=point,
    )
    values.update(zip(op.results, copy.results, strict=True))
    for region, target in zip(op.regions, copy.regions, strict=True):
        for block in region.blocks:
            types = [_type(argument.type) for argument in block.arguments]
            new = target.blocks.append(*types, arg_locs=[op.location] * len(types))
            values.update(zip(block.arguments, new.arguments, strict=True))
            for inner in block.operations:
                _clone(inner.operation, values, ir.InsertionPoint(new))


def _cast(op: ir.Operation, values: dict[ir.Value, ir.Value], point: ir.InsertionPoint) -> ir.Value:
    """The f64 value of a float cast: its operand, or the rounded constant."""
    operand = values[op.operands[0]]
    owner = operand.owner
    if not isinstance(owner, (ir.Operation, ir.OpView)) or owner.operation.name != "arith.constant":
        return operand
    value = owner.operation.attributes["value"]
    if not isinstance(value, ir.FloatAttr):
        return operand
    narrow = numpy_type(op.results[0].type)
    rounded = float(np.asarray(ir.FloatAttr(value).value).astype(narrow).astype(np.float64))
    wide = ir.F64Type.get()
    attributes = {"value": ir.FloatAttr.get(wide, rounded)}
    return ir.Operation.create("arith.constant", [wide], attributes=attributes, loc=op.location, ip=point).results[0]
