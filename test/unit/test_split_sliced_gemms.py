"""The rewrite as a stand-alone rewrite: the IR before and after it computes the same on the CPU, bit for bit."""

import fusing
import pytest

SPLIT = "rocfuse-split-sliced-gemms"


def program(arguments: str, product: str, slices: list[tuple[list[int], list[int]]], shape: str) -> str:
    """A function that returns slices of `exp(product) * full + row`."""
    parts, types = [], []
    rank = shape.count("x") + 1
    loops = ", ".join(f"d{dim}" for dim in range(rank))
    ones = [1] * rank
    for number, (offsets, sizes) in enumerate(slices):
        kind = f"tensor<{'x'.join(map(str, sizes))}xf32>"
        types.append(kind)
        parts.append(f"%s{number} = tensor.extract_slice %y{offsets} {sizes} {ones} : tensor<{shape}xf32> to {kind}")
    body = "\n  ".join(parts)
    names = ", ".join(f"%s{number}" for number in range(len(slices)))
    last = shape.split("x")[-1]
    return f"""
#id = affine_map<({loops}) -> ({loops})>
#row = affine_map<({loops}) -> (d{rank - 1})>
func.func @f({arguments}, %full: tensor<{shape}xf32>, %row: tensor<{last}xf32>) -> ({", ".join(types)}) {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<{shape}xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<{shape}xf32>) -> tensor<{shape}xf32>
  %p = {product} outs(%z : tensor<{shape}xf32>) -> tensor<{shape}xf32>
  %y = linalg.generic {{indexing_maps = [#id, #id, #row, #id], iterator_types = [{", ".join(['"parallel"'] * rank)}]}}
      ins(%p, %full, %row : tensor<{shape}xf32>, tensor<{shape}xf32>, tensor<{last}xf32>)
      outs(%e : tensor<{shape}xf32>) {{
  ^bb0(%in: f32, %m: f32, %b: f32, %out: f32):
    %0 = math.exp %in : f32
    %1 = arith.mulf %0, %m : f32
    %2 = arith.addf %1, %b : f32
    linalg.yield %2 : f32
  }} -> tensor<{shape}xf32>
  {body}
  return {names} : {", ".join(types)}
}}
"""


MATMUL = (
    "%x: tensor<10x7xf16>, %w: tensor<7x12xf16>",
    "linalg.matmul ins(%x, %w : tensor<10x7xf16>, tensor<7x12xf16>)",
    "10x12",
)
BATCH = (
    "%x: tensor<4x5x7xf16>, %w: tensor<4x7x6xf16>",
    "linalg.batch_matmul ins(%x, %w : tensor<4x5x7xf16>, tensor<4x7x6xf16>)",
    "4x5x6",
)


@pytest.mark.parametrize(
    ("kind", "slices"),
    [
        (MATMUL, [([0, 0], [10, 6]), ([0, 6], [10, 6])]),
        (MATMUL, [([0, 0], [10, 4]), ([0, 4], [10, 4]), ([0, 8], [10, 4])]),
        (MATMUL, [([0, 1], [10, 5]), ([0, 3], [10, 9]), ([0, 4], [10, 5])]),
        (MATMUL, [([0, 0], [5, 12]), ([5, 0], [5, 12])]),
        (MATMUL, [([3, 5], [4, 1]), ([9, 11], [1, 1])]),
        (BATCH, [([0, 0, 0], [2, 5, 6]), ([2, 0, 0], [2, 5, 6])]),
        (BATCH, [([1, 2, 3], [3, 2, 2])]),
    ],
)
@pytest.mark.parametrize("first", ["", "rocfuse-normalize,"])
def test_same_result_before_and_after(kind, slices, first):
    arguments, product, shape = kind
    before = program(arguments, product, slices, shape)
    after, refusals = fusing.run(before, first + SPLIT)
    assert not refusals
    assert f"-> tensor<{shape}xf32>" not in after  # no op computes the whole product any more
    fusing.assert_same(before, after)


def test_a_second_run_changes_nothing():
    once, _ = fusing.run(program(*MATMUL[:2], [([0, 0], [10, 6]), ([0, 6], [10, 6])], MATMUL[2]), SPLIT)
    assert fusing.run(once, SPLIT)[0] == once


