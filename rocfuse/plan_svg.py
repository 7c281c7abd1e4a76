"""The drawing of `rocfuse.plan`: LDS over a loop iteration, the register budget, and who owns which element."""

from __future__ import annotations

import colorsys
import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlir import ir

from rocfuse.analysis import schedule
from rocfuse.analysis.schedule import Phase, Shape
from rocfuse.lowering.lanes import Chunk, Lanes
from rocfuse.plan_attributes import KernelPlan, read_plan
from rocfuse.targets import Target
from rocfuse.transforms.plan_kernels import Decision, plan_attribute

_WIDTH, _MARGIN = 1080, 20
_LDS_LEFT, _LDS_HEIGHT = 150, 300
_TILE = 480  # pixels of the longer side of the workgroup's tile, and of the enlarged block
_LOOP_PARTS = (("fragments", "#66ccee"), ("copies", "#ccbb44"), ("addresses", "#aa3377"))
_OPERANDS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
_USES = {"write": "written", "read": "read", "both": "read and written", "idle": "not accessed"}


@dataclass
class _Canvas:
    """Elements of a drawing, and how far down it reaches."""

    parts: list[str] = field(default_factory=list)
    y: float = _MARGIN

    def text(self, x: float, y: float, text: str, size: int = 12, anchor: str = "start") -> None:
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}">{html.escape(text)}</text>'
        )

    def rect(self, x: float, y: float, width: float, height: float, fill: str, title: str = "", more: str = "") -> None:
        inside = f"<title>{html.escape(title)}</title>" if title else ""
        box = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
        self.parts.append(f'<rect {box} fill="{fill}" {more}>{inside}</rect>')

    def line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        dash = 'stroke="#cc3311" stroke-dasharray="5 3"'
        self.parts.append(f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" {dash}/>')

    def heading(self, text: str) -> None:
        self.y += 28
        self.text(_MARGIN, self.y, text, 15)
        self.y += 14


def draw(found: Mapping[str, Any], decisions: Sequence[Decision], target: Target) -> str:
    """The drawing of a module's kernels, one below the other. `found` is their report; needs a current context."""
    canvas = _Canvas()
    for number, (kernel, decision) in enumerate(zip(found["kernels"], decisions, strict=True)):
        attribute = plan_attribute(decision, target)
        plan = read_plan(ir.DictAttr(attribute), target)
        canvas.heading(f"{kernel['name']}: {kernel['plan']['text']} on {target.name}")
        _draw_lds(canvas, kernel["lds"], plan)
        _draw_registers(canvas, kernel["registers"])
        _draw_owners(canvas, kernel, plan, f"k{number}")
    size = f'width="{_WIDTH}" height="{canvas.y + _MARGIN:g}" viewBox="0 0 {_WIDTH} {canvas.y + _MARGIN:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
    hatch = '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    hatch += '<path d="M0 0V6" stroke="#ffffff" stroke-width="3"/></pattern>'
    background = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return "\n".join([head, f"<defs>{hatch}</defs>", background, *canvas.parts, "</svg>"]) + "\n"


def uses(phase: Phase, tile: int, stage: int, stages: int) -> str:
    """What a phase does with a stage while tile number `tile` of an iteration is multiplied: a key of `_USES`."""
    distance = (stage - tile) % stages
    read, written = distance in phase.reads, distance in phase.writes
    return "both" if read and written else "read" if read else "write" if written else "idle"


def shape_of(plan: KernelPlan) -> Shape:
    """How many steps a tile has, as the pipelining pass counts them."""
    slices, per_gemm = plan.tile_k // plan.k_slice(2), plan.blocks_m * plan.blocks_n
    fragments = sum(plan.blocks_m if role == "a" else plan.blocks_n for role in plan.roles)
    return Shape(slices, per_gemm * plan.roles.count("b"), fragments, plan.units, plan.stages)


def _draw_lds(canvas: _Canvas, lds: Mapping[str, Any], plan: KernelPlan) -> None:
    """Offset downwards, phases of the loop to the right: one group of them for each stage, as the loop is unrolled."""
    canvas.heading("LDS: bytes by offset, over the phases of one iteration of the K loop (barriers between them)")
    phases = schedule.phases(plan.schedule, shape_of(plan))
    columns = [(tile, phase) for tile in range(plan.stages) for phase in phases]
    scale, width = _LDS_HEIGHT / lds["limit_bytes"], (_WIDTH - _LDS_LEFT - 90) / (len(columns) + 1)
    top = canvas.y + 34
    colours = dict(zip(dict.fromkeys(b["name"] for b in lds["buffers"]), _OPERANDS * 9, strict=False))
    for number, (tile, phase) in enumerate(columns):
        x = _LDS_LEFT + number * width
        if phase is phases[0]:
            canvas.text(x, canvas.y + 12, f"tile i+{tile}" if tile else "tile i")
        canvas.text(x, canvas.y + 28, ("multiply" if phase.multiplies else "move") if width > 45 else "", 10)
        for buffer in (one for one in lds["buffers"] if one["live"] == "loop"):
            use = uses(phase, tile, buffer["stage"], plan.stages)
            title = f"{buffer['name']} stage {buffer['stage']}: {_USES[use]}"
            box = (x, top + buffer["offset"] * scale, width - 2, buffer["bytes"] * scale)
            canvas.rect(*box, colours[buffer["name"]], title, f'fill-opacity="{0.25 if use == "idle" else 0.9}"')
            if use in ("write", "both"):
                canvas.rect(*box, "url(#hatch)", title, 'fill-opacity="0.6"')
    end = _LDS_LEFT + len(columns) * width
    after = [buffer for buffer in lds["buffers"] if buffer["live"] == "combine"]
    canvas.text(end, canvas.y + 12, "combine" if after else "combine: free")
    low = canvas.y
    for buffer in after:
        y = top + buffer["offset"] * scale
        title = f"{buffer['name']}: {buffer['bytes']} B at {buffer['offset']}, when the loop is done"
        canvas.rect(end, y, width - 2, buffer["bytes"] * scale, colours[buffer["name"]], title)
        low = max(low + 11, y + 10)  # thin buffers lie close together
        canvas.text(end + 3, low, buffer["name"], 10)
    for buffer in (one for one in lds["buffers"] if one["live"] == "loop"):
        y = top + buffer["offset"] * scale
        canvas.text(_LDS_LEFT - 6, y + 10, f"{buffer['name']} stage {buffer['stage']}", 10, "end")
        canvas.text(_MARGIN, y + 10, str(buffer["offset"]), 10)
    for name, key in (("allocated", "allocated_bytes"), ("limit", "limit_bytes")):
        y = top + lds[key] * scale
        canvas.line(_LDS_LEFT - 10, y, _WIDTH - 84, y)
        if key == "limit_bytes" or lds[key] * scale < _LDS_HEIGHT - 14:
            canvas.text(_WIDTH - 80, y + 4, f"{name} {lds[key]}", 10)
    canvas.y = top + _LDS_HEIGHT + 16
    lagging = "; half of the waves are a phase behind" if plan.schedule == "ping-pong" else ""
    canvas.text(_LDS_LEFT, canvas.y, f"solid: read by fragments; hatched: written; pale: not accessed{lagging}", 10)


def _draw_registers(canvas: _Canvas, registers: Mapping[str, int]) -> None:
    canvas.heading("Registers a lane: the estimate against the budget of a wave")
    scale = (_WIDTH - 2 * _MARGIN - 60) / max(registers["limit"], registers["total"])
    loop = sum(registers[name] for name, _ in _LOOP_PARTS)
    top, shared = canvas.y, registers["accumulators"]
    after = shared + max(loop, registers["combine"])
    parts = [("accumulators", "#4477aa", 0, top, 26), ("overhead", "#bbbbbb", after, top, 26)]
    for name, colour in _LOOP_PARTS:  # alive in the loop, above what the combine has in their place
        parts.append((name, colour, shared, top, 13))
        shared += registers[name]
    parts.append(("combine", "#ee6677", registers["accumulators"], top + 13, 13))
    for number, (name, colour, at, y, height) in enumerate(parts):
        x = _MARGIN + at * scale
        canvas.rect(x, y, registers[name] * scale, height, colour, f"{name}: {registers[name]}")
        canvas.text(x + 3, top + 40 + 13 * (number % 3), f"{name} {registers[name]}", 10)
    for name in ("budget", "limit"):
        end = _MARGIN + registers[name] * scale
        canvas.line(end, canvas.y - 4, end, canvas.y + 30)
        if name == "budget" or registers["limit"] != registers["budget"]:
            canvas.text(end + 3, canvas.y + 18, f"{name} {registers[name]}", 10)
    canvas.y += 72


@dataclass(frozen=True)
class Block:
    """One accumulator block of one wave: its place in the workgroup's tile, and the lanes' runs inside it."""

    wave: int
    m: int
    n: int
    runs: tuple[tuple[int, int, int, int], ...]  # lane, m, n, first register; `width` elements each
    width: int


def owners(plan: KernelPlan) -> Iterator[Block]:
    """Every accumulator block of a workgroup, evaluated from the terms that the lowering emits."""
    for wave in range(plan.waves_m * plan.waves_n):
        threads = range(wave * plan.wave_lanes, (wave + 1) * plan.wave_lanes)
        lanes = [Lanes(plan, thread) for thread in threads]
        for i in range(plan.blocks_m):
            for j in range(plan.blocks_n):
                found = [(lane, chunk) for lane, one in enumerate(lanes) for chunk in one.chunks(i, j)]
                runs = [(lane, *_numbers(chunk), chunk.first) for lane, chunk in found]
                m, n = min(run[1] for run in runs), min(run[2] for run in runs)
                inside = tuple((lane, at_m - m, at_n - n, first) for lane, at_m, at_n, first in runs)
                yield Block(wave, m, n, inside, found[0][1].width)


def _numbers(chunk: Chunk) -> tuple[int, int]:
    """(m, n) of a chunk of one thread given as a number."""
    assert isinstance(chunk.m, int) and isinstance(chunk.n, int)
    return chunk.m, chunk.n


def _draw_owners(canvas: _Canvas, kernel: Mapping[str, Any], plan: KernelPlan, prefix: str) -> None:
    """The tile of each GEMM with its blocks, and the first block enlarged; the same runs are drawn once and used."""
    each = "of each GEMM, " if kernel["gemms"] > 1 else ""
    size = f"{plan.tile_m} x {plan.tile_n}"
    canvas.heading(f"Who owns which element: the {size} tile {each}coloured by wave, shaded by lane")
    blocks = list(owners(plan))
    patterns: dict[tuple[tuple[int, int, int, int], ...], str] = {}
    for block in blocks:
        patterns.setdefault(block.runs, f"{prefix}p{len(patterns)}")
    wide = plan.along == "n"
    for runs, name in patterns.items():
        canvas.parts.append(f'<defs><g id="{name}">{"".join(_runs(runs, blocks[0].width, wide, plan))}</g></defs>')
    top, scale = canvas.y + 18, _TILE / max(plan.tile_m, plan.tile_n)
    canvas.text(_MARGIN, canvas.y + 10, f"n to the right, m downwards; {len(blocks)} blocks", 10)
    canvas.parts.append(f'<g transform="translate({_MARGIN} {top:g}) scale({scale:g})">')
    for block in blocks:
        fill = _wave_colour(block.wave, plan)
        place = f'x="{block.n}" y="{block.m}" fill="{fill}"'
        title = f"<title>wave {block.wave}, block at m {block.m}, n {block.n}</title>"
        canvas.parts.append(f'<use href="#{patterns[block.runs]}" {place}>{title}</use>')
        outline = f'stroke="#ffffff" stroke-width="{1.2 / scale:g}" pointer-events="none"'
        canvas.rect(block.n, block.m, plan.block_n, plan.block_m, "none", "", outline)
    canvas.parts.append("</g>")
    for wave in range(plan.waves_m * plan.waves_n):
        first = next(block for block in blocks if block.wave == wave)
        x, y = _MARGIN + first.n * scale + 5, top + first.m * scale + 16
        canvas.parts.append(f'<g paint-order="stroke" stroke="#ffffff" stroke-width="3">{_label(x, y, wave)}</g>')
    _draw_block(canvas, blocks[0], plan, wide)
    canvas.y = top + _TILE + 10


def _label(x: float, y: float, wave: int) -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="12">wave {wave}</text>'


def _runs(runs: Sequence[tuple[int, int, int, int]], width: int, wide: bool, plan: KernelPlan) -> Iterator[str]:
    for lane, m, n, first in runs:
        shade = 0.3 + 0.7 * lane / (plan.wave_lanes - 1)
        box = f'width="{width if wide else 1}" height="{1 if wide else width}" fill-opacity="{shade:.2f}"'
        title = f"<title>lane {lane}, registers {first} to {first + width - 1}</title>"
        yield f'<rect x="{n}" y="{m}" {box}>{title}</rect>'


def _draw_block(canvas: _Canvas, block: Block, plan: KernelPlan, wide: bool) -> None:
    """One block with the number of the lane on every run."""
    left, scale = _WIDTH - _MARGIN - _TILE, _TILE / max(plan.block_m, plan.block_n)
    text = f"the {plan.block_m} x {plan.block_n} block of wave {block.wave} at m {block.m}, n {block.n}: lane numbers"
    canvas.text(left, canvas.y + 10, text, 10)
    fill = _wave_colour(block.wave, plan)
    for lane, m, n, first in block.runs:
        width, height = (block.width, 1) if wide else (1, block.width)
        x, y = left + n * scale, canvas.y + 18 + m * scale
        title = f"lane {lane}, registers {first} to {first + block.width - 1}"
        shade = f'fill-opacity="{0.3 + 0.7 * lane / (plan.wave_lanes - 1):.2f}" stroke="#ffffff" stroke-width="0.5"'
        canvas.rect(x, y, width * scale, height * scale, fill, title, shade)
        canvas.text(x + width * scale / 2, y + height * scale / 2 + 4, str(lane), 10, "middle")


def _wave_colour(wave: int, plan: KernelPlan) -> str:
    red, green, blue = colorsys.hls_to_rgb(wave / (plan.waves_m * plan.waves_n), 0.55, 0.65)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
