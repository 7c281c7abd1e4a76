"""Which linker is taken, in which order, and what a person reads when there is none or it fails."""

import os
import signal
import stat
import time
from pathlib import Path

import pytest

import rocfuse
from rocfuse import gen
from rocfuse.codegen import link, llvm
from rocfuse.codegen.elf import read_kernels
from rocfuse.diagnostics import CompileError
from rocfuse.targets import GFX942

KERNEL = """target triple = "amdgcn-amd-amdhsa"
define amdgpu_kernel void @k(ptr addrspace(1) %p) {
  store i32 1, ptr addrspace(1) %p
  ret void
}"""


@pytest.fixture(autouse=True)
def empty(monkeypatch, tmp_path):
    """No explicit linker, no ROCm, nothing on PATH but the folder `tmp_path`/bin."""
    (tmp_path / "bin").mkdir()
    monkeypatch.delenv("ROCFUSE_LLD", raising=False)
    monkeypatch.setenv("ROCM_PATH", str(tmp_path / "rocm"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    link.find_linker.cache_clear()
    yield
    link.find_linker.cache_clear()


def program(path: Path, text: str) -> str:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def lld(path: Path, version: str) -> str:
    return program(path, f"echo 'Debian LLD {version} (compatible with GNU linkers)'")


def test_ziglang_is_taken_when_there_is_nothing_else():
    zig, command = link.find_linker()
    assert Path(zig).name.startswith("zig") and command == "ld.lld"


def test_a_new_enough_lld_on_path_comes_before_ziglang(tmp_path):
    expected = lld(tmp_path / "bin" / "ld.lld", "20.1.2")
    assert link.find_linker() == (expected,)


def test_an_old_lld_on_path_is_passed_over(tmp_path):
    lld(tmp_path / "bin" / "ld.lld", "14.0.6")
    expected = lld(tmp_path / "bin" / "ld.lld-19", "19.1.7")
    assert link.find_linker() == (expected,)


def test_what_is_no_lld_at_all_is_passed_over(tmp_path):
    program(tmp_path / "bin" / "ld.lld", "echo hello")
    assert Path(link.find_linker()[0]).name.startswith("zig")


def test_rocm_comes_before_path(tmp_path):
    lld(tmp_path / "bin" / "ld.lld", "22.1.0")
    expected = program(tmp_path / "rocm" / "llvm" / "bin" / "ld.lld", "exit 1")
    assert link.find_linker() == (expected,)


def test_the_explicit_linker_comes_before_all(tmp_path, monkeypatch):
    program(tmp_path / "rocm" / "llvm" / "bin" / "ld.lld", "exit 1")
    mine = lld(tmp_path / "mine", "1.0")
    monkeypatch.setenv("ROCFUSE_LLD", mine)
    assert link.find_linker() == (mine,)


def test_an_explicit_linker_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setenv("ROCFUSE_LLD", "/nowhere/ld.lld")
    with pytest.raises(CompileError, match=r"ROCFUSE_LLD=/nowhere/ld\.lld is not a program$"):
        link.find_linker()


def test_without_any_linker_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(link, "_zig", lambda: None)
    with pytest.raises(
        CompileError, match=r"no linker: install ld\.lld 19 or newer, or the ziglang package, or set ROCFUSE_LLD"
    ):
        link.find_linker()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'ld.lld: error: no such thing' >&2; echo more >&2; exit 1", r"failed: ld\.lld: error: no such thing$"),
        ("exit 3", "failed: exit code 3$"),
        ("exit 0", "failed: it wrote no code object; is it an ld\\.lld\\?$"),
    ],
)
def test_a_failing_linker_is_an_error_with_its_first_line(tmp_path, monkeypatch, script, message):
    mine = program(tmp_path / "mine", script)
    monkeypatch.setenv("ROCFUSE_LLD", mine)
    with pytest.raises(CompileError, match=f"{mine} {message}"):
        link.link(b"object")


