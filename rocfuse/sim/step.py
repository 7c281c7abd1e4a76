"""A compiled instruction, and what compiling one needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rocfuse.codegen.elf import Kernel
from rocfuse.diagnostics import CompileError
from rocfuse.sim.decode import Instruction
from rocfuse.sim.operands import Operand
from rocfuse.targets import Target

VMEM, LDS, SMEM = "vmcnt", "lds", "smem"  # the queues that s_waitcnt waits for


@dataclass
class Step:
    """One instruction, ready to run.

    `run` computes values; `run_tainted` does the same and carries the undefined bits along. `reads` and `writes` are
    register ids; `queue` names the counter of an instruction that completes later.
    """

    instruction: Instruction
    category: str
    run: Callable[..., None]
    run_tainted: Callable[..., None]
    reads: frozenset[int] = frozenset()
    writes: tuple[int, ...] = ()
    queue: str = ""
    late: frozenset[int] = frozenset()  # registers that are written when the queue has come to this instruction
    control: str = ""  # "branch", "barrier", "end" or "wait": what the scheduler does
    detail: Any = None  # what it is depends on the category and the control: cycles, a wait's counters, a condition
    registers: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self.registers = self.reads | frozenset(self.writes)


@dataclass
class Context:
    """The kernel and the target that instructions are compiled for."""

    kernel: Kernel
    target: Target
    mfma_order: str = "increasing"
    lds_granule: int = 4

    @property
    def flush_f32(self) -> bool:
        """f32 denormals become zero."""
        return self.kernel.descriptor.flushes_f32_denormals

    @property
    def flush_f16(self) -> bool:
        """f16 and f64 denormals become zero."""
        return self.kernel.descriptor.flushes_f16_denormals


def unsupported(instruction: Instruction, kernel: str, what: str = "") -> CompileError:
    """The error for an instruction, or a form of one, that the tables do not have."""
    detail = f" ({what})" if what else ""
    return CompileError(
        f"kernel {kernel}: the simulator does not know {instruction.mnemonic}{detail}, "
        f"`{instruction.text}` at {instruction.address:#x}"
    )


def ids_of(*operands: Operand) -> frozenset[int]:
    """Register ids of several operands."""
    return frozenset(register for operand in operands for register in operand.ids())
