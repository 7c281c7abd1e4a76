"""`python -m rocfuse.gen`: print programs with the pattern that rocfuse fuses, built with the bindings' op builders.

Products accumulate in f32 and are rounded to the element type, as importers of PyTorch write them. The combine of
products p0, p1, … is the activation of one of them times all the others.
"""

from __future__ import annotations

import argparse
import math as pymath
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from rocfuse.diagnostics import UsageError
from rocfuse.files import open_closed_streams, write_atomically, write_stdout

COMBINES = ("swiglu", "geglu", "geglu-tanh", "reglu", "glu", "bilinear")
CHOICES: dict[str, tuple[str, ...]] = {
    "pattern": ("sliced", "separate"),
    "combine": COMBINES,
    "bias": ("none", "row", "full"),
    "layout": ("kn", "nk"),
    "dtype": ("f16", "bf16"),
}
_MAX_EXTENT = 2**31 - 1


@dataclass(frozen=True)
class GenOptions:
    """What to generate; the fields are the command's options."""

    pattern: str = "sliced"  # one product with a slice for each factor, or a product for each
    m: int = 64
    n: int = 64  # width of the output
    k: int = 64
    batch: int | None = None  # leading dim of every tensor but a row bias; none: rank-2 tensors
    gemms: int = 2
    combine: str = "swiglu"
    bias: str = "none"  # added to each product in f32: a row vector or a full matrix
    layout: str = "kn"  # how the weights are stored
    dtype: str = "f16"
    residual: bool = False  # add one more tensor to the result

    def check(self) -> None:
        """Raise UsageError for values that make no program."""
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"--{name} is one of {', '.join(choices)}, not '{getattr(self, name)}'")
        for name in ("m", "n", "k", "batch", "gemms"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= _MAX_EXTENT:
                raise UsageError(f"--{name} takes a whole number from 1 to {_MAX_EXTENT}, not {value}")
        if self.gemms > 64:
            raise UsageError(f"--gemms takes at most 64, not {self.gemms}")


def build(options: GenOptions) -> Any:
    """The program as an `ir.Module` in a context of its own. Raises UsageError for bad options."""
    options.check()
    from mlir import ir
    from mlir.dialects import func

    with ir.Context(), ir.Location.unknown():
        program = _Program(options)
        module = ir.Module.create()
        name = f"{options.combine.replace('-', '_')}_{options.pattern}"
        with ir.InsertionPoint(module.body):
            function = func.FuncOp(name, (program.argument_types(), [program.result_type()]))
            with ir.InsertionPoint(function.add_entry_block()):
                func.ReturnOp([program.body(list(function.arguments))])
        module.operation.verify()
        return module


class _Program:
    """The ops of one function."""

    def __init__(self, options: GenOptions) -> None:
        from mlir import ir

        self.options = options
        self.f32 = ir.F32Type.get()
        self.element = ir.F16Type.get() if options.dtype == "f16" else ir.BF16Type.get()
        self.lead = [options.batch] if options.batch else []
        self.products = 1 if options.pattern == "sliced" else options.gemms
        self.width = options.n * options.gemms if options.pattern == "sliced" else options.n

    def tensor(self, shape: Sequence[int], element: Any = None) -> Any:
        """A ranked tensor type."""
        from mlir import ir

        return ir.RankedTensorType.get(list(shape), element or self.element)

    def argument_types(self) -> list[Any]:
        """A, then each product's weight and bias, then the residual."""
        o = self.options
        weight = [o.k, self.width] if o.layout == "kn" else [self.width, o.k]
        types = [self.tensor([*self.lead, o.m, o.k])]
        for _ in range(self.products):
            types.append(self.tensor([*self.lead, *weight]))
            if o.bias != "none":
                types.append(self.tensor([self.width] if o.bias == "row" else [*self.lead, o.m, self.width]))
        return types + ([self.result_type()] if o.residual else [])

    def result_type(self) -> Any:
        """The one result."""
        return self.tensor([*self.lead, self.options.m, self.options.n])

    def body(self, arguments: list[Any]) -> Any:
        """All ops; returns the value to return."""
        o = self.options
        a = arguments.pop(0)
        products = []
        for _ in range(self.products):
            weight = arguments.pop(0)
            products.append(self.product(a, weight, arguments.pop(0) if o.bias != "none" else None))
        factors = self.slices(products[0]) if o.pattern == "sliced" else products
        gate = 0 if o.combine == "swiglu" else len(factors) - 1
        activation = _activation(o.combine)
        result = factors[gate]
        if activation:
            result = self.elementwise(self.element, [result], lambda x: self.rounded(activation, x))
        for index, factor in enumerate(factors):
            if index != gate:
                result = self.elementwise(self.element, [result, factor], _multiply)
        return self.elementwise(self.element, [result, arguments.pop(0)], _add) if o.residual else result

    def product(self, a: Any, weight: Any, bias: Any) -> Any:
        """One GEMM with its bias, rounded to the element type."""
        from mlir.dialects import arith, linalg, tensor

        o = self.options
        if o.layout == "nk":
            permutation = [0, 2, 1] if self.lead else [1, 0]
            empty = tensor.empty([*self.lead, o.k, self.width], self.element)
            weight = linalg.transpose(weight, outs=[empty], permutation=permutation)
            weight = getattr(weight, "result", weight)
        zero = arith.constant(self.f32, 0.0)
        empty = tensor.empty([*self.lead, o.m, self.width], self.f32)
        start = linalg.fill(zero, outs=[empty])
        matmul = linalg.batch_matmul if self.lead else linalg.matmul
        product = matmul(a, weight, outs=[start])
        if bias is not None:
            extended = self.elementwise(self.f32, [bias], lambda x: arith.extf(self.f32, x))
            product = self.elementwise(self.f32, [product, extended], _add)
        return self.elementwise(self.element, [product], lambda x: arith.truncf(self.element, x))

    def slices(self, product: Any) -> list[Any]:
        """The column slices of the one product."""
        from mlir.dialects import tensor

        sizes = [*self.lead, self.options.m, self.options.n]
        return [
            tensor.extract_slice(
                self.result_type(),
                product,
                [],
                [],
                [],
                static_offsets=[0] * (len(sizes) - 1) + [index * self.options.n],
                static_sizes=sizes,
                static_strides=[1] * len(sizes),
            )
            for index in range(self.options.gemms)
        ]

    def elementwise(self, element: Any, inputs: list[Any], compute: Callable[..., Any]) -> Any:
        """One linalg.generic; an input of lower rank is broadcast along the leading dims."""
        from mlir import ir
        from mlir.dialects import linalg, tensor

        shape = max((value.type.shape for value in inputs), key=len)
        dims = [ir.AffineDimExpr.get(dim) for dim in range(len(shape))]
        maps = [ir.AffineMap.get(len(dims), 0, dims[len(dims) - value.type.rank :]) for value in inputs]
        out = tensor.empty(list(shape), element)
        parallel = ir.Attribute.parse("#linalg.iterator_type<parallel>")
        generic = linalg.GenericOp(
            [self.tensor(shape, element)],
            inputs,
            [out],
            [*maps, ir.AffineMap.get_identity(len(dims))],
            ir.ArrayAttr.get([parallel] * len(dims)),
        )
        types = [value.type.element_type for value in inputs] + [element]
        block = generic.regions[0].blocks.append(*types, arg_locs=[ir.Location.unknown()] * len(types))
        with ir.InsertionPoint(block):
            linalg.YieldOp([compute(*list(block.arguments)[:-1])])
        return generic.results[0]

    def rounded(self, activation: Callable[[Any], Any], x: Any) -> Any:
        """The activation in f32, rounded once to the element type; erf and relu stay in the element type."""
        from mlir.dialects import arith

        if self.options.combine in ("geglu", "reglu"):
            return activation(x)
        return arith.truncf(self.element, activation(arith.extf(self.f32, x)))


def _constant(like: Any, value: float) -> Any:
    from mlir.dialects import arith

    return arith.constant(like.type, value)


def _multiply(x: Any, y: Any) -> Any:
    from mlir.dialects import arith

    return arith.mulf(x, y)


def _add(x: Any, y: Any) -> Any:
    from mlir.dialects import arith

    return arith.addf(x, y)


def _sigmoid(x: Any) -> Any:
    from mlir.dialects import arith, math

    one = _constant(x, 1.0)
    return arith.divf(one, _add(math.exp(arith.negf(x)), one))


def _gelu(x: Any) -> Any:
    from mlir.dialects import arith, math

    scaled = arith.divf(x, _constant(x, pymath.sqrt(2.0)))
    half = _multiply(_add(math.erf(scaled), _constant(x, 1.0)), _constant(x, 0.5))
    return _multiply(x, half)


def _gelu_tanh(x: Any) -> Any:
    from mlir.dialects import math

    cube = _multiply(_multiply(x, x), x)
    inner = _add(x, _multiply(cube, _constant(x, 0.044715)))
    bent = math.tanh(_multiply(inner, _constant(x, pymath.sqrt(2.0 / pymath.pi))))
    return _multiply(x, _multiply(_add(bent, _constant(x, 1.0)), _constant(x, 0.5)))


def _relu(x: Any) -> Any:
    from mlir.dialects import arith

    return arith.maximumf(x, _constant(x, 0.0))


def _silu(x: Any) -> Any:
    return _multiply(x, _sigmoid(x))


def _activation(combine: str) -> Callable[[Any], Any] | None:
    table = {"swiglu": _silu, "geglu": _gelu, "geglu-tanh": _gelu_tanh, "reglu": _relu, "glu": _sigmoid}
    return table.get(combine)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see --help")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    open_closed_streams()
    parser = _Parser(prog="python -m rocfuse.gen", description=(__doc__ or "").splitlines()[0], allow_abbrev=False)
    for field in fields(GenOptions):
        flag = f"--{field.name}"
        if field.name in CHOICES:
            parser.add_argument(flag, choices=CHOICES[field.name], default=field.default)
        elif isinstance(field.default, bool):
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=int, default=field.default, metavar="INT")
    parser.add_argument("-o", dest="output", default="-", metavar="OUT", help="output file, - for stdout (the default)")
    try:
        arguments = vars(parser.parse_args(argv))
        output = arguments.pop("output")
        if not output:
            raise UsageError("-o: need a file name")
        text = f"{build(GenOptions(**arguments))}".rstrip("\n") + "\n"
        if output == "-":
            return write_stdout(text.encode())
        write_atomically(output, text.encode())
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
