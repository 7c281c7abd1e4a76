"""Static figures of the hottest loop of a gfx9 kernel, from its assembly text or its code object.

    python bench/isa_stats.py FILE.s|FILE.hsaco … [--json] [--no-mca]

`u1` is matrix cycles / (matrix cycles + issue cycles of all other instructions): one wave, nothing overlapped. `mca` is
matrix cycles / llvm-mca's cycles of the loop, one wave. The loop is the innermost one with most matrix instructions.
A figure that cannot be measured is "n/a".
"""

from __future__ import annotations

import argparse
import collections
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rocfuse.codegen.elf import read_kernels
from rocfuse.diagnostics import RocfuseError
from rocfuse.sim.decode import Instruction, decode_binary, decode_text
from rocfuse.targets import GFX942, TARGETS, MatrixInstruction, Target

NOT_MEASURED = "n/a"
Figure = float | str  # a number or NOT_MEASURED
ISSUE_CYCLES = 4  # a 16-lane SIMD issues one instruction of a 64-lane wave in 4 cycles [CDNA3 ISA guide]
MCA_SLOT_CYCLES = 4  # llvm-mca's gfx9 model counts in issue slots
MCA_ITERATIONS = 50
TEXT_SUFFIXES = (".s", ".rocmasm")
MCA_TOOLS = ("llvm-mca-19", "llvm-mca-20", "llvm-mca-21", "llvm-mca")
CLASSES = (
    (r"v_(mfma|smfmac)", "matrix"),
    (r"v_accvgpr", "accvgpr"),
    (r"ds_(read|load)", "ds_read"),
    (r"ds_(write|store)", "ds_write"),
    (r"ds_", "ds_other"),
    (r"(buffer|global|flat)_load\w*_lds|(buffer|global)_load.*\blds\b", "load_to_lds"),
    (r"(buffer|global|flat)_load", "global_load"),
    (r"(buffer|global|flat)_store", "global_store"),
    (r"scratch_", "scratch"),
    (r"s_(buffer_)?load", "smem"),
    (r"s_barrier", "barrier"),
    (r"s_wait", "wait"),
    (r"s_(nop|sleep|setprio|sethalt|code_end|set_gpr|inst_prefetch|endpgm|sched)", "misc"),
    (r"s_(cbranch|branch|setpc|call)", "branch"),
    (r"s_", "salu"),
    (r"v_", "valu"),
)
_BYTES = {"dwordx4": 16, "dwordx3": 12, "dwordx2": 8, "dword": 4, "ushort": 2, "short": 2, "ubyte": 1, "byte": 1}


@dataclass(frozen=True)
class LoopStats:
    """One kernel's row; cycles and bytes are those of one wave and one trip."""

    kernel: str
    target: str
    instructions: int
    classes: dict[str, int]
    matrix_ops: dict[str, int]
    matrix_cycles: Figure
    flop: Figure
    global_bytes: int
    flop_per_global_byte: Figure
    u1: Figure
    mca: Figure
    mca_cycles: Figure = NOT_MEASURED
    mca_note: str = ""
    loads: dict[str, int] = field(default_factory=dict)

    def count(self, *names: str) -> int:
        """Instructions of the classes `names`."""
        return sum(self.classes.get(name, 0) for name in names)


def loop_lines(isa: str) -> list[str]:
    """The lines of assembly text between a label and a branch back to it."""
    lines = isa.splitlines()
    labels = {line.partition(":")[0]: at for at, line in enumerate(lines) if line.startswith(".LBB")}
    inside: set[int] = set()
    for at, line in enumerate(lines):
        branch = re.match(r"\s+s_c?branch\w*\s+(\.LBB\w+)", line)
        if branch and labels[branch[1]] < at:
            inside.update(range(labels[branch[1]], at))
    return [lines[at] for at in sorted(inside)]


def classify(text: str) -> str:
    """The class of one instruction."""
    return next((name for pattern, name in CLASSES if re.match(pattern, text)), "other")


