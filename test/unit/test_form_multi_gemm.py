"""Programs to the fused form: what it computes, what does not change it, and what is refused without a trace."""

import random
import re

import fusing
import pytest

from rocfuse.gen import GenOptions, build

SMALL = ("seed_small", "geglu_sd21_small", "glu_small_tosa", "swiglu_cat_small", "swiglu_sep_small")


@pytest.mark.parametrize("name", [*SMALL, "seed_sdxl", "geglu_sd21_l0", "llama3_8b_m256"])
def test_real_inputs_fuse_to_two_gemms(name):
    fused = fusing.fuse((fusing.INPUTS / f"{name}.mlir").read_text())
    assert fused.count('"rocfuse.gemm"') == 2


@pytest.mark.parametrize("name", SMALL)
def test_real_inputs_keep_their_meaning(name):
    text = (fusing.INPUTS / f"{name}.mlir").read_text()
    fusing.assert_same(text, fusing.unfuse(fusing.fuse(text)))


@pytest.mark.parametrize("name", SMALL)
def test_normalize_is_idempotent(name):
    once, _ = fusing.run((fusing.INPUTS / f"{name}.mlir").read_text(), "rocfuse-normalize")
    assert fusing.run(once, "rocfuse-normalize")[0] == once


@pytest.mark.parametrize("pattern", ["sliced", "separate"])
@pytest.mark.parametrize("batch", [None, 1, 2])
@pytest.mark.parametrize(("m", "n", "k"), [(5, 6, 7), (1, 6, 7), (5, 1, 7), (5, 6, 1), (1, 1, 1)])
@pytest.mark.parametrize(("gemms", "layout", "bias"), [(1, "kn", "none"), (2, "kn", "row"), (3, "nk", "full")])
def test_generated_programs_keep_their_meaning(pattern, batch, m, n, k, gemms, layout, bias):
    options = GenOptions(
        pattern=pattern, m=m, n=n, k=k, batch=batch, gemms=gemms, layout=layout, bias=bias, residual=True
    )
    text = str(build(options))
    fused = fusing.fuse(text)
    assert fused.count('"rocfuse.gemm"') == gemms
    if (m, n) == (5, 6):
        fusing.assert_same(text, fusing.unfuse(fused))


def test_names_do_not_matter():
    text = (fusing.INPUTS / "geglu_sd21_small.mlir").read_text()
    other = text.replace("@geglu_sd21_small", "@other").replace("%arg1", "%weight").replace("%12", "%gate")
    assert fusing.fuse(other) == fusing.fuse(text).replace("@geglu_sd21_small", "@other")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["geglu_sd21_small", "swiglu_sep_small", "seed_small"])
def test_order_of_independent_ops_does_not_matter(name, seed):
    text = (fusing.INPUTS / f"{name}.mlir").read_text()
    assert _without_order(fusing.fuse(_shuffled(text, seed))) == _without_order(fusing.fuse(text))


def _shuffled(text: str, seed: int) -> str:
    """The same function with its ops in another order that keeps definitions before uses."""
    from mlir import ir

    rng = random.Random(seed)
    with ir.Context():
        module = ir.Module.parse(text)
        block = module.body.operations[0].regions[0].blocks[0]
        *waiting, terminator = [op.operation for op in block.operations]
        done = []
        while waiting:
            ready = [op for op in waiting if not any(_needs(op, other) for other in waiting)]
            done.append(rng.choice(ready))
            waiting.remove(done[-1])
        for op in done:
            op.move_before(terminator)
        assert module.operation.verify()
        return str(module)


def _needs(op, other) -> bool:
    from rocfuse.transforms.matching import nested_ops

    results = list(other.results)
    return op != other and any(value in results for one in (op, *nested_ops(op)) for value in one.operands)


def _without_order(text: str) -> str:
    """The fused form without the names and the places of constants."""
    constants = dict(re.findall(r"(%\w+) = arith\.constant (\S+ : \w+)", text))
    text = re.sub(r".*arith\.constant.*\n", "", text)
    for name, value in sorted(constants.items(), key=lambda one: -len(one[0])):
        text = re.sub(re.escape(name) + r"\b", f"<{value}>", text)
    names: dict[str, str] = {}
    return re.sub(r"%[A-Za-z0-9_]+", lambda found: names.setdefault(found.group(), f"%v{len(names)}"), text)


