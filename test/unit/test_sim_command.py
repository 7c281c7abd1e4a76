"""python -m rocfuse.sim: results, exit codes, and one clear line for what is wrong."""

import functools
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rocfuse
from rocfuse.sim.__main__ import main

INPUT = Path(__file__).parent.parent / "inputs" / "swiglu_cat_small.mlir"
TRITON = Path(__file__).parent.parent / "sim" / "triton"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernel")
    code = rocfuse.compile(INPUT.read_text())
    (folder / "k.hsaco").write_bytes(code.hsaco)
    (folder / "k.json").write_text(json.dumps(code.contract))
    (folder / "k.s").write_text(code.isa)
    rng = np.random.default_rng(0)
    for at, name in enumerate(code.contract["inputs"]):
        (shape,) = [a["shape"] for a in code.contract["kernels"][0]["args"] if a["name"] == name]
        np.save(folder / f"{at}.npy", (0.3 * rng.standard_normal(shape)).astype(np.float16))
    return folder


def _arguments(kernel):
    return [str(kernel / "k.hsaco"), "--arg", str(kernel / "0.npy"), "--arg", str(kernel / "1.npy")]


def test_a_clean_run(kernel, tmp_path, capsys):
    y, stats = tmp_path / "y.npy", tmp_path / "s.json"
    assert main([*_arguments(kernel), "--out", str(y), "--stats", str(stats), "--input", str(INPUT)]) == 0
    text = capsys.readouterr().out
    assert "executed: binary" in text and "ok: out0" in text and "faults: 0" in text
    counters = next(iter(json.loads(stats.read_text())["kernels"].values()))
    assert counters["instructions"]["matrix"] > 0 and counters["matrix_cycles"] > 0 and counters["global"]
    assert "l2" not in counters and "L2:" not in text
    assert main([*_arguments(kernel), "--check", str(y), "--atol", "0"]) == 0
    assert main([*_arguments(kernel), "--isa", str(kernel / "k.s"), "--check", str(y), "--atol", "0"]) == 0
    assert "executed: text" in capsys.readouterr().out


def test_the_lines_of_the_l2s(kernel, tmp_path, capsys):
    stats = tmp_path / "s.json"
    assert main([*_arguments(kernel), "--l2", "--stats", str(stats)]) == 0
    (counters,) = json.loads(stats.read_text())["kernels"].values()
    counted = counters["l2"]
    assert counted["requested_lines"] >= counted["fetched_lines"] > 0
    assert f"L2: {counted['fetched_lines']} lines fetched of {counted['requested_lines']}" in capsys.readouterr().out


def test_a_wrong_result_is_exit_1(kernel, tmp_path, capsys):
    y = tmp_path / "y.npy"
    assert main([*_arguments(kernel), "--out", str(y)]) == 0
    exact = np.load(y)
    array = exact.copy()
    array[3, 5] += 1
    np.save(y, array)
    assert main([*_arguments(kernel), "--check", str(y)]) == 1
    assert "WRONG: out0" in (text := capsys.readouterr().out) and "first [3, 5]" in text and "lane" in text
    near = exact.astype(np.float64)
    near[3, 5] += 2**-30
    np.save(y, near)
    assert main([*_arguments(kernel), "--check", str(y), "--atol", "0"]) == 1
    got, wanted = re.search(r"\[3, 5\]: (\S+), not (\S+), error 9.31323e-10 > 0,", capsys.readouterr().out).groups()
    assert got != wanted


def test_a_fault_is_exit_1(kernel, tmp_path, capsys):
    edited = (kernel / "k.s").read_text().replace("s_waitcnt vmcnt(0)", "s_nop 0")
    (tmp_path / "bad.s").write_text(edited)
    assert main([*_arguments(kernel), "--isa", str(tmp_path / "bad.s")]) == 1
    assert "fault: missing-wait: at 0x" in capsys.readouterr().out


