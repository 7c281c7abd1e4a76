"""Finding a linker that knows AMDGPU code objects, and linking with it."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from rocfuse.diagnostics import CompileError

ELF = b"\x7fELF"  # what a code object starts with
OLDEST_LLD = 19  # older ones refuse code object version 6


def link(obj: bytes) -> bytes:
    """Link one object to a code object (.hsaco), by way of pipes. Raises CompileError with the linker's words."""
    command = [*find_linker(), "-shared", "--no-undefined", "/dev/stdin", "-o", "/dev/stdout"]
    try:
        done = subprocess.run(command, input=obj, capture_output=True)
    except OSError as error:
        raise CompileError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode or not done.stdout.startswith(ELF):
        wrong = f"exit code {done.returncode}" if done.returncode else "it wrote no code object; is it an ld.lld?"
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise CompileError(f"{command[0]} failed: {next(iter(said), wrong)}")
    return done.stdout


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