def matrix_row(text: str, target: Target) -> MatrixInstruction | None:
    """The target's row of a matrix instruction; None when the table has none."""
    match = re.match(r"v_mfma_f32_(\d+x\d+x\d+)_?(b?f16)(?:_1k)?(?:_e64)?\s", text)
    rows = (row for row in target.matrix_instructions if match and row.name == match.group(1))
    return next((row for row in rows if match and match.group(2) in row.element_types), None)


def global_bytes(text: str) -> int:
    """Bytes that one lane loads."""
    match = re.match(r"\w+?_load_(?:lds_)?(dwordx[234]|dword|ushort|short|[us]?byte)", text)
    return _BYTES[match.group(1).removeprefix("s") if match.group(1) == "sbyte" else match.group(1)] if match else 4


def hot_loop(instructions: Sequence[Instruction]) -> list[str]:
    """The texts of the innermost loop with most matrix instructions; empty when there is none."""
    latest: dict[int, int] = {}
    for at, one in enumerate(instructions):
        if 0 <= one.target <= at:
            latest[one.target] = at
    loops = []
    for first, last in latest.items():
        texts = [one.text for one in instructions[first : last + 1]]
        count = sum(classify(text) == "matrix" for text in texts)
        if count:
            loops.append((count, first, last, texts))
    inner = [
        one
        for one in loops
        if not any(other is not one and one[1] <= other[1] and other[2] <= one[2] for other in loops)
    ]
    return max(inner, key=lambda one: one[0])[3] if inner else []


def analyse(kernel: str, instructions: Sequence[Instruction], target: Target, mca: str | None) -> LoopStats:
    """The figures of one kernel."""
    loop = hot_loop(instructions)
    classes = collections.Counter(map(classify, loop))
    matrix = [text for text in loop if classify(text) == "matrix"]
    rows = [matrix_row(text, target) for text in matrix]
    known = [row for row in rows if row is not None]
    cycles = flop = u1 = intensity = NOT_MEASURED  # type: Figure
    loaded = target.wave_lanes * sum(
        global_bytes(text) for text in loop if classify(text) in ("global_load", "load_to_lds")
    )
    if matrix and len(known) == len(rows):
        cycles = sum(row.cycles for row in known)
        flop = sum(2 * row.m * row.n * row.k for row in known)
        u1 = cycles / (cycles + ISSUE_CYCLES * (len(loop) - len(matrix)))
        intensity = flop / loaded if loaded else NOT_MEASURED
    slots, note = mca_cycles(loop, target.name, mca) if loop else (None, "no loop with matrix instructions")
    used = NOT_MEASURED if slots is None else slots
    share = cycles / slots if slots is not None and isinstance(cycles, (int, float)) else NOT_MEASURED
    loads = collections.Counter(text.split()[0] for text in loop if classify(text) in ("global_load", "load_to_lds"))
    ops = collections.Counter(text.split()[0] for text in matrix)
    return LoopStats(
        kernel, target.name, len(loop), dict(classes), dict(ops), cycles, flop, loaded, intensity, u1, share,
        used, note, dict(loads),
    )  # fmt: skip


def mca_tool() -> str | None:
    """The llvm-mca to use: the first that knows gfx942, which old ones do not; None where there is none."""
    there = (name for name in MCA_TOOLS if shutil.which(name))
    return next((name for name in there if _mca("s_nop 0\n", GFX942.name, name).returncode == 0), None)


