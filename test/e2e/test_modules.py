"""Several functions in a module: one code object, a kernel a function, each as if it were compiled alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import Program, arguments, assert_account, assert_right, cast, run

import rocfuse
from rocfuse import plan, tune
from rocfuse.codegen.elf import read_kernels
from rocfuse.compiler import CodeObject
from rocfuse.diagnostics import CompileError, UsageError
from rocfuse.sim import simulate
from rocfuse.sim.__main__ import main
from rocfuse.sim.report import npy_bytes
from rocfuse.tuning_db import TuningDb

RELU = "%zero = arith.constant 0.0 : f32\n%r = arith.maximumf %x0, %zero : f32\n%y = arith.mulf %r, %x1 : f32\n"


def gate(m: int = 40, n: int = 36, k: int = 50) -> str:
    """relu(slice) * slice of one product with K x N weights; an argument that nothing reads."""
    program = Program()
    program.argument("f32", 3)
    product = program.product("mk,kn->mn", program.argument("f16", m, k), program.argument("f16", k, 2 * n))
    halves = [program.slice(product, (0, at), (m, n)) for at in (0, n)]
    return program.text(program.apply("mn,mn->mn", halves, RELU + cast("%y", "f32"), "f32"), name="gate")


def row() -> str:
    """a * b + bias with M = 1 and N x K weights of bf16, and the first product as a result of its own."""
    program = Program()
    x = program.argument("bf16", 1, 72)
    a, b = (program.product("mk,nk->mn", x, program.argument("bf16", 48, 72)) for _ in range(2))
    body = "%p = arith.mulf %x0, %x1 : f32\n%y = arith.addf %p, %x2 : f32\n" + cast("%y", "f32")
    sums = program.apply("mn,mn,n->mn", [a, b, program.argument("f32", 48)], body, "f32")
    same = program.apply("mn->mn", [a], cast("%x0", "f32"), "f32")
    return program.text(sums, same, name="row.1")


def batch() -> str:
    """A sum of three products over two K, with a batch; @row is a prefix of the other's name."""
    program = Program()
    x, y = program.argument("f16", 2, 33, 64), program.argument("f16", 2, 33, 20)
    products = [program.product("bmk,bkn->bmn", x, program.argument("f16", 2, 64, 17)) for _ in range(2)]
    products.append(program.product("bmk,bkn->bmn", y, program.argument("f16", 2, 20, 17)))
    body = "%s = arith.addf %x0, %x1 : f32\n%y = arith.subf %s, %x2 : f32\n" + cast("%y", "f32")
    return program.text(program.apply("bmn,bmn,bmn->bmn", products, body, "f32"), name="row")


LAYERS = (gate(), row(), batch())
MODULE = "".join(LAYERS)


@pytest.fixture(scope="module")
def code() -> CodeObject:
    """The module of all layers."""
    return rocfuse.compile(MODULE)


@pytest.fixture(scope="module")
def alone() -> list[CodeObject]:
    """Each layer compiled by itself."""
    return [rocfuse.compile(text) for text in LAYERS]


def with_names(kernel: dict[str, Any], prefix: str) -> dict[str, Any]:
    """A kernel of a contract with a prefix before its arguments' names."""
    return {**kernel, "args": [{**one, "name": prefix + one["name"]} for one in kernel["args"]]}


def test_kernels_are_those_of_the_functions_alone(code: CodeObject, alone: Sequence[CodeObject]) -> None:
    found = {kernel.name: kernel for kernel in read_kernels(code.hsaco)}
    assert list(found) == [entry["name"] for entry in code.contract["kernels"]] == ["gate", "row.1", "row"]
    for one, entry in zip(alone, code.contract["kernels"], strict=True):
        (kernel,) = read_kernels(one.hsaco)
        assert found[kernel.name].code == kernel.code
        assert entry == with_names(one.plan, f"{kernel.name}.")
        assert_account(one)
    assert len({str(entry["tile"]) for entry in code.contract["kernels"]}) > 1


def test_arguments_follow_each_other_with_the_functions_name(code: CodeObject) -> None:
    takes = {"gate": 3, "row.1": 4, "row": 5}
    assert code.contract["inputs"] == [f"{name}.arg{at}" for name, count in takes.items() for at in range(count)]
    assert code.contract["outputs"] == ["gate.out0", "row.1.out0", "row.1.out1", "row.out0"]
    used = [one["name"] for one in code.contract["kernels"][0]["args"]]
    assert used == ["gate.arg1", "gate.arg2", "gate.out0"]


def test_every_kernel_is_executed_and_right(code: CodeObject) -> None:
    arrays = arguments(MODULE, integers=True)
    assert_right(MODULE, arrays, run(code, arrays).outputs, exact=True)
    arrays = arguments(MODULE, seed=1)
    assert_right(MODULE, arrays, run(code, arrays).outputs)


def test_the_command_takes_the_arrays_of_all(code: CodeObject, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "m.hsaco").write_bytes(code.hsaco)
    (tmp_path / "m.json").write_text(json.dumps(code.contract))
    (tmp_path / "m.mlir").write_text(MODULE)
    command = [str(tmp_path / "m.hsaco"), "--input", str(tmp_path / "m.mlir")]
    for at, array in enumerate(arguments(MODULE, integers=True)):
        (tmp_path / f"{at}.npy").write_bytes(npy_bytes(array))
        command += ["--arg", str(tmp_path / f"{at}.npy")]
    results = [tmp_path / f"y{at}.npy" for at in range(len(code.contract["outputs"]))]
    outs = [f"--out={path}" for path in results]
    assert main([*command, *outs]) == 0
    printed = capsys.readouterr().out
    assert "faults: 0" in printed and all(f"ok: {name}" in printed for name in code.contract["outputs"])
    assert main([*command, *(f"--check={path}" for path in results), "--atol=0"]) == 0
    assert main([*command, outs[0]]) == 2
    text = "error: --out: need 4 files (gate.out0, row.1.out0, row.1.out1, row.out0), have 1"
    assert text in capsys.readouterr().err


