"""LLVM IR to AMDGPU object code and assembly, through llvmlite."""

from __future__ import annotations

import functools
import re

import llvmlite.binding as binding
from mlir import ir

from rocfuse.bindings.llvm import translate_module_to_llvmir
from rocfuse.diagnostics import CompileError
from rocfuse.records import record
from rocfuse.targets import Target

_FOREIGN = re.compile(r'^declare [^@\n]*(@(?!llvm\.)(?:"[^"\n]+"|[-\w.$]+)\()', re.MULTILINE)
_ready: list[bool] = []


@record
class MachineCode:
    """What the backend made of one module. The assembly is made when it is asked for."""

    obj: bytes
    source: str  # LLVM IR
    target: Target

    @functools.cached_property
    def isa(self) -> str:
        """The same kernel as assembly text."""
        machine = _machine(self.target)
        return str(machine.emit_assembly(_optimise(self.source, machine)))


def translate(module: ir.Module) -> str:
    """LLVM IR text of the module's one gpu.module. Raises CompileError for a call to anything but an intrinsic.

    The linker would leave such a call unresolved without a word: there is no device library.
    """
    holders = [op.operation for op in module.body.operations if op.operation.name == "gpu.module"]
    if len(holders) != 1:
        raise CompileError(f"need 1 gpu.module, have {len(holders)}; run the lowering passes first")
    text = translate_module_to_llvmir(holders[0])
    foreign = sorted(name[1:-1] for name in _FOREIGN.findall(text) if text.count(name) > 1)
    if foreign:
        raise CompileError(f"the kernel calls {', '.join(foreign)}, and there is no device library; expand it first")
    return text


def generate(text: str, target: Target) -> MachineCode:
    """Optimise LLVM IR and emit it. Code generation changes the module: each output starts from the text."""
    machine = _machine(target)
    return MachineCode(machine.emit_object(_optimise(text, machine)), text, target)


def _machine(target: Target) -> binding.TargetMachine:
    if not _ready:
        binding.initialize_all_targets()
        binding.initialize_all_asmprinters()
        _ready.append(True)
    return binding.Target.from_triple(target.triple).create_target_machine(cpu=target.name, opt=3)


def _optimise(text: str, machine: binding.TargetMachine) -> binding.ModuleRef:
    """The module of `text`, ready for code generation.

    MLIR has hoisted and merged what there was. Of O3's passes these have something left to do: ranges of ids decide
    comparisons with them (sccp); instructions are folded; the test of a loop moves to its end; blocks are joined. The
    kernels come out as from O3, which takes five times as long.
    """
    try:
        module = binding.parse_assembly(text)
    except RuntimeError as error:
        raise CompileError(f"LLVM does not accept the translated kernel: {str(error).splitlines()[0]}") from error
    builder = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(speed_level=3))
    passes = binding.create_new_module_pass_manager()
    passes.add_sccp_pass()
    passes.add_instruction_combine_pass()
    passes.add_loop_rotate_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, builder)
    return module
