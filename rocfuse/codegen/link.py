"""Finding a linker that knows AMDGPU code objects, and linking with it, by way of pipes."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

from rocfuse.diagnostics import CompileError

ELF = b"\x7fELF"  # what a code object starts with
OLDEST_LLD = 19  # older ones refuse code object version 6


class Linker:
    """A linker process. It may start before there is something to link, and starts up beside the code generator.

    A context manager: a linker that nothing was given to ends with it.
    """

    _running: ClassVar[set[Linker]] = set()

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Linker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()
            with self._process:  # closes the pipes, which a child of a wrapper may hold open, and waits
                self._ended()

    def start(self) -> None:
        """Start it, if that was not done. Raises CompileError where there is none, or it cannot be run."""
        if self._process:
            return
        program = find_linker()
        # of one small object: threads cost more than they bring
        options = ("-shared", "--no-undefined", "--threads=1", "/dev/stdin", "-o", "/dev/stdout")
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen([*program, *options], stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise CompileError(f"{program[0]} cannot be run: {error.strerror}") from error
        self._running.add(self)

    def _ended(self) -> None:
        self._process = None
        self._running.discard(self)

    @classmethod
    def disown(cls) -> None:
        """In a forked process: close the pipes of the linkers, which would wait for the end of what it could write."""
        for linker in list(cls._running):
            if linker._process:
                for pipe in (linker._process.stdin, linker._process.stdout, linker._process.stderr):
                    with contextlib.suppress(OSError):
                        pipe and pipe.close()
            linker._ended()

    def link(self, obj: bytes) -> bytes:
        """Link one object to a code object (.hsaco). Raises CompileError with the linker's words."""
        self.start()
        assert self._process
        process = self._process
        linked, said = process.communicate(obj)
        self._ended()
        if process.returncode or not linked.startswith(ELF):
            silent = "it wrote no code object; is it an ld.lld?"
            wrong = f"exit code {process.returncode}" if process.returncode else silent
            lines = said.decode(errors="replace").strip().splitlines()
            raise CompileError(f"{find_linker()[0]} failed: {next(iter(lines), wrong)}")
        return linked


os.register_at_fork(after_in_child=Linker.disown)


def link(obj: bytes) -> bytes:
    """Link one object to a code object (.hsaco). Raises CompileError with the linker's words."""
    with Linker() as linker:
        return linker.link(obj)


@functools.cache
def find_linker() -> tuple[str, ...]:
    """The linker's command: $ROCFUSE_LLD, a ROCm installation, PATH (version 19 or newer), or the ziglang package."""
    explicit = os.environ.get("ROCFUSE_LLD")
    if explicit:
        if not shutil.which(explicit):
            raise CompileError(f"ROCFUSE_LLD={explicit} is not a program")
        return (explicit,)
    rocm = Path(os.environ.get("ROCM_PATH", "/opt/rocm"), "llvm", "bin", "ld.lld")
    if rocm.is_file():
        return (str(rocm),)
    for name in ("ld.lld", *(f"ld.lld-{version}" for version in range(23, OLDEST_LLD - 1, -1))):
        found = shutil.which(name)
        if found and _version(found) >= OLDEST_LLD:
            return (found,)
    zig = _zig()
    if zig:
        return (zig, "ld.lld")
    raise CompileError(f"no linker: install ld.lld {OLDEST_LLD} or newer, or the ziglang package, or set ROCFUSE_LLD")


def _zig() -> str | None:
    """The zig program of the ziglang package, without the detour through its Python module."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or not spec.submodule_search_locations:
        return None
    program = Path(next(iter(spec.submodule_search_locations)), "zig")
    return str(program) if program.is_file() else None


def _version(program: str) -> int:
    text = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    match = re.search(r"LLD (\d+)", text)
    return int(match.group(1)) if match else 0
