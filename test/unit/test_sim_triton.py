"""Code objects that another compiler made (see bench/make_triton_objects.py): they run right, and report nothing."""

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from rocfuse.sim import simulate
from rocfuse.sim.launch import DTYPES

FOLDER = Path(__file__).parent.parent / "sim" / "triton"


def _wide(arrays):
    return [np.asarray(array, np.float64) for array in arrays]


def _masked_add(x, y):
    return x + y


def _softmax(x):
    power = np.exp(x - x.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)


def _layer_norm(x, weight):
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * weight


def _swiglu_gemm(a, gate, up):
    g = a @ gate.T
    return g / (1 + np.exp(-g)) * (a @ up.T)


def _gemm_bf16(a, b, bias):
    return a @ b + bias


WANTED = {
    "masked_add": _masked_add,
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "swiglu_gemm": _swiglu_gemm,
    "gemm_bf16": _gemm_bf16,
}


@pytest.mark.parametrize("name", WANTED)
def test_a_triton_kernel_runs_right_and_clean(name):
    contract = json.loads((FOLDER / f"{name}.json").read_text())
    rng = np.random.default_rng(0)
    arguments = {argument["name"]: argument for argument in contract["kernels"][0]["args"]}
    arrays = [
        rng.standard_normal(arguments[n]["shape"]).astype(DTYPES[arguments[n]["dtype"]]) for n in contract["inputs"]
    ]
    result = simulate((FOLDER / f"{name}.hsaco").read_bytes(), contract, arrays)
    assert result.faults == [], [str(fault) for fault in result.faults]
    (found,), wanted = result.outputs, WANTED[name](*_wide(arrays))
    error = np.abs(np.asarray(found, np.float64) - wanted).max()
    assert error <= 2 * float(ml_dtypes.finfo(found.dtype).eps) * np.abs(wanted).max(), error
