"""Run work in a forked child, so that an abort inside LLVM or MLIR ends in a message that names the stage."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

_SIZE = 4096


class Stage:
    """The name of what is running, in memory that the parent can read after the child died."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)

    def set(self, name: str) -> None:
        """Enter a stage."""
        text = name.encode()[: _SIZE - 1]
        self._memory[: len(text) + 1] = text + b"\0"

    def get(self) -> str:
        """The stage that was entered last, or an empty string."""
        return bytes(self._memory).split(b"\0", 1)[0].decode(errors="replace")


def leave(code: int) -> NoReturn:
    """End the process once its output is out, without taking the interpreter apart, which frees what ends anyway."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    os._exit(code)


def run_guarded(work: Callable[[Stage], int], hint: Callable[[str], str] = lambda stage: "") -> int:
    """Run `work` in a child process and return its exit code.

    If the child dies by a signal, say in which stage, add what `hint` says of the stage (what to do next), and return
    1. Call it before MLIR
    is imported: the fork is then cheap and copies no threads.
    """
    stage = Stage()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _die_with_parent()
            code = work(stage)
        except KeyboardInterrupt:
            code = 130
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    status, interrupted = _wait(child)
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    if interrupted:  # whatever it died of: libraries do not take an interrupt well while they load
        return 130
    number = os.WTERMSIG(status)
    if number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        return 128 + number
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    cause = "out of memory, or stopped from outside" if number == signal.SIGKILL else "this is a bug in LLVM or MLIR"
    where = stage.get() or "start-up"
    print(f"error: aborted ({name}) in {where}; {cause}, not in your program{hint(where)}", file=sys.stderr)
    return 1


def _die_with_parent() -> None:
    """Ask Linux to end this process when its parent is killed; elsewhere it runs to its end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _wait(child: int) -> tuple[int, bool]:
    """The child's status, and whether the user interrupted both."""
    interrupted = False
    while True:
        try:
            return os.waitpid(child, 0)[1], interrupted
        except KeyboardInterrupt:
            interrupted = True  # the child got the same signal and is about to end
