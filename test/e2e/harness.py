"""What the end-to-end tests share: programs as text, arguments, and compile, simulate, compare with all checks on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mlir import ir

import rocfuse
from bench.isa_stats import loop_lines
from rocfuse.codegen.elf import read_kernels
from rocfuse.compiler import CodeObject
from rocfuse.sim import SimulationResult, compare, cpu, reference

INPUTS = Path(__file__).parents[1] / "inputs"
SMALL = ("seed_small", "geglu_sd21_small", "glu_small_tosa", "swiglu_cat_small", "swiglu_sep_small")
LARGE = ("geglu_sd21_l0", "seed_sdxl", "llama3_8b_m256")


def input_text(name: str) -> str:
    """One of the inputs by name."""
    return (INPUTS / f"{name}.mlir").read_text()


@dataclass(frozen=True)
class Value:
    """An SSA value of a `Program`."""

    name: str
    shape: tuple[int, ...]
    element: str

    @property
    def type(self) -> str:
        """Its tensor type."""
        return f"tensor<{''.join(f'{size}x' for size in self.shape)}{self.element}>"


@dataclass
class Program:
    """A function written op by op. A spec such as "mk,kn->mn" says how operands and result are indexed."""

    arguments: list[Value] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def argument(self, element: str, *shape: int) -> Value:
        """One more argument."""
        value = Value(f"%arg{len(self.arguments)}", shape, element)
        self.arguments.append(value)
        return value

    def product(self, spec: str, a: Value, b: Value, total: str = "f32") -> Value:
        """A GEMM that accumulates in `total`."""
        start = self.filled(total, *self._shape(spec, (a, b)))
        extend, mul, add = ("extsi", "muli", "addi") if total.startswith("i") else ("extf", "mulf", "addf")
        body = []
        for position, operand in enumerate((a, b)):
            cast = f"arith.{extend} %x{position} : {operand.element} to {total}"
            if operand.element == total:
                cast = f"arith.{add} %x{position}, %zero : {total}"
                body.append(f"%zero = arith.constant {'0' if total.startswith('i') else '-0.0'} : {total}")
            body.append(f"%e{position} = {cast}")
        body = list(dict.fromkeys(body))
        body += [
            f"%p = arith.{mul} %e0, %e1 : {total}",
            f"%s = arith.{add} %out, %p : {total}",
            f"linalg.yield %s : {total}",
        ]
        return self.combine(spec, (a, b), start, "\n".join(body))

    def apply(self, spec: str, inputs: Sequence[Value], body: str, element: str) -> Value:
        """An elementwise op; `body` reads %x0, %x1, … and yields."""
        return self.combine(spec, inputs, self._empty(self._shape(spec, inputs), element), body)

    def filled(self, element: str, *shape: int) -> Value:
        """A tensor of zeros."""
        zero, empty = self._name(), self._empty(shape, element)
        value = Value(self._name(), shape, element)
        self.lines.append(f"{zero} = arith.constant {'0' if element.startswith('i') else '0.0'} : {element}")
        self.lines.append(
            f"{value.name} = linalg.fill ins({zero} : {element}) outs({empty.name} : {empty.type}) -> {value.type}"
        )
        return value

    def round(self, value: Value, element: str) -> Value:
        """A cast from f32."""
        letters = "abcd"[: len(value.shape)]
        return self.apply(f"{letters}->{letters}", [value], cast("%x0", element), element)

    def slice(self, value: Value, offsets: Sequence[int], sizes: Sequence[int], steps: Sequence[int] = ()) -> Value:
        """tensor.extract_slice."""
        steps = steps or [1] * len(sizes)
        result = Value(self._name(), tuple(sizes), value.element)
        numbers = " ".join(str(list(one)) for one in (offsets, sizes, steps))
        self.lines.append(f"{result.name} = tensor.extract_slice {value.name}{numbers} : {value.type} to {result.type}")
        return result

    def text(self, *results: Value, name: str = "program") -> str:
        """The module, returning `results`."""
        arguments = ", ".join(f"{one.name}: {one.type}" for one in self.arguments)
        types = ", ".join(one.type for one in results)
        names = ", ".join(one.name for one in results)
        body = "\n".join([*self.lines, f"return {names} : {types}"])
        return f"func.func @{name}({arguments}) -> ({types}) {{\n{body}\n}}\n"

    def _name(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def _empty(self, shape: Sequence[int], element: str) -> Value:
        value = Value(self._name(), tuple(shape), element)
        self.lines.append(f"{value.name} = tensor.empty() : {value.type}")
        return value

    @staticmethod
    def _shape(spec: str, inputs: Sequence[Value]) -> tuple[int, ...]:
        sources, _, out = spec.partition("->")
        sizes = {
            letter: size
            for letters, value in zip(sources.split(","), inputs, strict=True)
            for letter, size in zip(letters, value.shape, strict=True)
        }
        return tuple(sizes[letter] for letter in out)

    def combine(self, spec: str, inputs: Sequence[Value], start: Value, body: str) -> Value:
        """A linalg.generic on `start`; letters that the result lacks are reduced over."""
        sources, _, out = spec.partition("->")
        letters = list(dict.fromkeys(out + sources.replace(",", "")))
        loops = ", ".join(f"d{letter}" for letter in letters)
        maps = ", ".join(
            f"affine_map<({loops}) -> ({', '.join(f'd{letter}' for letter in one)})>"
            for one in (*sources.split(","), out)
        )
        kinds = ", ".join(f'"{"parallel" if letter in out else "reduction"}"' for letter in letters)
        result = Value(self._name(), start.shape, start.element)
        scalars = ", ".join([*(f"%x{at}: {one.element}" for at, one in enumerate(inputs)), f"%out: {start.element}"])
        self.lines.append(
            f"{result.name} = linalg.generic {{indexing_maps = [{maps}], iterator_types = [{kinds}]}} "
            f"ins({', '.join(one.name for one in inputs)} : {', '.join(one.type for one in inputs)}) "
            f"outs({start.name} : {start.type}) {{\n^bb0({scalars}):\n{body}\n}} -> {result.type}"
        )
        return result


def cast(name: str, element: str) -> str:
    """A body that yields f32 `name` in `element`."""
    if element == "f32":
        return f"linalg.yield {name} : f32"
    return f"%cast = arith.truncf {name} : f32 to {element}\nlinalg.yield %cast : {element}"


def silu_times(element: str) -> str:
    """A body on two f32: silu(%x0) * %x1, in `element`."""
    return (
        "%one = arith.constant 1.0 : f32\n%n = arith.negf %x0 : f32\n%e = math.exp %n : f32\n"
        "%d = arith.addf %e, %one : f32\n%s = arith.divf %x0, %d : f32\n%y = arith.mulf %s, %x1 : f32\n"
        + cast("%y", element)
    )


def two_products(spec: str, a: Sequence[int], b: Sequence[int], combine: str = "", element: str = "f16") -> str:
    """silu(a*b0) * (a*b1) with the indexing that `spec` and `combine` say."""
    program = Program()
    x = program.argument(element, *a)
    products = [program.product(spec, x, program.argument(element, *b)) for _ in range(2)]
    out = spec.partition("->")[2]
    return program.text(program.apply(combine or f"{out},{out}->{out}", products, silu_times(element), element))


def slices_of(
    shape: Sequence[int], total: int, boxes: Sequence[tuple[Sequence[int], Sequence[int]]], element: str = "f16"
) -> str:
    """silu(slice) * slice of one product of m x k by k x total; a box is (offsets, sizes)."""
    m, k = shape
    program = Program()
    product = program.product("mk,kn->mn", program.argument(element, m, k), program.argument(element, k, total))
    slices = [program.slice(product, *box) for box in boxes]
    return program.text(program.apply("mn,mn->mn", slices, silu_times(element), element))


def arguments(text: str, seed: int = 0, integers: bool = False) -> list[np.ndarray]:
    """Arguments of the types that the program's functions have: normal of scale 0.5, or integers from -2 to 2."""
    random = np.random.default_rng(seed)
    arrays = []
    for shape, dtype in signature(text):
        data = random.integers(-2, 3, shape) if integers else random.standard_normal(shape, np.float32) * 0.5
        arrays.append(data.astype(dtype))
    return arrays


