"""The plan in the IR: attributes written by rocfuse-plan-kernels, and the numbers that lowering reads from them."""

from __future__ import annotations

from typing import Any

from mlir import ir

from rocfuse.analysis.combine import LineLoad, buffer_name
from rocfuse.analysis.copies import LDS_ACCESS_BYTES, Copy
from rocfuse.analysis.lds import Buffer
from rocfuse.analysis.store_tile import Staging
from rocfuse.analysis.swizzle import Swizzle
from rocfuse.diagnostics import CompileError
from rocfuse.records import record
from rocfuse.targets import MatrixInstruction, Target

# on a step and on a K loop: which of the kernel's K ranges it belongs to
RANGE = "rocfuse.range"
# on a view: the widest aligned access along its contiguous direction, in elements
VECTOR = "rocfuse.vector"


@record
class KernelPlan:
    """One kernel's plan and the instruction that it names.

    `along` is the direction ("m" or "n") in which a lane holds consecutive results; along n the product is computed
    transposed, so that the registers of the instruction's rows become columns of ours.
    """

    tile_m: int
    tile_n: int
    tile_k: int
    waves_m: int
    waves_n: int
    instruction: MatrixInstruction
    along: str
    wave_lanes: int
    names: tuple[str, ...]  # distinct operands, in LDS order
    buffer_names: tuple[str, ...]  # the LDS tile that each uses
    roles: tuple[str, ...]  # of each: "a" or "b"
    copies: tuple[Copy, ...]
    groups: tuple[tuple[int, ...], ...]  # of operands: those of a group are copied side by side, each by some waves
    swizzles: tuple[Swizzle, ...]
    lines: tuple[LineLoad | None, ...]  # by extra operand: how a line is loaded
    through: tuple[int | None, ...]  # the output whose scratch it comes through; neither: each lane reads for itself
    stagings: tuple[Staging | None, ...]  # by output: a wave's scratch; None: lanes store what they hold
    buffers: tuple[Buffer, ...]
    stages: int
    fill: int  # tiles on their way to LDS at once before a K loop
    late_zeros: bool  # accumulators are zeroed when they are there, not while they are on their way
    schedule: str
    group_m: int
    loop_form: str
    lds_bytes: int
    lds_allocated_bytes: int
    register_budget: int

    @property
    def threads(self) -> int:
        """Threads of a workgroup."""
        return self.waves_m * self.waves_n * self.wave_lanes

    @property
    def units(self) -> int:
        """Units of a K step that a thread reads, and writes to LDS."""
        return sum(self.copies[group[0]].parts for group in self.groups)

    def group(self, operand: int) -> tuple[int, ...]:
        """The operands that are copied side by side with this one."""
        return next(group for group in self.groups if operand in group)

    @property
    def block_m(self) -> int:
        """Rows of one accumulator block."""
        return self.instruction.n if self.along == "n" else self.instruction.m

    @property
    def block_n(self) -> int:
        """Columns of one accumulator block."""
        return self.instruction.m if self.along == "n" else self.instruction.n

    @property
    def wave_m(self) -> int:
        """Rows that a wave computes of each product."""
        return self.tile_m // self.waves_m

    @property
    def wave_n(self) -> int:
        """Columns that a wave computes of each product."""
        return self.tile_n // self.waves_n

    @property
    def blocks_m(self) -> int:
        """Accumulator blocks of a wave along m."""
        return self.wave_m // self.block_m

    @property
    def blocks_n(self) -> int:
        """Accumulator blocks of a wave along n, in each product."""
        return self.wave_n // self.block_n

    def buffer(self, operand: int, stage: int) -> Buffer:
        """The planned LDS buffer of an operand's tile."""
        return next(b for b in self.buffers if b.name == self.buffer_names[operand] and b.stage == stage)

    def combine_buffer(self, kind: str, number: int) -> Buffer:
        """The planned LDS buffer of an extra operand ("extra") or an output ("result")."""
        return next(b for b in self.buffers if b.name == buffer_name(kind, number))

    def rows(self, operand: int) -> int:
        """Rows of an operand's tile: of A, or columns of B."""
        return self.tile_m if self.roles[operand] == "a" else self.tile_n

    def sharing(self, element_bytes: int) -> int:
        """Instructions that one 128-bit fragment read feeds."""
        return LDS_ACCESS_BYTES // element_bytes // self.instruction.fragment_elements

    def k_slice(self, element_bytes: int) -> int:
        """k covered by one fragment read of a wave."""
        return self.instruction.k * self.sharing(element_bytes)


def read_plan(attribute: ir.DictAttr, target: Target) -> KernelPlan:
    """Read a `rocfuse.plan` attribute."""
    values = from_attribute(attribute)
    if not isinstance(values, dict):
        raise CompileError(f"a plan is a dictionary, not {attribute}")
    (tile_m, tile_n, tile_k), (waves_m, waves_n) = values["tile"], values["waves"]
    copies, swizzles, names, tiles, roles = [], [], [], [], []
    for entry in values["copies"]:
        names.append(entry.pop("operand"))
        tiles.append(entry.pop("buffer"))
        roles.append(entry.pop("role"))
        swizzle = entry.pop("swizzle")
        swizzles.append(Swizzle(swizzle["chunk"], tuple(swizzle["images"])))
        copies.append(Copy(**entry))
    groups = [tuple(names.index(name) for name in group) for group in values["copied_together"]]
    groups += [(i,) for i, name in enumerate(names) if not any(name in group for group in values["copied_together"])]
    lines = [LineLoad(**one["line"]) if "line" in one else None for one in values["combine"]["operands"]]
    through = [one.get("through") for one in values["combine"]["operands"]]
    stagings = [_staging(one["staging"]) if "staging" in one else None for one in values["combine"]["stores"]]
    buffers = [Buffer(b["name"], b["offset"], b["bytes"], b["live"], b["stage"]) for b in values["lds"]]
    return KernelPlan(
        tile_m,
        tile_n,
        tile_k,
        waves_m,
        waves_n,
        target.matrix_instruction(values["matrix_op"]),
        values["contiguous"],
        target.wave_lanes,
        tuple(names),
        tuple(tiles),
        tuple(roles),
        tuple(copies),
        tuple(sorted(groups)),
        tuple(swizzles),
        tuple(lines),
        tuple(through),
        tuple(stagings),
        tuple(buffers),
        values["stages"],
        values["fill"],
        bool(values["late_zeros"]),
        values["schedule"],
        values["group_m"],
        values["loop_form"],
        values["lds_bytes"],
        values["lds_allocated_bytes"],
        values["register_budget"],
    )


def _staging(values: dict[str, Any]) -> Staging:
    lists: dict[str, Any] = {name: tuple(one) for name, one in values.items() if isinstance(one, list)}
    return Staging(**(values | lists))


def from_attribute(attribute: ir.Attribute) -> object:
    """A plan attribute as Python values: dict, list, int and str."""
    if isinstance(attribute, ir.DictAttr):
        return {named.name: from_attribute(named.attr) for named in attribute}
    if isinstance(attribute, ir.ArrayAttr):
        return [from_attribute(one) for one in attribute]
    return attribute.value


def to_attribute(value: object) -> ir.Attribute:
    """Python dict, list, int and str as attributes."""
    if isinstance(value, dict):
        return ir.DictAttr.get({key: to_attribute(one) for key, one in value.items()})
    if isinstance(value, list | tuple):
        return ir.ArrayAttr.get([to_attribute(one) for one in value])
    if isinstance(value, int):
        return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)
    return ir.StringAttr.get(str(value))