UNARY = ("exp", "negf", "abs", "square", "tanh")
BINARY = ("add", "sub", "mul", "max")


def _random_program(seed: int) -> str:
    """Two or three slices or products, a bias or residual, and a random expression of named ops over them."""
    rng = random.Random(seed)
    gemms = rng.choice((1, 2, 3))
    sliced = rng.random() < 0.5
    wide = f"tensor<5x{6 * gemms}xf32>"
    lines = ["%zero = arith.constant 0.0 : f32", "%e = tensor.empty() : tensor<5x6xf32>"]
    arguments = ["%x: tensor<5x7xf16>", "%r: tensor<5x6xf32>"]
    values = ["%r"]
    if sliced:
        arguments.append(f"%w: tensor<7x{6 * gemms}xf16>")
        lines += [
            f"%we = tensor.empty() : {wide}",
            f"%wz = linalg.fill ins(%zero : f32) outs(%we : {wide}) -> {wide}",
            f"%p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x{6 * gemms}xf16>) outs(%wz : {wide}) -> {wide}",
        ]
    else:
        lines.append("%z = linalg.fill ins(%zero : f32) outs(%e : tensor<5x6xf32>) -> tensor<5x6xf32>")
    for number in range(gemms):
        if sliced:
            part = f"tensor.extract_slice %p[0, {6 * number}] [5, 6] [1, 1] : {wide} to tensor<5x6xf32>"
        else:
            arguments.append(f"%w{number}: tensor<7x6xf16>")
            types = "tensor<5x7xf16>, tensor<7x6xf16>"
            part = f"linalg.matmul ins(%x, %w{number} : {types}) outs(%z : tensor<5x6xf32>) -> tensor<5x6xf32>"
        lines.append(f"%p{number} = {part}")
        values.append(f"%p{number}")
    pool = list(values)
    for number in range(rng.randint(1, 8)):
        unary = rng.random() < 0.4
        operands = [rng.choice(pool)] if unary else [rng.choice(pool), rng.choice(pool)]
        types = ", ".join(["tensor<5x6xf32>"] * len(operands))
        name = rng.choice(UNARY if unary else BINARY)
        lines.append(
            f"%v{number} = linalg.{name} ins({', '.join(operands)} : {types}) outs(%e : tensor<5x6xf32>)"
            " -> tensor<5x6xf32>"
        )
        pool.append(f"%v{number}")
    results = [pool[-1]] + ([pool[-2]] if rng.random() < 0.3 and pool[-2].startswith("%v") else [])
    kinds = ", ".join(["tensor<5x6xf32>"] * len(results))
    body = "\n  ".join(lines)
    return (
        f"func.func @f({', '.join(arguments)}) -> ({kinds}) {{\n  {body}\n  return {', '.join(results)} : {kinds}\n}}"
    )


@pytest.mark.parametrize("seed", range(40))
def test_random_combines_become_one_kernel_or_a_refusal(seed):
    text = _random_program(seed)
    fused, refusals = fusing.run(text)
    if refusals:
        assert '"rocfuse.multi_gemm"' not in fused
        assert "nothing to fuse" in refusals[0].reason or "does not depend" in refusals[0].reason
    else:
        assert fused.count('"rocfuse.multi_gemm"') == 1 and fused.count("linalg.generic") == 1
        fusing.assert_same(text, fusing.unfuse(fused))


