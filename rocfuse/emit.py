"""`--emit`: call the compiler and pick what was asked for."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rocfuse.observe import Observer
from rocfuse.pipeline import pass_options

if TYPE_CHECKING:
    from mlir import ir

    from rocfuse.tuning_db import TuningDb


def emit(
    arguments: argparse.Namespace,
    module: ir.Module,
    source: str,
    observer: Observer,
    on_remark: Callable[[str, str], None],
    tuning: TuningDb | None,
) -> dict[str, bytes]:
    """Compile `module` as `arguments` say; the outputs by file suffix, the asked one under the empty suffix."""
    compiler = importlib.import_module("rocfuse.compiler")
    stages = _Stages(module, source, observer)
    settings: dict[str, Any] = {
        "options": pass_options(arguments.passes),
        "on_remark": on_remark,
        "on_stage": stages.enter,
        "tuning_db": tuning,
    }
    if arguments.emit == "mlir":
        lowered = compiler.lower(module, arguments.target, **settings)
        stages.enter("")
        return {"": str(lowered).encode()}
    produce = compiler.compile if arguments.emit == "hsaco" else compiler.generate
    code = produce(module, arguments.target, **settings)
    stages.enter("")
    artifacts = {"llvm.ll": code.llvm.encode()}
    if observer.dump_folder or arguments.emit == "isa" or arguments.save_isa:
        artifacts["isa.s"] = code.isa.encode()
    if arguments.emit == "hsaco":
        artifacts["kernel.hsaco"] = code.hsaco
    for name, data in artifacts.items():
        stages.index += 1
        observer.artifact(stages.index, name, data)
    if arguments.emit != "hsaco":
        return {
            "": code.obj if arguments.emit == "obj" else artifacts[{"llvm": "llvm.ll", "isa": "isa.s"}[arguments.emit]]
        }
    contract = json.dumps(code.contract, indent=2).encode() + b"\n"
    return {"": code.hsaco, ".json": contract, **({".s": artifacts["isa.s"]} if arguments.save_isa else {})}


@dataclass
class _Stages:
    """Turns the compiler's stage names into the observer's events; the compiler rewrites `module` in place."""

    module: ir.Module
    source: str
    observer: Observer
    index: int = 0
    running: str = ""

    def enter(self, name: str) -> None:
        """A stage starts (or, with an empty name, none does), so the one before it is done."""
        if self.running.startswith("rocfuse-"):
            self.observer.after(self.index, self.running, self.module)
        if name.startswith("rocfuse-"):
            self.index += 1
            self.observer.before(self.index, name, self.module)
        elif name:
            if self.observer.reproducer:
                self.observer.reproducer.record(self.source, None)
            self.observer.enter(name)
        self.running = name
