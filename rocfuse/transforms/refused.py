"""The exception that carries a refusal out of a matcher; the pass turns it back into a value."""

from __future__ import annotations

from mlir import ir

from rocfuse.diagnostics import Refusal


class Refused(Exception):
    """A matcher found why the program stays as it is."""

    def __init__(self, op: ir.Operation, reason: str) -> None:
        super().__init__(reason)
        self.refusal = Refusal(reason, location=str(op.location))
