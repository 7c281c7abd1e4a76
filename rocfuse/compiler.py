"""The Python API: `rocfuse.compile(text_or_module)` does what the command does."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlir import ir

from rocfuse.codegen import link, llvm
from rocfuse.codegen.contract import KernelFacts, build_contract
from rocfuse.diagnostics import UsageError
from rocfuse.dialect import MULTI_GEMM, create_context, walk
from rocfuse.fused_kernel import read_kernel, require_kernel
from rocfuse.passes import PassContext
from rocfuse.pipeline import default_pipeline, mlir_failure, parse_options, run_pipeline
from rocfuse.records import record
from rocfuse.targets import get_target
from rocfuse.tuning_db import TuningDb, read

if TYPE_CHECKING:
    import numpy as np

    from rocfuse.sim import SimulationResult

Options = Mapping[str, str | Mapping[str, str | int]]
OnRemark = Callable[[str, str], None]
OnStage = Callable[[str], None]


@record
class CodeObject:
    """A compiled module: a kernel a function. `llvm`, `obj` and `isa` are the same kernels on their way to `hsaco`."""

    hsaco: bytes
    contract: dict[str, Any]
    machine_code: llvm.MachineCode = field(repr=False)
    llvm: str
    input_ir: str = field(repr=False)

    def __repr__(self) -> str:
        kernels = ", ".join(entry["name"] for entry in self.contract["kernels"])
        return f"CodeObject({kernels} for {self.contract['target']}, {len(self.hsaco)} B)"

    @property
    def obj(self) -> bytes:
        """The object file that was linked."""
        return self.machine_code.obj

    @property
    def isa(self) -> str:
        """The assembly of all kernels, made when it is first asked for."""
        return self.machine_code.isa

    @property
    def plan(self) -> dict[str, Any]:
        """The contract's entry of the one kernel: tile, LDS, registers, grid. Raises UsageError for several."""
        kernels: list[dict[str, Any]] = self.contract["kernels"]
        if len(kernels) != 1:
            names = ", ".join(entry["name"] for entry in kernels)
            raise UsageError(f'plan: need 1 kernel, have {len(kernels)} ({names}); read contract["kernels"]')
        return kernels[0]

    def simulate(self, *arrays: np.ndarray, **options: Any) -> SimulationResult:
        """Execute the code object on the CPU; arrays in the order of `contract["inputs"]`. See rocfuse.sim.simulate."""
        from rocfuse.sim import simulate

        return simulate(self.hsaco, self.contract, arrays, **options)


@record
class Generated:
    """Object code that is not linked yet."""

    machine_code: llvm.MachineCode = field(repr=False)
    llvm: str = field(repr=False)
    facts: tuple[KernelFacts, ...]

    @property
    def obj(self) -> bytes:
        """The object file."""
        return self.machine_code.obj

    @property
    def isa(self) -> str:
        """The assembly, made when it is first asked for."""
        return self.machine_code.isa


@dataclass
class _Capture:
    """Watches the pipeline: refuses to go on without a kernel, and keeps what the contract needs of the plan."""

    context: PassContext
    on_stage: OnStage | None
    facts: list[KernelFacts] = field(default_factory=list)

    def before(self, index: int, element: str, module: ir.Module) -> None:
        """Tell which stage starts."""
        if self.on_stage:
            self.on_stage(element)

    def after(self, index: int, element: str, module: ir.Module) -> None:
        """Stop at a refusal, which may come before fusing; read after planning."""
        if self.context.refusals or element.startswith("rocfuse-form-multi-gemm"):
            require_kernel(module, self.context)
        if element.startswith("rocfuse-plan-kernels"):
            self.facts = [KernelFacts.of(read_kernel(op.parent)) for op in walk(module, MULTI_GEMM)]


def lower(
    text_or_module: str | ir.Module,
    target: str = "gfx942",
    *,
    options: Options | None = None,
    on_remark: OnRemark | None = None,
    on_stage: OnStage | None = None,
    tuning_db: str | Path | TuningDb | None = None,
) -> ir.Module:
    """Run the whole pass pipeline; the module in the llvm form. Raises CompileError and UsageError."""
    module, _ = _lower(text_or_module, target, options, on_remark, on_stage, tuning_db)
    return module