def signature(text: str) -> list[tuple[tuple[int, ...], np.dtype]]:
    """(shape, type) of each argument of the program's functions, one function after another."""
    with ir.Context(), ir.Location.unknown():
        module = cpu.parse_program(text)  # held: a function does not keep it
        functions = [cpu.entry_function(module, name) for name in cpu.programs(module)]
        types = [one for function in functions for one in cpu.signature(function)[0]]
        return [(tuple(one.shape), cpu.numpy_type(one.element_type)) for one in types]


def build(text: str, plan: Mapping[str, object] | None = None) -> CodeObject:
    """Compile a program that must become one kernel, with options of rocfuse-plan-kernels; check its figures."""
    options = {"rocfuse-plan-kernels": {key: str(value) for key, value in (plan or {}).items()}}
    code = rocfuse.compile(text, options=options)
    assert_account(code)
    return code


def assert_account(code: CodeObject) -> None:
    """One kernel, no spills, nothing in scratch, no copies between register files in a loop, LDS as the ELF says."""
    assert len(code.contract["kernels"]) == 1
    (kernel,) = read_kernels(code.hsaco)
    plan = code.plan
    assert (plan["spills"], plan["scratch_bytes"]) == (0, 0)
    assert kernel.descriptor.lds_bytes == plan["lds_bytes"]
    assert kernel.metadata[".group_segment_fixed_size"] == plan["lds_bytes"]
    assert max(one["offset"] + one["bytes"] for one in plan["lds_buffers"]) <= plan["lds_bytes"]
    assert not [line for line in loop_lines(code.isa) if "v_accvgpr" in line]


def run(code: CodeObject, arrays: Sequence[np.ndarray], **options: Any) -> SimulationResult:
    """Simulate; the checker must have nothing to report."""
    result = code.simulate(*arrays, **options)
    assert not result.faults, "\n".join(str(fault) for fault in result.faults[:5])
    return result


def check(
    text: str,
    *,
    seed: int = 0,
    plan: Mapping[str, object] | None = None,
    exact: bool = False,
    arrays: Sequence[np.ndarray] | None = None,
) -> CodeObject:
    """Compile, simulate the whole grid, compare every result: bit for bit on integers if `exact`, else by the rule."""
    arrays = arguments(text, seed, integers=exact) if arrays is None else arrays
    code = build(text, plan)
    assert_right(text, arrays, run(code, arrays).outputs, exact)
    return code


def assert_right(text: str, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray], exact: bool = False) -> None:
    """The outputs are what the input program computes."""
    expected = reference.evaluate(text, arrays)
    assert len(outputs) == len(expected.rounded)
    for y, u, r in zip(outputs, expected.rounded, expected.exact, strict=True):
        found = compare.compare_exact(y, u) if exact else compare.compare(y, u, r)
        assert found.ok, found.message
