"""Kernels for bench/account.py: what is drawn, what the plan says of it, and what code generation made of it.

A case is a number and a kind: the same ones draw, with a seed, the same program and the same pinned plan, in any
process.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from bench.decisions import decide, kernel_of
from bench.isa_stats import loop_lines
from bench.plans import LAYERS, ROWS
from rocfuse import gen
from rocfuse.analysis.schedule import ORDERS
from rocfuse.analysis.search import Candidate
from rocfuse.analysis.tiling import LOOP_FORMS, MOST_STAGES, Plan
from rocfuse.codegen.contract import build_contract
from rocfuse.codegen.elf import read_kernels
from rocfuse.codegen.link import link
from rocfuse.compiler import generate
from rocfuse.diagnostics import CompileError
from rocfuse.passes import PassContext
from rocfuse.sim import simulate
from rocfuse.sim.launch import DTYPES
from rocfuse.targets import GFX942
from rocfuse.transforms.plan_kernels import PlanKernels

# A layer that people run, with any of the plans that the planner accepts for it; a random program with a random plan
# that the filter accepts; and such a one that is small enough to be executed.
Kind = Literal["layer", "random", "small"]
PLANNER = PlanKernels.name
# what the simulator executes in about a second: flop of all tiles, those past the edges included
MOST_FLOP = 60_000_000
_TRIES = 60  # plans drawn for one program before the next program is drawn
_EXTENTS = (1, 16, 31, 64, 77, 96, 128, 150, 200, 256, 320, 512, 1000, 2048, 4096)
_SMALL_EXTENTS = (1, 16, 31, 48, 64, 77, 96, 128, 150)
_K = (31, 64, 100, 256, 320, 500, 640, 777, 1000, 1280, 2048, 4095, 4096, 5120)
_SMALL_K = (16, 31, 64, 65, 100, 128, 200)


@dataclass(frozen=True)
class Case:
    """A program, a plan pinned in every part, and the account of it."""

    number: int
    kind: Kind
    program: gen.GenOptions
    pins: Mapping[str, str | int]
    plan: Plan = field(repr=False)
    refused: tuple[str, ...] = ()  # plans drawn before this one that the filter ruled out, with its reason

    @property
    def text(self) -> str:
        """The program as MLIR."""
        return str(gen.build(self.program))


@dataclass(frozen=True)
class Measured:
    """What the account says and what is true, of one case; registers are 32-bit and a lane."""

    number: int
    kind: Kind
    program: dict[str, Any]
    pins: dict[str, str | int]
    tile: str
    need: dict[str, int]  # by purpose
    estimate: int
    budget: int
    planned_lds: int
    registers: int = 0  # of the ELF, accumulation registers included
    agprs: int = 0
    lds: int = 0
    spills: int = 0  # spilled registers, and bytes of scratch
    moves: int = 0  # between the register files in loops
    faults: tuple[str, ...] | None = None  # of the simulator; None: not executed
    error: str = ""  # no code object at all


def draw(number: int, seed: int = 0, kind: Kind = "layer") -> Case:
    """Case `number` of a kind. Random programs and plans are drawn until the filter accepts one."""
    chance = random.Random(f"{seed}/{number}/{kind}")
    if kind == "layer":
        return _of_layer(number, chance)
    small = kind == "small"
    refused: list[str] = []
    while True:
        program = _program(chance, small)
        _module, kernel = kernel_of(str(gen.build(program)))
        for _ in range(_TRIES):
            pins = _pins(chance, program)
            try:
                decision = PlanKernels(**pins).decide(kernel, PassContext(GFX942, refusal_is_error=True))
            except CompileError as error:
                refused.append(str(error))
                continue
            case = Case(number, kind, program, pins, decision.chosen, tuple(refused))
            if not small or _flop(case) <= MOST_FLOP:
                return case


def _of_layer(number: int, chance: random.Random) -> Case:
    """Each plan that the planner accepts for a layer is as likely as the others."""
    layer = chance.choice(LAYERS)
    program = gen.GenOptions(
        pattern=chance.choice(gen.CHOICES["pattern"]),
        m=chance.choice(ROWS),
        n=layer.n,
        k=layer.k,
        combine=layer.combine,
        bias=layer.bias,
        layout=chance.choice(gen.CHOICES["layout"]),
        dtype=chance.choice(gen.CHOICES["dtype"]),
    )
    results = decide(str(gen.build(program))).results
    plan = chance.choice([one.plan for one in results if isinstance(one, Candidate)])
    pins = asdict(plan.tiling) | {"group_m": plan.group_m}
    return Case(number, "layer", program, pins, plan)


def _program(chance: random.Random, small: bool) -> gen.GenOptions:
    extents, ks = (_SMALL_EXTENTS, _SMALL_K) if small else (_EXTENTS, _K)
    return gen.GenOptions(
        pattern=chance.choice(gen.CHOICES["pattern"]),
        m=chance.choice(extents),
        n=chance.choice(extents),
        k=chance.choice(ks),
        batch=chance.choice((None, None, None, 2)),
        gemms=chance.choice((1, 2, 2, 3)),
        combine=chance.choice(gen.COMBINES),
        bias=chance.choice(gen.CHOICES["bias"]),
        layout=chance.choice(gen.CHOICES["layout"]),
        dtype=chance.choice(gen.CHOICES["dtype"]),
        residual=chance.random() < 0.3,
    )


def _pins(chance: random.Random, program: gen.GenOptions) -> dict[str, Any]:
    """Tiles reach past the matrix, but not by more than a half: blocks that no wave stores need no registers."""
    sizes = (16, 32, 64, 128, 256)
    return {
        "tile_m": chance.choice([size for size in sizes if size < 2 * max(program.m, 16)]),
        "tile_n": chance.choice([size for size in sizes if size < 2 * max(program.n, 16)]),
        "tile_k": chance.choice((16, 32, 32, 64, 64, 128)),
        "stages": chance.randint(1, MOST_STAGES),
        "waves_m": chance.choice((1, 2, 4)),
        "waves_n": chance.choice((1, 2, 4)),
        "matrix_op": chance.choice([row.name for row in GFX942.matrix_instructions]),
        "schedule": chance.choice(("plain", *ORDERS)),
        "loop_form": chance.choice(LOOP_FORMS),
        "group_m": chance.choice((1, 2, 4)),
    }


def _flop(case: Case) -> int:
    """Of every tile as a whole."""
    o, tiling = case.program, case.plan.tiling
    m, n, k = ((-(-size // tile)) * tile for size, tile in (
        (o.m, tiling.tile_m), (o.n, tiling.tile_n), (o.k, tiling.tile_k)))  # fmt: skip
    return 2 * (o.batch or 1) * o.gemms * m * n * k


def measure(case: Case, execute: bool) -> Measured:
    """Compile a case and read the ELF; `execute` runs the whole grid in the simulator with every check on."""
    plan = case.plan
    tile = plan.tiling.text(case.program.gemms)
    result = Measured(
        case.number, case.kind, asdict(case.program), dict(case.pins), tile, asdict(plan.registers),
        plan.registers.total, plan.register_budget, plan.lds.bytes,
    )  # fmt: skip
    options = {PLANNER: {name.replace("_", "-"): str(value) for name, value in case.pins.items()}}
    try:
        code = generate(case.text, GFX942.name, options=options)
        hsaco = link(code.obj)
    except CompileError as error:
        return replace(result, error=str(error))
    (kernel,) = read_kernels(hsaco)
    facts = kernel.metadata
    result = replace(
        result,
        registers=facts[".vgpr_count"],
        agprs=facts.get(".agpr_count", 0),
        lds=facts[".group_segment_fixed_size"],
        spills=facts[".vgpr_spill_count"] + facts[".sgpr_spill_count"] + facts[".private_segment_fixed_size"],
        moves=loop_moves(code.isa),
    )
    try:
        contract = build_contract(code.facts, hsaco, GFX942)
    except CompileError as error:
        return replace(result, error=str(error))
    return replace(result, faults=_execute(hsaco, contract)) if execute else result


def _execute(hsaco: bytes, contract: dict[str, Any]) -> tuple[str, ...]:
    """What the simulator's checker has to say of the whole grid."""
    chance = np.random.default_rng(0)
    arguments = {one["name"]: one for one in contract["kernels"][0]["args"]}
    arrays = []
    for name in contract["inputs"]:
        entry = arguments[name]
        arrays.append((0.5 * chance.standard_normal(entry["shape"], np.float32)).astype(DTYPES[entry["dtype"]]))
    return tuple(str(fault) for fault in simulate(hsaco, contract, arrays, processes=1).faults)


def loop_moves(isa: str) -> int:
    """Copies between the register files between a label of assembly text and a branch back to it."""
    return sum("v_accvgpr" in line for line in loop_lines(isa))