def test_a_linker_that_cannot_be_run_is_an_error(tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    mine.write_bytes(b"\x7fELF nonsense")
    mine.chmod(0o755)
    monkeypatch.setenv("ROCFUSE_LLD", str(mine))
    with pytest.raises(CompileError, match="mine cannot be run: "):
        link.link(b"object")


def test_what_is_no_object_is_an_error():
    with pytest.raises(CompileError, match=r"failed: ld\.lld: error: "):
        link.link(b"not an object")


def test_an_undefined_symbol_is_an_error():
    text = (
        KERNEL.replace("store i32 1,", "store i32 ptrtoint (ptr @missing to i32),") + "\n@missing = external global i32"
    )
    with pytest.raises(CompileError, match="undefined symbol: missing"):
        link.link(llvm.generate(text, GFX942).obj)


def test_an_object_becomes_a_shared_code_object():
    hsaco = link.link(llvm.generate(KERNEL, GFX942).obj)
    assert hsaco[:4] == b"\x7fELF" and hsaco[16] == 3, "ET_DYN"
    assert [kernel.name for kernel in read_kernels(hsaco)] == ["k"]


def test_no_file_of_the_current_folder_is_touched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-").write_text("somebody's")  # lld removes what is called as its output, and "-" is no exception
    link.link(llvm.generate(KERNEL, GFX942).obj)
    assert (tmp_path / "-").read_text() == "somebody's"


def recorded(tmp_path, monkeypatch, then: str):
    """A linker that writes a line with its number, and what reads those of all that started within 10 s."""
    log = tmp_path / "started"
    monkeypatch.setenv("ROCFUSE_LLD", program(tmp_path / "mine", f"echo $$ >> {log}; {then}"))

    def started() -> list[int]:
        for _ in range(1000):
            if log.exists() and log.read_text().endswith("\n"):
                return [int(line) for line in log.read_text().split()]
            time.sleep(0.01)
        pytest.fail("no linker started")

    return started


def test_a_linker_that_was_started_ahead_links(tmp_path, monkeypatch):
    zig = " ".join(link.find_linker())
    link.find_linker.cache_clear()
    started = recorded(tmp_path, monkeypatch, f'exec {zig} "$@"')
    obj = llvm.generate(KERNEL, GFX942).obj
    with link.Linker() as linker:
        linker.start()
        before = started()
        linker.start()
        assert read_kernels(linker.link(obj))
    assert len(before) == 1 and started() == before


def test_the_compiler_starts_it_before_code_is_generated(tmp_path, monkeypatch):
    zig = " ".join(link.find_linker())
    link.find_linker.cache_clear()
    started = recorded(tmp_path, monkeypatch, f'exec {zig} "$@"')
    seen = []
    generate = llvm.generate
    monkeypatch.setattr(llvm, "generate", lambda *given: [seen.append(len(started())), generate(*given)][1])
    options = gen.GenOptions(pattern="separate", m=64, n=64, k=64)
    assert read_kernels(rocfuse.compile(str(gen.build(options))).hsaco)
    assert seen == [1] == [len(started())]


@pytest.mark.parametrize("then", ["exec sleep 1000", "sleep 3 & wait"])  # the child of the other holds the pipes
def test_a_linker_that_nothing_is_given_to_ends_at_once(tmp_path, monkeypatch, then):
    started = recorded(tmp_path, monkeypatch, then)
    with link.Linker() as linker:
        linker.start()
        (number,) = started()
        since = time.monotonic()
    assert time.monotonic() - since < 2
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_process_that_is_forked_meanwhile_does_not_hold_it_up():
    obj = llvm.generate(KERNEL, GFX942).obj
    with link.Linker() as linker:
        linker.start()
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        try:
            since = time.monotonic()
            assert read_kernels(linker.link(obj))
            assert time.monotonic() - since < 20
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