def test_a_slice_of_a_slice_is_split_too():
    text = """
func.func @f(%x: tensor<5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<5x12xf32>) -> tensor<5x3xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x12xf16>) outs(%c : tensor<5x12xf32>) -> tensor<5x12xf32>
  %a = tensor.extract_slice %p[0, 4] [5, 6] [1, 1] : tensor<5x12xf32> to tensor<5x6xf32>
  %e = tensor.empty() : tensor<5x6xf32>
  %y = linalg.exp ins(%a : tensor<5x6xf32>) outs(%e : tensor<5x6xf32>) -> tensor<5x6xf32>
  %b = tensor.extract_slice %y[0, 2] [5, 3] [1, 1] : tensor<5x6xf32> to tensor<5x3xf32>
  return %b : tensor<5x3xf32>
}
"""
    after, _ = fusing.run(text, SPLIT)
    assert "tensor<5x7xf16>, tensor<7x3xf16>)" in after
    fusing.assert_same(text, after)


@pytest.mark.parametrize("first", ["", "rocfuse-normalize,"])
def test_slices_pass_reshapes_of_dims_that_they_take_whole(first):
    text = """
func.func @f(%x: tensor<2x5x7xf16>, %w: tensor<7x12xf16>, %c: tensor<10x12xf32>) -> tensor<2x5x6xf32> {
  %x2 = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x5x7xf16> into tensor<10x7xf16>
  %p = linalg.matmul ins(%x2, %w : tensor<10x7xf16>, tensor<7x12xf16>) outs(%c : tensor<10x12xf32>) -> tensor<10x12xf32>
  %y = tensor.expand_shape %p [[0, 1], [2]] output_shape [2, 5, 12] : tensor<10x12xf32> into tensor<2x5x12xf32>
  %a = tensor.extract_slice %y[0, 0, 5] [2, 5, 6] [1, 1, 1] : tensor<2x5x12xf32> to tensor<2x5x6xf32>
  return %a : tensor<2x5x6xf32>
}
"""
    after, refusals = fusing.run(text, first + SPLIT)
    assert not refusals and "tensor<7x6xf16>" in after
    fusing.assert_same(text, after)


def test_a_slice_that_cuts_a_split_dim_is_refused():
    text = """
func.func @f(%x: tensor<10x7xf16>, %w: tensor<7x12xf16>, %c: tensor<10x12xf32>) -> tensor<1x5x12xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<10x7xf16>, tensor<7x12xf16>) outs(%c : tensor<10x12xf32>) -> tensor<10x12xf32>
  %y = tensor.expand_shape %p [[0, 1], [2]] output_shape [2, 5, 12] : tensor<10x12xf32> into tensor<2x5x12xf32>
  %a = tensor.extract_slice %y[1, 0, 0] [1, 5, 12] [1, 1, 1] : tensor<2x5x12xf32> to tensor<1x5x12xf32>
  return %a : tensor<1x5x12xf32>
}
"""
    after, refusals = fusing.run(text, SPLIT)
    assert "a slice cuts dims that tensor.expand_shape of tensor<10x12xf32> splits or merges" in refusals[0].reason
    assert after == fusing.run(text, "")[0]
    fusing.assert_same(text, fusing.unfuse(fusing.fuse(text)), 1e-5)  # normalized, it can


def test_tosa():
    normal, _ = fusing.run((fusing.INPUTS / "glu_small_tosa.mlir").read_text(), "rocfuse-normalize")
    after, refusals = fusing.run(normal, SPLIT)
    assert not refusals and "tensor<48x256xf32>" not in after
    fusing.assert_same(normal, after)


def test_a_product_without_slices_stays():
    text = """
func.func @f(%x: tensor<5x7xf16>, %w: tensor<7x6xf16>, %c: tensor<5x6xf32>) -> tensor<5x6xf32> {
  %p = linalg.matmul ins(%x, %w : tensor<5x7xf16>, tensor<7x6xf16>) outs(%c : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %p : tensor<5x6xf32>
}
"""
    assert fusing.run(text, SPLIT)[0] == fusing.run(text, "")[0]
