"""The eight real inputs: the small ones in full, the full-size ones in bands of the grid, and in full if asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from harness import LARGE, SMALL, assert_right, build, check, input_text, run, signature

# What shrinks when only some rows and columns of the result are computed, by the numbers in the text.
ROWS = {"geglu_sd21_l0": 8192, "seed_sdxl": 4096, "llama3_8b_m256": 256}
WIDE = {"geglu_sd21_l0": 2560, "seed_sdxl": 5120, "llama3_8b_m256": 14336}


@pytest.mark.parametrize("name", SMALL)
def test_small_inputs_in_full(name: str) -> None:
    check(input_text(name))


@pytest.mark.parametrize("name", LARGE)
def test_bands_of_the_full_size_inputs(name: str) -> None:
    text = input_text(name)
    arrays = large_arguments(text)
    code = build(text)
    last = code.plan["grid"][0] - 1
    result = run(code, arrays, workgroups=[0, last] if name == "llama3_8b_m256" else [0, last // 2 + 1, last])
    output = result.outputs[0]
    written = result.written[0].reshape(*output.shape, output.itemsize)
    assert (written.all(-1) == written.any(-1)).all()
    bands = 0
    for rows, columns in rectangles(written.any(-1)):
        bands += 1
        assert len(rows) >= 16 and len(columns) >= 16
        part, parts, found = band(name, text, arrays, output, rows, columns)
        assert_right(part, parts, [found])
    assert bands


@pytest.mark.full
@pytest.mark.parametrize("name", LARGE)
def test_full_size_inputs_in_full(name: str) -> None:
    text = input_text(name)
    arrays = large_arguments(text)
    output = run(build(text), arrays).outputs[0]
    for rows, columns in rectangles(np.ones(output.shape, bool)):
        for at in range(0, len(columns), 256):
            part, parts, found = band(name, text, arrays, output, rows, columns[at : at + 256])
            assert_right(part, parts, [found])


def large_arguments(text: str) -> list[np.ndarray]:
    """Normal data repeated with a prime period, which is faster than fresh numbers; the scale keeps sums near 1."""
    random = np.random.default_rng(7)
    period = random.standard_normal(1_000_003, np.float32)
    arrays = []
    for position, (shape, dtype) in enumerate(signature(text)):
        scale = 0.03 if position else 1.0
        arrays.append(np.resize(np.roll(period, 1000 * position) * scale, shape).astype(dtype))
    return arrays


def rectangles(written: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(rows, columns) of the parts of a result that were written, each in one batch.

    A row is an index of all leading dims as one.
    """
    batches = written.reshape(-1, *written.shape[-2:])
    for batch, rows in enumerate(batches):
        patterns, kind = np.unique(np.packbits(rows, axis=1), axis=0, return_inverse=True)
        for at in range(len(patterns)):
            chosen = np.flatnonzero(kind.reshape(-1) == at)
            columns = np.flatnonzero(rows[chosen[0]])
            if len(columns):
                yield batch * rows.shape[0] + chosen, columns


def band(
    name: str, text: str, arrays: list[np.ndarray], output: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> tuple[str, list[np.ndarray], np.ndarray]:
    """The same program on some rows and columns: its text, its arguments and what of `output` it should be."""
    wide = WIDE[name]
    half = wide if name == "llama3_8b_m256" else wide // 2
    weights = columns if half == wide else np.concatenate([columns, columns + half])
    if name == "seed_sdxl":  # the one with a true batch
        one, rows = int(rows[0]) // 4096, rows % 4096
        parts = [part[one : one + 1] for part in arrays]
        parts = [parts[0][:, rows], parts[1][:, :, weights], parts[2][:, rows][:, :, weights]]
        shrunk = shrink(text, {4096: len(rows), wide: len(weights), half: len(columns), 2: 1})
        return shrunk, parts, output[one : one + 1, rows][:, :, columns]
    sizes = {wide: len(weights), half: len(columns), ROWS[name]: len(rows)}
    x = arrays[0].reshape(-1, arrays[0].shape[-1])[rows]
    found = output.reshape(-1, output.shape[-1])[rows][:, columns]
    if name == "geglu_sd21_l0":  # its batches are rows of one product
        sizes[4096] = len(rows) // 2
        x, found = x.reshape(2, -1, x.shape[-1]), found.reshape(2, -1, len(columns))
    return shrink(text, sizes), [x, *(w[weights] for w in arrays[1:])], found


def shrink(text: str, sizes: Mapping[int, int]) -> str:
    """The program with other extents: numbers of tensor types and of slices are replaced, nothing else."""

    def replaced(found: re.Match[str]) -> str:
        return re.sub(r"\d+", lambda one: str(sizes.get(int(one[0]), int(one[0]))), found[0])

    return re.sub(r"(?<=tensor<)[\dx]+(?=x)|\[\d+(?:, \d+)*\]", replaced, text)