def test_a_pass_option_pins_all_kernels_and_a_config_its_own() -> None:
    module = "".join(text.replace(") {", ') attributes {rocfuse.config = "v1:n32"} {', 1) for text in LAYERS[:1])
    options = {"rocfuse-plan-kernels": {"tile-m": "16"}}
    kernels = rocfuse.compile(module + LAYERS[1], options=options).contract["kernels"]
    assert [entry["tile"]["m"] for entry in kernels] == [16, 16]
    assert kernels[0]["tile"]["n"] == 32 and "n32" not in kernels[1]["perf_config"]


def test_the_plan_of_several_kernels_is_in_the_contract(code: CodeObject) -> None:
    with pytest.raises(UsageError, match=r"need 1 kernel, have 3 \(gate, row.1, row\); read contract"):
        _ = code.plan


def test_every_refusal_is_told_and_the_last_is_the_error() -> None:
    lonely = "func.func @{}(%x: tensor<4xf32>) -> tensor<4xf32> {{\n  return %x : tensor<4xf32>\n}}\n"
    remarks: list[tuple[str, str]] = []
    with pytest.raises(CompileError, match=r"nothing to fuse: .*; compile the other functions without @two") as error:
        rocfuse.compile(
            lonely.format("one") + MODULE + lonely.format("two"), on_remark=lambda *one: remarks.append(one)
        )
    assert f":{MODULE.count(chr(10)) + 4}:" in error.value.location
    assert [(":1:1" in place, text.endswith("without @one")) for place, text in remarks] == [(True, True)]


def test_symbols_of_a_kernel_are_no_names_for_another() -> None:
    text = gate().replace("@gate", "@gate.kd")
    with pytest.raises(
        CompileError, match=r"kernel @gate has a symbol gate.kd in the code object.*; rename the function"
    ):
        rocfuse.compile(text + gate())
    assert rocfuse.compile(text + row()).contract["kernels"][0]["name"] == "gate.kd"


@pytest.mark.parametrize(
    ("name", "text"),
    [('""', "an empty one"), ('"a\\00b"', r"no '\\x00', have 'a\\x00b'"), ('"a@b"', "no '@', have 'a@b'")],
)
def test_names_that_no_symbol_can_have(name: str, text: str) -> None:
    with pytest.raises(CompileError, match=f"{text}; rename the function"):
        rocfuse.compile(gate().replace("@gate", f"@{name}"))


def test_a_name_that_assembly_quotes() -> None:
    text = gate().replace("@gate", '@"a \\22q\\22 \\5C\\0A b"')
    code = rocfuse.compile(text)
    assert code.plan["name"] == 'a "q" \\\n b'
    arrays = arguments(text, integers=True)
    for isa in (None, code.isa):
        result = simulate(code.hsaco, code.contract, arrays, isa_text=isa)
        assert_right(text, arrays, result.outputs, exact=True)


def test_a_module_within_the_module_is_refused() -> None:
    with pytest.raises(CompileError, match=r"a module within the module: .*; compile it by itself") as error:
        rocfuse.compile(gate() + "module @inner {\n" + row() + "}\n")
    assert f":{gate().count(chr(10)) + 1}:" in error.value.location


def test_a_declaration_may_have_any_name() -> None:
    text = "func.func private @kernels()\n" + gate().replace("@gate", "@kernels_")
    assert rocfuse.compile(text).plan["name"] == "kernels_"


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A module of four functions, two of which are the same kernel."""
    path = tmp_path / "layers.mlir"
    path.write_text(MODULE + gate().replace("@gate", "@again"))
    return str(path)


def test_every_kernel_is_explained(file: str, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    assert plan.main([file, "--json", f"--svg={tmp_path / 'plans.svg'}"]) == 0
    kernels = json.loads(capfd.readouterr().out)["kernels"]
    assert [kernel["name"] for kernel in kernels] == ["gate", "row.1", "row", "again"]
    assert kernels[0]["plan"] == kernels[3]["plan"] != kernels[2]["plan"]
    drawing = (tmp_path / "plans.svg").read_text()
    assert drawing.count("<svg ") == 1
    assert all(f">{kernel['name']}: {kernel['plan']['text']} on gfx942<" in drawing for kernel in kernels)
    assert plan.main([file]) == 0
    printed = capfd.readouterr().out
    starts = [printed.index(f"kernel {kernel['name']} on gfx942: ") for kernel in kernels]
    assert starts == sorted(starts) and printed.count("\nplan ") == len(kernels)


def test_every_kernel_is_tuned_once_and_read_by_its_key(
    file: str, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    db = tmp_path / "some.db"
    assert tune.main([file, f"--db={db}", "--best-of=1"]) == 0
    printed = capfd.readouterr().out
    assert printed.count("recorded in") == 3 == len(db.read_text().splitlines()) - 1
    assert "kernel again: gfx942 " in printed and "the kernel of another function above has this key" in printed
    (key,) = (line.removeprefix("kernel row: ") for line in printed.splitlines() if line.startswith("kernel row: "))
    choices = TuningDb("", {key: "v1:m16,n16,wm1,wn1,op16x16x16"})
    found, free = (rocfuse.compile(MODULE, tuning_db=one).contract["kernels"] for one in (choices, None))
    assert found[:2] == free[:2] and found[2]["tile"] != free[2]["tile"]
    assert (found[2]["tile"]["m"], found[2]["tile"]["n"]) == (16, 16)
