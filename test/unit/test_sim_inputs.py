"""The kernels of the example programs run clean; the large ones in bands of the grid, in full by -m full."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

import rocfuse
from rocfuse.sim import simulate
from rocfuse.sim.compare import compare
from rocfuse.sim.launch import DTYPES
from rocfuse.sim.reference import evaluate

INPUTS = Path(__file__).parent.parent / "inputs"
SMALL = ["geglu_sd21_small", "glu_small_tosa", "seed_small", "swiglu_cat_small", "swiglu_sep_small"]
LARGE = ["geglu_sd21_l0", "seed_sdxl", "llama3_8b_m256"]


@functools.cache
def _compiled(name):
    return rocfuse.compile((INPUTS / f"{name}.mlir").read_text())


def _arrays(contract, scale=0.3):
    arguments = {a["name"]: a for kernel in contract["kernels"] for a in kernel["args"]}
    rng = np.random.default_rng(0)
    arrays = []
    for name in contract["inputs"]:
        shape, dtype = (arguments[name]["shape"], arguments[name]["dtype"]) if name in arguments else ([1], "f32")
        # a prime number of random numbers, repeated: much faster than as many as a large model's weights
        some = (rng.standard_normal(1_000_003, np.float32) * scale).astype(DTYPES[dtype])
        arrays.append(np.resize(some, shape))
    return arrays


@pytest.mark.parametrize("name", SMALL)
def test_a_small_program_in_full(name):
    code = _compiled(name)
    arrays = _arrays(code.contract)
    result = code.simulate(*arrays)
    assert result.faults == [], [str(fault) for fault in result.faults]
    assert result.source == "binary"
    references = evaluate((INPUTS / f"{name}.mlir").read_text(), arrays)
    for at, output in enumerate(result.outputs):
        found = compare(output, references.rounded[at], references.exact[at], locate=result.locate(at))
        assert found.ok, found.message


@pytest.mark.parametrize("name", SMALL[:3])
def test_the_binary_and_its_text_give_the_same(name):
    code = _compiled(name)
    arrays = _arrays(code.contract)
    binary = code.simulate(*arrays)
    text = code.simulate(*arrays, isa_text=code.isa)
    assert (binary.source, text.source) == ("binary", "text")
    assert text.faults == []
    for one, other in zip(binary.outputs, text.outputs, strict=True):
        assert (one.view(np.uint8) == other.view(np.uint8)).all()
    for name, stats in binary.stats["kernels"].items():
        other = text.stats["kernels"][name]
        assert all(stats[key] == other[key] for key in ("instructions", "matrix_cycles", "lds", "barriers", "waves"))


def _written_box(result):
    """The box of the output that a workgroup wrote: (start, stop) for each dim; it is all of its tile."""
    output = result.outputs[0]
    written = result.written[0].reshape(*output.shape, output.dtype.itemsize).all(axis=-1)
    places = np.argwhere(written)
    box = [(int(low), int(high) + 1) for low, high in zip(places.min(axis=0), places.max(axis=0), strict=True)]
    assert written[tuple(slice(*bounds) for bounds in box)].all()
    return box


@pytest.mark.parametrize("name", LARGE)
def test_a_large_program_in_bands(name):
    code = _compiled(name)
    arrays = _arrays(code.contract, 0.05)
    total = int(np.prod(code.contract["kernels"][0]["grid"]))
    edges = code.simulate(*arrays, workgroups=[*range(2), total - 1], processes=1)
    assert edges.faults == [], [str(fault) for fault in edges.faults]
    result = code.simulate(*arrays, workgroups=range(total // 2, total // 2 + 1), processes=1)
    assert result.faults == [], [str(fault) for fault in result.faults]
    box = _written_box(result)
    references = evaluate((INPUTS / f"{name}.mlir").read_text(), arrays, band=box)
    found = compare(
        result.outputs[0][tuple(slice(*bounds) for bounds in box)], references.rounded[0], references.exact[0]
    )
    assert found.ok, found.message


@pytest.mark.full
@pytest.mark.parametrize("name", LARGE)
def test_a_large_program_in_full(name):
    code = _compiled(name)
    arrays = _arrays(code.contract, 0.05)
    result = code.simulate(*arrays)
    assert result.faults == [], [str(fault) for fault in result.faults]
    references = evaluate((INPUTS / f"{name}.mlir").read_text(), arrays)
    for at, output in enumerate(result.outputs):
        found = compare(output, references.rounded[at], references.exact[at], locate=result.locate(at))
        assert found.ok, found.message


def test_a_planned_buffer_that_is_16_bytes_too_small_is_noticed():
    code = _compiled("swiglu_sep_small")
    contract = json.loads(json.dumps(code.contract))
    contract["kernels"][0]["lds_buffers"][-1]["bytes"] -= 16
    kinds = {fault.kind for fault in simulate(code.hsaco, contract, _arrays(contract)).faults}
    assert "lds-unplanned" in kinds


def test_processes_change_nothing():
    code = _compiled("seed_small")
    arrays = _arrays(code.contract)
    one, two = (code.simulate(*arrays, processes=count) for count in (1, 2))
    assert one.stats == two.stats
    assert all((a.view(np.uint8) == b.view(np.uint8)).all() for a, b in zip(one.outputs, two.outputs, strict=True))


def test_the_order_of_the_matrix_sums_is_a_switch():
    code = _compiled("swiglu_sep_small")
    arrays = _arrays(code.contract)
    up, down = (code.simulate(*arrays, mfma_order=order) for order in ("increasing", "decreasing"))
    error = np.abs(up.outputs[0].astype(np.float32) - down.outputs[0].astype(np.float32)).max()
    assert down.faults == [] and error < 0.02
