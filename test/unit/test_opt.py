"""The opt command as a process: aborts, internal errors, reproducers, the streams, start-up time."""

import os
import subprocess
import sys
import time

import pytest

# The command with passes that misbehave: how an abort inside LLVM or MLIR looks from outside.
SCRIPT = """
import os, signal, sys, time
from dataclasses import dataclass
from typing import ClassVar
from rocfuse import opt, passes
from rocfuse.diagnostics import CompileError
from rocfuse.passes import Pass, register

@register
@dataclass(frozen=True)
class Misbehave(Pass):
    "Misbehave."
    name: ClassVar[str] = "rocfuse-test"
    how: str = "nothing"
    def run(self, module, context):
        if self.how == "abort":
            os.abort()
        if self.how == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.how == "interrupted":
            os.kill(os.getppid(), signal.SIGINT)
            time.sleep(0.2)
            os.abort()
        if self.how == "called":
            module.operation.walk(lambda op: [os.kill(os.getpid(), signal.SIGINT), time.sleep(1)])
        if self.how == "raise":
            raise KeyError("lost")
        if self.how == "fail":
            op = module.body.operations[0]
            context.remark(op.location, "about to fail")
            raise CompileError("does not fit", str(op.location))

passes._MODULES["rocfuse-test"] = __name__
sys.exit(opt.main(sys.argv[1:]))
"""
INPUT = "func.func @f(%x: i32) -> i32 {\n  %0 = arith.constant 1 : i32\n  return %x : i32\n}\n"


@pytest.fixture
def run(tmp_path):
    """Run the command in a folder with in.mlir."""
    (tmp_path / "in.mlir").write_text(INPUT)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}

    def run(*arguments, command=(sys.executable, "-c", SCRIPT), **keywords):
        command = [*command, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, **keywords)

    return run


@pytest.mark.parametrize(("how", "signal"), [("abort", "SIGABRT"), ("segfault", "SIGSEGV")])
def test_an_abort_names_the_pass_and_leaves_no_output(run, tmp_path, how, signal):
    result = run("in.mlir", "--pass-pipeline=cse,rocfuse-test{how=" + how + "},canonicalize", "-o", "out.mlir")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: aborted ({signal}) in rocfuse-test")
    assert "--reproducer=F" in result.stderr and result.stderr.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == ["in.mlir"]


@pytest.mark.parametrize("how", ["interrupted", "called"])
def test_an_interrupt_is_no_error_whatever_comes_of_it(run, tmp_path, how):
    """While a library loads it may crash, and MLIR makes an error of its own of one in a callback."""
    result = run("in.mlir", "--pass-pipeline=rocfuse-test{how=" + how + "}", "-o", "out.mlir")
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")
    assert sorted(os.listdir(tmp_path)) == ["in.mlir"]


@pytest.mark.parametrize("how", ["abort", "fail", "raise"])
def test_a_failing_pass_leaves_a_reproducer(run, tmp_path, how):
    element = "rocfuse-test{how=" + how + "}"
    result = run("in.mlir", f"--pass-pipeline=canonicalize,{element},cse", "--reproducer=r.mlir")
    assert result.returncode == 1
    first, *rest = (tmp_path / "r.mlir").read_text().splitlines()
    assert first == f"// python -m rocfuse.opt r.mlir --target=gfx942 '--pass-pipeline={element}'"
    assert "arith.constant" not in "\n".join(rest)  # the IR before the failing pass, after canonicalize
    assert sorted(os.listdir(tmp_path)) == ["in.mlir", "r.mlir"]
    again = run("r.mlir", f"--pass-pipeline={element}")
    assert again.returncode == 1


def test_success_leaves_no_reproducer(run, tmp_path):
    assert run("in.mlir", "--pass-pipeline=cse", "--reproducer=r.mlir").returncode == 0
    assert sorted(os.listdir(tmp_path)) == ["in.mlir"]


def test_errors_and_remarks_are_located(run):
    result = run("in.mlir", "--rocfuse-test=how=fail")
    assert result.stderr == "in.mlir:1:1: remark: about to fail\nin.mlir:1:1: error: does not fit\n"
    assert (result.returncode, result.stdout) == (1, "")


def test_a_mistake_of_ours_is_one_line(run):
    result = run("in.mlir", "--rocfuse-test=how=raise")
    assert result.returncode == 1
    assert "internal error in rocfuse-test{how=raise}: KeyError: 'lost'" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" in run("in.mlir", "--rocfuse-test=how=raise", "--traceback").stderr


def test_pass_flags_run_in_their_order(run):
    result = run(
        "--rocfuse-test=how=other", "in.mlir", "--rocfuse-verify", "--rocfuse-test={how=abort}", "--dump-pass-pipeline"
    )
    assert result.stderr.startswith("rocfuse-test{how=other},rocfuse-verify,rocfuse-test{how=abort}\n")


def test_expected_diagnostics_of_a_pass(run, tmp_path):
    annotated = "// expected-remark @below {{about to}}\n// expected-error @below {{not fit}}\n" + INPUT
    (tmp_path / "in.mlir").write_text(annotated)
    assert run("in.mlir", "--rocfuse-test=how=fail", "--verify-diagnostics").returncode == 0
    assert run("in.mlir", "--rocfuse-test=how=other", "--verify-diagnostics").returncode == 1


@pytest.mark.parametrize(
    ("streams", "code", "told"),
    [
        ("--list-passes >/dev/full", 1, "error: cannot write to stdout: No space left on device\n"),
        ("in.mlir >/dev/full", 1, "error: cannot write to stdout: No space left on device\n"),
        ("in.mlir >&-", 1, "error: cannot write to stdout: Bad file descriptor\n"),
        ("in.mlir <&- >&-", 1, "error: cannot write to stdout: Bad file descriptor\n"),
        ("in.mlir -o out.mlir <&- >&- 2>&-", 0, ""),
        ("missing.mlir 2>&-", 2, ""),
    ],
)
def test_streams_that_are_full_or_closed(run, streams, code, told):
    command = ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", "rocfuse.opt"]
    result = run(command=command)
    assert (result.returncode, result.stdout, result.stderr) == (code, "", told)


def test_the_child_does_not_outlive_a_killed_command():
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen([sys.executable, "-m", "rocfuse.opt", "-"], stdin=reader, stdout=subprocess.PIPE)
        time.sleep(1)
        process.kill()
        process.communicate(timeout=10)  # returns only when no child holds the pipe
    finally:
        os.close(reader)
        os.close(writer)


def test_help_does_not_wait_for_imports():
    code = "import sys, rocfuse.opt\ntry: rocfuse.opt.main(['--help'])\nexcept SystemExit: pass\n"
    code += "sys.exit(any(name.split('.')[0] in ('mlir', 'numpy', 'llvmlite') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