def generate(
    text_or_module: str | ir.Module,
    target: str = "gfx942",
    *,
    options: Options | None = None,
    on_remark: OnRemark | None = None,
    on_stage: OnStage | None = None,
    tuning_db: str | Path | TuningDb | None = None,
) -> Generated:
    """Compile a module up to object code, before the linker. Parameters and errors as for `compile`."""
    row = get_target(target)
    stage = on_stage or (lambda name: None)
    with _collector_paused():
        module, facts = _lower(text_or_module, target, options, on_remark, on_stage, tuning_db)
        stage("translate")
        text = llvm.translate(module)
        stage("llvm")
        code = llvm.generate(text, row)
    return Generated(code, text, tuple(facts))


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Without the cyclic collector, if it was on: a compilation makes many objects at once and next to no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def compile(
    text_or_module: str | ir.Module,
    target: str = "gfx942",
    *,
    options: Options | None = None,
    on_remark: OnRemark | None = None,
    on_stage: OnStage | None = None,
    tuning_db: str | Path | TuningDb | None = None,
) -> CodeObject:
    """Compile a module to a code object and its contract.

    A module whose context came from `rocfuse.dialect.create_context` is lowered in place; any other stays as it is.
    `options` maps pass names to options, `{"rocfuse-plan-kernels": {"tile-m": 128, "objective": "latency"}}`, or to
    their text, `"tile-m=128,objective=latency"`; `on_remark(location, message)` receives remarks and
    `on_stage(name)` the name of each stage as it starts; `tuning_db` is a file that `rocfuse.tune` wrote. Raises
    CompileError for a program that cannot be compiled, UsageError for wrong options.
    """
    source = text_or_module if isinstance(text_or_module, str) else str(text_or_module)
    stage = on_stage or (lambda name: None)
    with link.Linker() as linker:

        def enter(name: str) -> None:
            stage(name)
            if name == "llvm":
                linker.start()

        code = generate(
            text_or_module, target, options=options, on_remark=on_remark, on_stage=enter, tuning_db=tuning_db
        )
        stage("link")
        hsaco = linker.link(code.obj)
    stage("contract")
    contract = build_contract(code.facts, hsaco, get_target(target))
    for kernel in contract["kernels"]:
        if on_remark and (kernel["spills"] or kernel["scratch_bytes"]):
            spilled = f"{kernel['spills']} registers spilled, {kernel['scratch_bytes']} B of scratch"
            on_remark("", f"{kernel['name']}: {spilled}: it needs more than was estimated; try a smaller tile")
    return CodeObject(hsaco, contract, code.machine_code, code.llvm, source)


def _lower(
    text_or_module: str | ir.Module,
    target: str,
    options: Options | None,
    on_remark: OnRemark | None,
    on_stage: OnStage | None,
    tuning_db: str | Path | TuningDb | None,
) -> tuple[ir.Module, Sequence[KernelFacts]]:
    if not isinstance(text_or_module, str | ir.Module):
        raise UsageError(f"the program: need MLIR text or an ir.Module, have {type(text_or_module).__name__}")
    pipeline = default_pipeline(_option_texts(options or {}))
    module = text_or_module if isinstance(text_or_module, ir.Module) else _parse(text_or_module)
    if not module.context.is_registered_operation(MULTI_GEMM):  # the caller's own context: MLIR would abort
        module = _parse(module.operation.get_asm(enable_debug_info=True))
    tuning = read(tuning_db) if isinstance(tuning_db, str | Path) else tuning_db
    context = PassContext(get_target(target), on_remark, refusal_is_error=True, tuning=tuning)
    capture = _Capture(context, on_stage)
    run_pipeline(module, pipeline, context, capture)
    return module, capture.facts


def _option_texts(options: Options) -> dict[str, dict[str, str]]:
    """The options as the texts that a command line gives. Raises UsageError for what is of another form."""
    if not isinstance(options, Mapping):
        raise UsageError(
            f"options: need a dict of pass names, {{'PASS': {{'NAME': value}}}}, have {type(options).__name__}"
        )
    texts: dict[str, dict[str, str]] = {}
    for name, given in options.items():
        values = parse_options(given) if isinstance(given, str) else given
        if not isinstance(values, Mapping):
            raise UsageError(
                f"{name}: need a dict of options or their text, 'NAME=value,…', have {type(given).__name__}"
            )
        for key, value in values.items():
            if not isinstance(value, str | int):
                raise UsageError(f"{name}: option '{key}' takes a str, int or bool, not {type(value).__name__}")
        texts[name] = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in values.items()}
    return texts


def _parse(text: str) -> ir.Module:
    with create_context():
        try:
            return ir.Module.parse(text)
        except ir.MLIRError as error:
            raise mlir_failure(error, "parsing") from error