def _mca(text: str, target: str, tool: str) -> subprocess.CompletedProcess[str]:
    command = [tool, "-mtriple=amdgcn-amd-amdhsa", f"-mcpu={target}", f"-iterations={MCA_ITERATIONS}", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def mca_cycles(loop: Iterable[str], target: str, tool: str | None) -> tuple[float | None, str]:
    """llvm-mca's cycles of one trip, and what was changed for it; None when it cannot say."""
    if tool is None:
        return None, f"no llvm-mca that knows {target} is installed"
    skipped = ("s_cbranch", "s_branch", "s_setprio", "s_endpgm")
    lines = [_mca_line(text) for text in loop if not text.startswith(skipped)]
    replaced = 0
    for _ in range(10):
        run = _mca("\n".join(lines) + "\n", target, tool)
        bad = sorted({int(at) - 1 for at in re.findall(r"<stdin>:(\d+):\d+: error", run.stderr)}, reverse=True)
        total = re.search(r"Total Cycles:\s+(\d+)", run.stdout)
        if total and not bad:
            note = f"{replaced} instructions unknown to {tool}" if replaced else ""
            return MCA_SLOT_CYCLES * int(total.group(1)) / MCA_ITERATIONS, note
        if not bad or any(classify(lines[at]) == "matrix" for at in bad):
            return None, (run.stderr.strip().splitlines() or [f"{tool} failed"])[0][:120]
        replaced += len(bad)
        for at in bad:
            _replace(lines, at)
    return None, f"{tool} failed"


def _replace(lines: list[str], at: int) -> None:
    """An instruction that llvm-mca does not know: a move between the same registers, or nothing."""
    registers = re.findall(r"\bv\[?(\d+)", lines[at])
    if classify(lines[at]) == "valu" and len(registers) >= 2 and not lines[at].startswith("v_mov_b32"):
        lines[at] = f"v_mov_b32_e32 v{registers[0]}, v{registers[1]}"
    else:
        del lines[at]


def _mca_line(text: str) -> str:
    """llvm-mca 19 corrupts its heap on buffer loads: the global form has the same scheduling class and counter."""
    match = re.match(r"buffer_load_(\w+) (.*)", text)
    if match is None:
        return text
    operands = [part.strip() for part in match.group(2).split(",")]
    width = re.sub(r"_lds$|_d16(_hi)?", "", match.group(1))
    direct = re.search(r"\blds\b", text) is not None
    places = operands if direct else operands[1:]
    address = next((word for word in places if re.fullmatch(r"v\d+", word)), "v0")
    resource = next((int(found.group(1)) for word in operands if (found := re.match(r"s\[(\d+):", word))), 0)
    wide = {"dwordx4": "v[252:255]", "dwordx3": "v[252:254]", "dwordx2": "v[252:253]"}
    result = wide.get(width, "v252") if direct else operands[0]
    return f"global_load_{width} {result}, {address}, s[{resource}:{resource + 1}]"


def from_text(text: str, mca: str | None) -> list[LoopStats]:
    """The rows of the kernels of an assembly text."""
    found = re.search(r'\.amdgcn_target\s+"[^"]*-(gfx\w+)', text)
    if found is None or found.group(1) not in TARGETS:
        raise RocfuseError(f"the text is for {found.group(1) if found else 'no target'}; there are: {list(TARGETS)}")
    names = re.findall(r'\.amdhsa_kernel\s+"?([^"\s]+)', text)
    return [analyse(name, decode_text(text, name), TARGETS[found.group(1)], mca) for name in names]


def from_binary(data: bytes, mca: str | None) -> list[LoopStats]:
    """The rows of the kernels of a code object."""
    rows = []
    for one in read_kernels(data):
        if one.target not in TARGETS:
            raise RocfuseError(f"kernel {one.name} is for {one.target}; there are: {list(TARGETS)}")
        decoded = decode_binary(one.code, one.address, one.target, one.name)
        rows.append(analyse(one.name, decoded, TARGETS[one.target], mca))
    return rows


def show(value: Figure, digits: int = 3) -> str:
    """A figure for people."""
    return value if isinstance(value, str) else f"{value:.{digits}f}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--no-mca", action="store_true", help="do not run llvm-mca")
    arguments = parser.parse_args()
    mca = None if arguments.no_mca else mca_tool()
    rows: list[LoopStats] = []
    for path in arguments.files:
        try:
            rows += (
                from_text(path.read_text(), mca)
                if path.suffix in TEXT_SUFFIXES
                else from_binary(path.read_bytes(), mca)
            )
        except (OSError, UnicodeDecodeError, RocfuseError) as error:
            print(f"error: {path}: {error}", file=sys.stderr)
            return 1
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return 0
    for row in rows:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(row.classes.items()))
        print(f"{row.kernel}: {row.instructions} instructions in the loop: {counts}")
        figures = f"  u1 {show(row.u1)}, mca {show(row.mca)}, flop per global byte {show(row.flop_per_global_byte, 1)}"
        print(figures + (f" ({row.mca_note})" if row.mca_note else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
