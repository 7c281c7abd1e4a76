"""The key of a kernel in a tuning db: everything that the choice of a plan depends on, as one line of text."""

from __future__ import annotations

from mlir import ir

from rocfuse.analysis.operands import ELEMENT_BYTES, access_vector, contiguous, row_dim
from rocfuse.analysis.problem import Access, Problem, canonical
from rocfuse.fused_kernel import FusedKernel
from rocfuse.targets import Target

_LOAD_BYTES = 16  # of a lane, at most


def kernel_key(kernel: FusedKernel, target: Target) -> str:
    """`gfx942 m64 n96 k128 A*B0 A*B1 A=f16(128,0,1)x8 … out0=f16(96,1,0) combine=0123456789abcdef`.

    Extents of the canonical loop dims; the products by their operands, a shared one under one name; of every array the
    element type and the strides by loop dim (0: not indexed by it), of operands also the elements of the widest load;
    and a digest of the combine's body.
    """
    problem = canonical(kernel.problem)
    names = dict(zip(problem.operands, problem.operand_names, strict=True))
    dims = [f"{role}{size}" for role, size in zip(problem.roles, problem.sizes, strict=True)]
    products = [_product(problem, gemm, names) for gemm in range(problem.gemms)]
    arrays = [f"{name}={_access(access)}x{_widest(problem, access)}" for access, name in names.items()]
    arrays += [f"in{at}={_access(access)}" for at, access in enumerate(problem.extras)]
    arrays += [f"out{at}={_access(access)}" for at, access in enumerate(problem.outputs)]
    import hashlib  # with a tuning db only: it loads a library for cryptography

    digest = hashlib.sha256(combine_text(kernel).encode()).hexdigest()[:16]
    return " ".join([target.name, *dims, *products, *arrays, f"combine={digest}"])


def combine_text(kernel: FusedKernel) -> str:
    """The combine without names and places: its inputs (a product, or - for an array), its ops, values by number."""
    inputs = " ".join("-" if product < 0 else str(product) for product in kernel.product_inputs)
    numbers: dict[ir.Value, str] = {}
    return "\n".join([f"inputs {inputs}", *_block_text(kernel.combine.regions[0].blocks[0], numbers)])


def _block_text(block: ir.Block, numbers: dict[ir.Value, str]) -> list[str]:
    for argument in block.arguments:
        numbers[argument] = f"%{len(numbers)}"
    lines = [f"block {' '.join(str(argument.type) for argument in block.arguments)}"]
    for view in block.operations:
        op = view.operation
        operands = " ".join(numbers[value] if value in numbers else _outer(value) for value in op.operands)
        for result in op.results:
            numbers[result] = f"%{len(numbers)}"
        types = " ".join(str(result.type) for result in op.results)
        lines.append(f"{op.name} {operands} {_attributes(op)} : {types}")
        lines += [line for region in op.regions for inner in region.blocks for line in _block_text(inner, numbers)]
    return lines


def _outer(value: ir.Value) -> str:
    """A value from outside of the combine: a constant."""
    op = value.owner
    return "argument" if isinstance(op, ir.Block) else f"({op.name} {_attributes(op)} : {value.type})"


def _attributes(op: ir.Operation) -> str:
    return ", ".join(f"{name} = {op.attributes[name]}" for name in sorted(op.attributes))


def _product(problem: Problem, gemm: int, names: dict[Access, str]) -> str:
    """`A*B0`, and the role of its k where GEMMs have different ones."""
    k = f"/{problem.k_role(gemm)}" if len(set(problem.k_sizes)) > 1 else ""
    return f"{names[problem.a[gemm]]}*{names[problem.b[gemm]]}{k}"


def _access(access: Access) -> str:
    return f"{access.element_type}({','.join(map(str, access.strides))})"


def _widest(problem: Problem, access: Access) -> int:
    """Elements that one load may move along the direction that is contiguous."""
    k = problem.k_dim(access)
    dim = k if contiguous(problem, access) == "k" else row_dim(problem, access)
    return access_vector(problem, access, dim, _LOAD_BYTES // ELEMENT_BYTES[access.element_type])