def test_a_report_that_cannot_be_printed_is_exit_1(kernel):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "rocfuse.sim", *_arguments(kernel)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: cannot write to stdout: No space left on device\n")


def _foreign(folder, grid="4,1,1", block="128,1,1", size="1000", dtype=np.float32, result="out:f32:1000"):
    np.save(folder / "x.npy", np.arange(1000, dtype=dtype))
    arguments = [str(TRITON / "masked_add.hsaco"), "--kernel", "masked_add", "--grid", grid, "--block", block]
    for argument in (f"{folder}/x.npy", f"{folder}/x.npy", result, size, "null", "null"):
        arguments += ["--arg", argument]
    return arguments


def test_a_code_object_without_a_contract(tmp_path, capsys):
    assert main([*_foreign(tmp_path), "--out", str(tmp_path / "y.npy")]) == 0, capsys.readouterr()
    assert (np.load(tmp_path / "y.npy") == 2 * np.load(tmp_path / "x.npy")).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"grid": "99999999999", "block": "256"},
            "grid x: need at most 4294967295 threads, have 99999999999 x 256 = 25599999999744",
        ),
        ({"grid": "1,1,33554432"}, "grid z: need at most 4294967295"),
        ({"block": "99999999999"}, "block: need at most 1024 threads, have 99999999999x1x1"),
        ({"size": "99999999999"}, "arg3: need a number that fits i32, have 99999999999"),
        ({"size": "1e99"}, "arg3: need a number that fits f32, have 1e+99"),
        ({"result": "out:f32:99999999999"}, "out2: need at most 68719476736 B, have 399999999996 B"),
        ({"dtype": np.complex64}, "argument 0: need an array of one of"),
    ],
)
def test_a_launch_that_does_not_fit_is_one_line(tmp_path, capsys, change, words):
    change = {"block": "1,1,128"} | change
    _usage(capsys, _foreign(tmp_path, **change), words)


def _usage(capsys, arguments, *words):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1, captured
    assert all(word in captured.err for word in words), captured.err


