"""What is not compiled says why: `--emit=hsaco` prints the reason, exits with 1 and leaves no file behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Program, Value, cast, silu_times

COMMAND = [sys.executable, "-m", "rocfuse.opt"]
MULTIPLY = "%y = arith.mulf %x0, %x1 : f32\n" + cast("%y", "f16")


def product(program: Program, n: int = 64) -> Value:
    """x (16 x 32) @ w (32 x n)."""
    return program.product("mk,kn->mn", program.argument("f16", 16, 32), program.argument("f16", 32, n))


def nothing_to_fuse() -> str:
    program = Program()
    x = program.argument("f16", 16, 16)
    return program.text(program.apply("mn->mn", [x], "%y = arith.negf %x0 : f16\nlinalg.yield %y : f16", "f16"))


def unequal_slices() -> str:
    program = Program()
    y = product(program)
    wide, narrow = program.slice(y, [0, 0], [16, 32]), program.slice(y, [0, 32], [16, 1])
    flat = program.slice(narrow, [0, 0], [16, 1])
    column = program.apply("mu->m", [flat], "linalg.yield %x0 : f32", "f32")
    return program.text(program.apply("mn,m->mn", [wide, column], MULTIPLY, "f16"))


def reduction() -> str:
    program = Program()
    y = product(program)
    halves = [program.slice(y, [0, at], [16, 32]) for at in (0, 32)]
    gated = program.apply("mn,mn->mn", halves, silu_times("f32"), "f32")
    body = "%s = arith.addf %x0, %out : f32\nlinalg.yield %s : f32"
    return program.text(program.combine("mn->m", [gated], program.filled("f32", 16), body))


def consumer_of_all() -> str:
    program = Program()
    y = product(program)
    halves = [program.slice(y, [0, at], [16, 32]) for at in (0, 32)]
    return program.text(program.apply("mn,mn->mn", halves, silu_times("f16"), "f16"), y)


def interleaved() -> str:
    program = Program()
    y = product(program)
    halves = [program.slice(y, [0, at], [16, 32], [1, 2]) for at in (0, 1)]
    return program.text(program.apply("mn,mn->mn", halves, silu_times("f16"), "f16"))


def of_type(element: str, total: str) -> Callable[[], str]:
    def text() -> str:
        program = Program()
        shapes = [program.argument(element, *shape) for shape in ((16, 32), (32, 64))]
        return program.text(program.product("mk,kn->mn", *shapes, total=total))

    return text


def dynamic() -> str:
    return """func.func @f(%x: tensor<?x32xf16>, %w: tensor<32x64xf16>, %o: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = linalg.matmul ins(%x, %w : tensor<?x32xf16>, tensor<32x64xf16>) outs(%o : tensor<?x64xf32>)
        -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }"""


def without_elements(m: int, k: int, n: int) -> Callable[[], str]:
    def text() -> str:
        program = Program()
        shapes = [program.argument("f16", m, k), program.argument("f16", k, n)]
        return program.text(program.product("mk,kn->mn", *shapes))

    return text


def one_of_two() -> str:
    program, other = Program(), Program()
    fine = program.text(program.round(product(program), "f16"), name="fine")
    return fine + other.text(other.round(other.argument("f32", 32, 32), "f16"), name="other")


def fed_by_a_product() -> str:
    program = Program()
    first = program.round(product(program, n=32), "f16")
    return program.text(program.product("mk,kn->mn", first, program.argument("f16", 32, 64)))


REFUSALS: dict[Callable[[], str], str] = {
    nothing_to_fuse: "nothing to fuse",
    unequal_slices: "unequal width",
    reduction: "reduces over 32 elements",
    consumer_of_all: "func.return reads all of it",
    interleaved: "interleaved columns",
    of_type("f32", "f32"): "f32",
    of_type("i8", "i32"): "i32",
    dynamic: "dynamic dims",
    one_of_two: "compile the other functions without @other",
    without_elements(0, 16, 16): "a dim has no elements",
    without_elements(16, 0, 16): "k 0: a dim has no elements",
    without_elements(16, 16, 0): "a dim has no elements",
    fed_by_a_product: "reduces over 32 elements of another product's result",
}
NAMES = [one.__name__ for one in REFUSALS]
NAMES[5:7] = ["f32", "i8"]
NAMES[9:12] = ["m=0", "k=0", "n=0"]


def run(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(("text", "reason"), REFUSALS.items(), ids=NAMES)
def test_refused_with_its_reason_and_no_output(text: Callable[[], str], reason: str, tmp_path: Path) -> None:
    source = tmp_path / "in.mlir"
    source.write_text(text())
    done = run(source, "--emit=hsaco", "-o", tmp_path / "out.hsaco")
    assert done.returncode == 1
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert len(errors) == 1 and errors[0].startswith(f"{source}:"), done.stderr
    assert reason in errors[0], done.stderr
    assert "Traceback" not in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["in.mlir"]