def test_products_of_one_slice_are_one_gemm():
    text = """
func.func @f(%x: tensor<6x7xf16>, %w: tensor<7x6xf16>, %c: tensor<6x6xf32>) -> tensor<6x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<6x7xf16>, tensor<7x6xf16>) outs(%c : tensor<6x6xf32>) -> tensor<6x6xf32>
  %q = linalg.matmul ins(%x, %w : tensor<6x7xf16>, tensor<7x6xf16>) outs(%c : tensor<6x6xf32>) -> tensor<6x6xf32>
  %e = tensor.empty() : tensor<6x6xf32>
  %t = linalg.transpose ins(%q : tensor<6x6xf32>) outs(%e : tensor<6x6xf32>) permutation = [1, 0]
  %u = linalg.mul ins(%p, %q : tensor<6x6xf32>, tensor<6x6xf32>) outs(%e : tensor<6x6xf32>) -> tensor<6x6xf32>
  %r = linalg.add ins(%u, %t : tensor<6x6xf32>, tensor<6x6xf32>) outs(%e : tensor<6x6xf32>) -> tensor<6x6xf32>
  return %r : tensor<6x6xf32>
}
"""
    fused = fusing.fuse(text)
    assert fused.count('"rocfuse.gemm"') == 2  # x·w, and its transpose as a product of its own
    fusing.assert_same(text, fusing.unfuse(fused), 1e-5)


def test_a_cast_shared_by_two_products_is_no_op():
    text = """
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @f(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %v: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %wide = arith.extf %x : tensor<5x7xf16> to tensor<5x7xf32>
  %p = linalg.matmul ins(%wide, %w : tensor<5x7xf32>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  %q = linalg.matmul ins(%wide, %v : tensor<5x7xf32>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  %r = arith.mulf %p, %q : tensor<5x6xf32>
  return %r : tensor<5x6xf32>
}
"""
    assert '"rocfuse.gemm"(%arg0, %arg1)' in fusing.fuse(text)


@pytest.mark.parametrize(
    "text",
    [
        """
func.func @sum(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<5x12xf32>, %d: tensor<5xf32>) -> tensor<5xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%c : tensor<5x12xf32>) -> tensor<5x12xf32>
  %s = linalg.reduce {arith.addf} ins(%p : tensor<5x12xf32>) outs(%d : tensor<5xf32>) dimensions = [1]
  return %s : tensor<5xf32>
}""",
        """
func.func @whole(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<5x12xf32>)
    -> (tensor<5x6xf32>, tensor<5x12xf32>) {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%c : tensor<5x12xf32>) -> tensor<5x12xf32>
  %a = tensor.extract_slice %p[0, 0] [5, 6] [1, 1] : tensor<5x12xf32> to tensor<5x6xf32>
  return %a, %p : tensor<5x6xf32>, tensor<5x12xf32>
}""",
    ],
)
def test_a_refused_program_comes_out_as_it_went_in(text):
    normal, _ = fusing.run(text, "rocfuse-normalize")
    for passes in ("rocfuse-form-multi-gemm", "rocfuse-split-sliced-gemms,rocfuse-form-multi-gemm"):
        after, refusals = fusing.run(normal, passes)
        assert len(refusals) == 1
        assert after == normal


def test_a_refused_program_has_no_trace_of_the_passes_before():
    text = (fusing.INPUTS / "geglu_sd21_small.mlir").read_text()
    softmax = text.replace(
        "return %13",
        "%s = linalg.softmax dimension(2) ins(%13 : tensor<2x32x128xf16>) "
        "outs(%11 : tensor<2x32x128xf16>) -> tensor<2x32x128xf16>\n    return %s",
    )
    after, refusals = fusing.run(softmax)
    assert "linalg.softmax" in refusals[0].reason
    assert after == fusing.run(softmax, "")[0]


def test_split_leaves_no_trace_when_a_later_slice_is_refused():
    text = """
func.func @f(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<5x12xf32>) -> tensor<5x3xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%c : tensor<5x12xf32>) -> tensor<5x12xf32>
  %a = tensor.extract_slice %p[0, 0] [5, 6] [1, 1] : tensor<5x12xf32> to tensor<5x6xf32>
  %y = math.exp %a : tensor<5x6xf32>
  %b = tensor.extract_slice %a[0, 0] [5, 3] [1, 2] : tensor<5x6xf32> to tensor<5x3xf32>
  return %b : tensor<5x3xf32>
}
"""
    after, refusals = fusing.run(text, "rocfuse-split-sliced-gemms")
    assert "interleaved" in refusals[0].reason
    assert after == fusing.run(text, "")[0]
