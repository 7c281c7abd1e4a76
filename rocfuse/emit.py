"""`--emit`: call the compiler and pick what was asked for."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from rocfuse.observe import Observer

if TYPE_CHECKING:
    from mlir import ir


def emit(
    arguments: argparse.Namespace,
    module: ir.Module,
    source: str,
    observer: Observer,
    on_remark: Callable[[str, str], None],
) -> dict[str, bytes]:
    """Compile `module` as `arguments` say; the outputs by file suffix, the asked one under the empty suffix."""
    compiler = importlib.import_module("rocfuse.compile")
    from rocfuse.pipeline import parse_options

    def on_stage(name: str) -> None:
        if observer.reproducer:
            observer.reproducer.record(source, None)
        observer.enter(name)

    options = {name: parse_options(text) for name, text in arguments.passes}
    if arguments.emit == "mlir":
        lowered = compiler.lower(module, arguments.target, options=options, on_remark=on_remark, on_stage=on_stage)
        return {"": str(lowered).encode()}
    code = compiler.compile(module, arguments.target, options=options, on_remark=on_remark, on_stage=on_stage)
    if arguments.emit == "llvm":
        return {"": code.llvm.encode()}
    if arguments.emit == "isa":
        return {"": code.isa.encode()}
    if arguments.emit == "obj":
        return {"": code.obj}
    outputs = {"": code.hsaco, ".json": json.dumps(code.contract, indent=2).encode() + b"\n"}
    if arguments.save_isa:
        outputs[".s"] = code.isa.encode()
    return outputs