def test_wrong_usage_is_one_line_and_exit_2(kernel, tmp_path, capsys):
    good = _arguments(kernel)
    _usage(capsys, good[:3], "need 2 arrays (arg0, arg1), have 1")
    _usage(capsys, [*good, "--out", "/dev/null", "--out", "/dev/null"], "--out: need 1 file (out0), have 2")
    _usage(capsys, _foreign(tmp_path)[:-2], "kernel masked_add: need 6 arguments by --arg, have 5")
    _usage(capsys, [good[0], "--arg", good[4], "--arg", good[4]], "arg0: need shape")
    _usage(capsys, [*good, "--out", str(tmp_path / "none" / "y.npy")], "does not exist")
    _usage(capsys, [*good, "--check", str(tmp_path / "none.npy")], "cannot read")
    _usage(capsys, [*good, "--check", str(kernel / "1.npy")], "1.npy: out0: need shape [64, 128], have [256, 128]")
    _usage(capsys, [str(tmp_path / "none.hsaco")], "cannot read")
    _usage(capsys, [*good, "--frobnicate"], "--frobnicate")
    np.save(tmp_path / "wide.npy", np.zeros((64, 128), np.float32))
    _usage(capsys, [good[0], "--arg", str(tmp_path / "wide.npy"), *good[3:]], "need dtype f16, have float32")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--check Y --atol -1", "--atol: need a number from 0 on, have -1"),
        ("--check Y --atol nan", "--atol: need a number from 0 on, have nan"),
        ("--check Y --rtol inf", "--rtol: need a number from 0 on, have inf"),
        ("--processes 0", "--processes: need an integer from 1 on, have 0"),
        ("--processes 1.5", "--processes: need an integer from 1 on, have 1.5"),
        ("--kernel k --grid 1 --block 64 --dynamic-lds -1", "--dynamic-lds: need an integer from 0 on, have -1"),
        ("--atol 1", "--atol goes with --check"),
        ("--rtol 0", "--rtol goes with --check"),
        ("--grid 1", "--grid goes with --kernel"),
        ("--block 1", "--block goes with --kernel"),
        ("--dynamic-lds 0", "--dynamic-lds goes with --kernel"),
        ("--out F --stats F", "the name belongs to the file that --out (1) writes"),
        ("--out F --out ./F", "the name belongs to the file that --out (1) writes"),
    ],
)
def test_options_without_a_sense_are_refused(kernel, tmp_path, capsys, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    _usage(capsys, [*_arguments(kernel), *options.split()], words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--out", "--stats"])
@pytest.mark.parametrize("at", [0, 2, 4])  # the code object and its arguments
def test_an_output_that_is_an_input_is_refused(kernel, capsys, monkeypatch, option, at):
    monkeypatch.chdir(kernel)
    path = Path(_arguments(kernel)[at])
    before = path.read_bytes()
    words = "it is an input, which would be lost; give another file"
    _usage(capsys, [*_arguments(kernel), option, f"./{path.name}"], words)
    assert path.read_bytes() == before


def test_a_device_may_be_named_twice(kernel):
    assert main([*_arguments(kernel), "--out", "/dev/null", "--stats", "/dev/null"]) == 0


def test_more_lds_than_the_target_has_is_refused(tmp_path, capsys):
    words = "kernel masked_add: need at most 65536 B of LDS on gfx942, have 65537 B"
    _usage(capsys, [*_foreign(tmp_path), "--dynamic-lds", "65537"], words)
    assert main([*_foreign(tmp_path), "--dynamic-lds", "65536"]) == 0


def test_what_to_compare_with_is_checked_before_anything_runs(kernel, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("rocfuse.sim.__main__.simulate", lambda *_, **__: pytest.fail("simulated"))
    out = tmp_path / "y.npy"
    good = [*_arguments(kernel), "--out", str(out)]
    np.save(tmp_path / "text.npy", np.array([["x"] * 128] * 64))
    (tmp_path / "bad.npy").write_bytes((kernel / "0.npy").read_bytes()[:200])
    text = INPUT.read_text()
    programs = {
        "cut.mlir": text[: text.index("outs(")],
        "none.mlir": "module {}",
        "one.mlir": "func.func @f(%a: tensor<64x128xf16>) -> tensor<64x128xf16> { return %a : tensor<64x128xf16> }",
        "shape.mlir": "func.func @f(%a: tensor<64x128xf16>, %b: tensor<256x128xf16>) -> tensor<256x128xf16> "
        "{ return %b : tensor<256x128xf16> }",
        "two.mlir": "func.func @f(%a: tensor<64x128xf16>, %b: tensor<256x128xf16>) -> (tensor<64x128xf16>, "
        "tensor<64x128xf16>) { return %a, %a : tensor<64x128xf16>, tensor<64x128xf16> }",
        "type.mlir": "func.func @f(%a: tensor<64x128xf16>, %b: tensor<256x128xf16>) -> tensor<64x128xf32> "
        "{ %c = arith.extf %a : tensor<64x128xf16> to tensor<64x128xf32> return %c : tensor<64x128xf32> }",
    }
    for name, program in programs.items():
        (tmp_path / name).write_text(program)
    for option, name, words in (
        ("--check", "missing.npy", "cannot read"),
        ("--check", "bad.npy", "bad.npy is not a .npy array"),
        ("--check", "text.npy", "text.npy: out0: need numbers, have <U1"),
        ("--input", "missing.mlir", "cannot read"),
        ("--input", "cut.mlir", "cut.mlir:"),
        ("--input", "none.mlir", "none.mlir: error: the CPU reference needs one function"),
        ("--input", "one.mlir", "one.mlir:1:1: error: need 1 array, have 2"),
        ("--input", "shape.mlir", "shape.mlir: out0: need [64, 128] of float16, have [256, 128] of float16"),
        ("--input", "two.mlir", "two.mlir: need 1 result (out0), have 2"),
        ("--input", "type.mlir", "type.mlir: out0: need [64, 128] of float16, have [64, 128] of float32"),
    ):
        _usage(capsys, [*good, option, str(tmp_path / name)], words)
        assert not out.exists(), name


def test_a_program_that_is_not_ir_has_its_place_in_the_file(kernel, tmp_path, capsys):
    path = tmp_path / "trunc.mlir"
    path.write_text("func.func @f() {\n  %a = oops\n")
    assert main([*_arguments(kernel), "--input", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"{path}:2:8: error: the CPU reference cannot read the program: ")


@pytest.mark.parametrize("size", [0, 3, 40, 700, 3000])
def test_a_truncated_code_object_is_one_line(kernel, tmp_path, capsys, size):
    whole = (kernel / "k.hsaco").read_bytes()
    (tmp_path / "k.hsaco").write_bytes(whole[:size])
    (tmp_path / "k.json").write_text((kernel / "k.json").read_text())
    need = len(whole) if size >= 64 else 64
    words = f"k.hsaco: the code object is truncated: need {need} B, have {size} B"
    _usage(capsys, [str(tmp_path / "k.hsaco"), *_arguments(kernel)[1:]], words)


def test_a_code_object_that_is_none_or_damaged_is_one_line(kernel, tmp_path, capsys):
    whole = (kernel / "k.hsaco").read_bytes()
    path = tmp_path / "k.hsaco"
    (tmp_path / "k.json").write_text((kernel / "k.json").read_text())
    path.write_bytes(b"text" * 100)
    _usage(capsys, [str(path), *_arguments(kernel)[1:]], "k.hsaco: not a code object: no 64-bit ELF header")
    path.write_bytes(whole.replace(b".symbol", b".SYMBOL"))
    _usage(capsys, [str(path), *_arguments(kernel)[1:]], "k.hsaco: the code object is damaged")


def test_a_contract_that_does_not_fit_is_one_line(kernel, tmp_path, capsys):
    (tmp_path / "k.hsaco").write_bytes((kernel / "k.hsaco").read_bytes())
    arguments = [str(tmp_path / "k.hsaco"), *_arguments(kernel)[1:]]
    _usage(capsys, arguments, "does not exist: without a contract")
    (tmp_path / "k.json").write_text("{")
    _usage(capsys, arguments, "is not JSON")
    (tmp_path / "k.json").write_text("{}")
    _usage(capsys, arguments, "k.json: version: need this field, have none")
    (tmp_path / "k.json").write_text("[1]")
    _usage(capsys, arguments, "k.json: need an object, have [1]")
    contract = json.loads((kernel / "k.json").read_text())
    contract["kernels"][0]["name"] = "other"
    (tmp_path / "k.json").write_text(json.dumps(contract))
    _usage(capsys, arguments, "no kernel other")


# what may be missing, and what nobody reads: the latter may be anything
OPTIONAL = "target lds_padding_bytes lds_allocated_bytes registers lds_buffers"
UNREAD = (
    "strides alignment stage vgprs agprs sgprs spills scratch_bytes waves_per_simd gemms m n k batch tile waves "
    "matrix_op stages perf_config copied_together lds_buffers[].name"
)


def _places(value, path=()):
    """The path of every field and list item of a contract, but for the items of what is not read."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield (*path, key)
        if key not in UNREAD.split():
            yield from _places(one, (*path, key))


def _wanted(path, change):
    """The exit code that a contract with this change is to have."""
    if change == "null" and path[2:4] in (("args", 0), ("args", 1)) and path[4:5] == ("shape",) and len(path) == 6:
        return 0  # an extent that the array gives
    key = "lds_buffers[].name" if "lds_buffers" in path and path[-1] == "name" else path[-1]
    return 0 if key in UNREAD.split() or (change == "deleted" and key in OPTIONAL.split()) else 2


@pytest.mark.parametrize("change", ["deleted", "null", "x"])
def test_every_field_of_a_contract_is_checked(kernel, tmp_path, capsys, change):
    contract = json.loads((kernel / "k.json").read_text())
    (tmp_path / "k.hsaco").write_bytes((kernel / "k.hsaco").read_bytes())
    for path in _places(contract):
        if change == "deleted" and isinstance(path[-1], int):
            continue
        edited = json.loads(json.dumps(contract))
        parent = functools.reduce(lambda value, key: value[key], path[:-1], edited)
        if change == "deleted":
            del parent[path[-1]]
        else:
            parent[path[-1]] = None if change == "null" else "x"
        (tmp_path / "k.json").write_text(json.dumps(edited))
        code = main([str(tmp_path / "k.hsaco"), *_arguments(kernel)[1:]])
        captured = capsys.readouterr()
        assert code == _wanted(path, change), (path, captured)
        assert code == 0 or captured.err.count("\n") == 1, (path, captured)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("kernels", 0, "block"), "x", 'k.json: kernels[0].block: need 3 numbers, have "x"'),
        (("kernels", 0, "block", 1), 0, "kernels[0].block[1]: need a number from 1 on, have 0"),
        (("kernels", 0, "grid"), [1, 2], "kernels[0].grid: need 3 numbers, have [1, 2]"),
        (("kernels", 0, "grid", 0), {"ceildiv": [1]}, "kernels[0].grid[0].ceildiv: need 2 numbers, have [1]"),
        (("kernels", 0, "grid", 0), {"input": "arg9", "dim": 0}, "need dimension 0 of input arg9"),
        (("kernels", 0, "grid", 0), {"ceildiv": [1, 0]}, "need a divisor from 1 on, have 0"),
        (("kernels", 0, "args", 1, "name"), "x", 'kernels[0].args[1].name: need "arg0" or "arg1", have "x"'),
        (("kernels", 0, "args", 2, "name"), "x", 'outputs[0]: need "x", have "out0"'),
        (("kernels", 0, "args", 0, "shape"), [-1, 128], "kernels[0].args[0].shape[0]: need a number from 0 on or null"),
        (("version",), 2, "k.json: version: need 1, have 2"),
    ],
)
def test_a_field_of_a_contract_is_refused_with_its_place(kernel, tmp_path, capsys, path, value, words):
    contract = json.loads((kernel / "k.json").read_text())
    functools.reduce(lambda one, key: one[key], path[:-1], contract)[path[-1]] = value
    (tmp_path / "k.hsaco").write_bytes((kernel / "k.hsaco").read_bytes())
    (tmp_path / "k.json").write_text(json.dumps(contract))
    _usage(capsys, [str(tmp_path / "k.hsaco"), *_arguments(kernel)[1:]], words)


@pytest.mark.parametrize("change", ["empty", "cut", "cut header", "a zip", "objects", "too large", "text"])
def test_an_array_that_cannot_be_read_is_one_line(kernel, tmp_path, capsys, change):
    whole = (kernel / "1.npy").read_bytes()
    with_objects = io.BytesIO()
    np.save(with_objects, np.array([{}], object))
    (tmp_path / "bad.npy").write_bytes(
        {
            "empty": b"",
            "cut": whole[:1000],
            "cut header": whole[:30],
            "a zip": b"PK\3\4" + whole,
            "objects": with_objects.getvalue(),
            "too large": whole.replace(b"(256, 128), }" + 14 * b" ", b"(256, 99999999999999), }   "),
            "text": b"numbers",
        }[change]
    )
    assert (tmp_path / "bad.npy").read_bytes() != whole
    _usage(capsys, [*_arguments(kernel)[:3], "--arg", str(tmp_path / "bad.npy")], "bad.npy is not a .npy array (")
