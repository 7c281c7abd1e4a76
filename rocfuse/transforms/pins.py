"""What a user pins of a plan, and by what: pass options, a perf config, an attribute in the program, a tuning db."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlir import ir

from rocfuse.analysis import perf_config
from rocfuse.diagnostics import CompileError, UsageError
from rocfuse.dialect import CONFIG
from rocfuse.records import record
from rocfuse.targets import Target


@record
class Source:
    """The fields of a plan that one place pins; values as `perf_config.parse` gives them."""

    name: str  # as a user knows it: "pass options", "perf-config", "rocfuse.config", a tuning db's file
    values: Mapping[str, Any]


@record
class Pins:
    """All sources of a kernel, the strongest first: what several of them pin is what the first of these says."""

    sources: tuple[Source, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """Field -> value, in the order of the perf config."""
        found = {field: value for source in reversed(self.sources) for field, value in source.values.items()}
        return {field: found[field] for field in perf_config.FIELDS if field in found}

    @property
    def tiling(self) -> dict[str, Any]:
        """The fields that are Tiling's."""
        return {field: value for field, value in self.values.items() if field != "group_m"}

    @property
    def group_m(self) -> int | None:
        """Rows of tiles in a group of the grid."""
        return self.values.get("group_m")

    def then(self, weaker: Source) -> Pins:
        """These pins, and where they say nothing, those of `weaker`."""
        return Pins((*self.sources, weaker))

    def without(self, field: str) -> Pins:
        """These pins, with one field left open."""
        kept = ({k: v for k, v in source.values.items() if k != field} for source in self.sources)
        return Pins(tuple(Source(s.name, values) for s, values in zip(self.sources, kept, strict=True)))

    def text(self) -> str:
        """`tile-m=64 by pass options (rocfuse.config says 128), tile-n=64 by rocfuse.config`."""
        return ", ".join(self._field_text(field) for field in self.values)

    def _field_text(self, field: str) -> str:
        (first, value), *rest = ((s.name, s.values[field]) for s in self.sources if field in s.values)
        others = [f"{name} says {other}" for name, other in rest if other != value]
        return f"{field.replace('_', '-')}={value} by {first}" + (f" ({', '.join(others)})" if others else "")


def source_of_line(name: str, line: str, target: Target) -> Source:
    """The source that is one perf config. Raises UsageError where it cannot be read, or for another target."""
    values = perf_config.parse(line)
    if "matrix_op" in values:
        target.matrix_instruction(str(values["matrix_op"]))
    return Source(name, values)


def source_of_attribute(gemm: ir.Operation, target: Target) -> Source | None:
    """`rocfuse.config` of a multi_gemm, or else of the function around it. Raises CompileError where it is no line."""
    for op in (gemm, gemm.parent.operation):
        if CONFIG not in op.attributes:
            continue
        attribute = op.attributes[CONFIG]
        if not isinstance(attribute, ir.StringAttr):
            raise CompileError(f"{CONFIG}: need a perf config in quotes, have {attribute}", str(op.location))
        try:
            return source_of_line(CONFIG, attribute.value, target)
        except UsageError as error:
            raise CompileError(f"{CONFIG}: {error}", str(op.location)) from error
    return None
