"""Matrix instructions whose result overlaps their addend: LLVM allows it where the result has four registers."""

import numpy as np
import pytest

from rocfuse.sim import kernels_matrix


@pytest.mark.parametrize("target", [4, 6, 7, 8, 10, 20])
@pytest.mark.parametrize("integers", [False, True])
def test_a_result_may_overlap_its_addend(target: int, integers: bool) -> None:
    random = np.random.default_rng(1)
    words = random.integers(0, 256, (32, 1, 64), np.uint32)
    members = np.array([0])

    def run(registers: np.ndarray, target: int) -> np.ndarray:
        floats = registers.view(np.float32)
        if integers:
            kernels_matrix.matrix_i32(registers, target, 0, 2, 7, 0, members, 16, 16)
        else:
            half = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
            floats[7:11] = np.arange(256).reshape(4, 1, 64)
            kernels_matrix.matrix_f32(floats, registers, target, 0, 2, 7, 0.0, members, 16, 16, 16, half, half, False)
        return registers[target : target + 4].copy()

    apart = run(words.copy(), 28)
    assert apart.any()
    assert np.array_equal(run(words.copy(), target), apart)
