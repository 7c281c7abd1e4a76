"""The instruction set of each target: which families of tables it is made of.

Each family answers `compile(instruction, context)` with a `Step`, or None when it does not have the instruction.
"""

from __future__ import annotations

from collections.abc import Callable

from rocfuse.diagnostics import CompileError, UsageError
from rocfuse.sim import isa_compare, isa_float, isa_integer
from rocfuse.sim.decode import Instruction
from rocfuse.sim.isa_control import compile_control
from rocfuse.sim.isa_lds import compile_lds
from rocfuse.sim.isa_matrix import compile_matrix
from rocfuse.sim.isa_memory import compile_smem, compile_vmem
from rocfuse.sim.isa_packed import compile_packed
from rocfuse.sim.isa_scalar import compile_scalar
from rocfuse.sim.step import Context, Step, unsupported
from rocfuse.sim.vector_op import compile_vector

Family = Callable[[Instruction, Context], Step | None]

_VECTOR = {**isa_float.TABLE, **isa_integer.TABLE, **isa_compare.TABLE}


def compile_valu(instruction: Instruction, context: Context) -> Step | None:
    """Vector ALU instructions of the tables."""
    return compile_vector(instruction, context, _VECTOR)


# by the first letters of the mnemonic, so that few families are asked
CDNA3: dict[str, tuple[Family, ...]] = {
    "s_": (compile_scalar, compile_smem, compile_control),
    "v_": (compile_valu, compile_packed, compile_matrix, compile_control),
    "ds": (compile_lds,),
    "bu": (compile_vmem, compile_control),
    "gl": (compile_vmem,),
    "fl": (compile_vmem,),
}
INSTRUCTION_SETS: dict[str, dict[str, tuple[Family, ...]]] = {"gfx942": CDNA3}


def compile_instruction(instruction: Instruction, context: Context) -> Step:
    """Compile one instruction for the context's target; raises CompileError when no family has it."""
    families = INSTRUCTION_SETS.get(context.target.name)
    if families is None:
        raise UsageError(f"the simulator has no instruction set for {context.target.name}")
    try:
        for family in families.get(instruction.mnemonic[:2], ()):
            step = family(instruction, context)
            if step is not None:
                return step
    except (ValueError, KeyError, IndexError) as error:
        raise unsupported(instruction, context.kernel.name, f"operands: {error}") from None
    except CompileError as error:
        if "at 0x" in str(error):
            raise
        raise unsupported(instruction, context.kernel.name, str(error).removeprefix("error: ")) from None
    raise unsupported(instruction, context.kernel.name)
