"""From machine code, or from the assembly text of the same kernel, to a list of instructions.

Both roads end in the same text syntax, LLVM's, which `parse_instruction` splits. The disassembler runs in a child
process.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from rocfuse.diagnostics import CompileError, UsageError

_SUFFIX = re.compile(r"_(e32|e64|dpp|sdwa|e64_dpp)$")
_BRANCH = re.compile(r"s_(branch|cbranch_\w+|call_b64|getpc_b64)\b")


@dataclass
class Instruction:
    """One instruction: `operands` as text, `modifiers` by name (flags hold an empty text)."""

    address: int
    text: str
    mnemonic: str
    encoding: str
    operands: list[str]
    modifiers: dict[str, str]
    target: int = -1  # index of the instruction that a branch goes to
    index: int = field(default=-1)


def split_operands(text: str) -> list[str]:
    """Split at commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        if char in "[(":
            depth += 1
        elif char in "])":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def _split_words(text: str) -> list[str]:
    words, depth, start = [], 0, 0
    for at, char in enumerate(text + " "):
        if char in "[(":
            depth += 1
        elif char in "])":
            depth -= 1
        elif char in " \t" and depth == 0:
            if at > start:
                words.append(text[start:at])
            start = at + 1
    return words


def parse_instruction(text: str, address: int) -> Instruction:
    """Split one line of assembly."""
    head, _, rest = text.strip().partition(" ")
    match = _SUFFIX.search(head)
    encoding = match.group(1) if match else ""
    mnemonic = head[: match.start()] if match else head
    if mnemonic.startswith(("s_waitcnt", "s_sendmsg", "s_getreg", "s_setreg")):
        return Instruction(address, text, mnemonic, encoding, split_operands(rest), {})
    operands = split_operands(rest.strip())
    modifiers = {}
    if operands:
        words = _split_words(operands[-1])
        first = _modifier_start(words)
        operands[-1:] = [" ".join(words[:first])] if first else []
        for word in words[first:]:
            name, _, value = word.partition(":")
            modifiers[name] = value
    return Instruction(address, text, mnemonic, encoding, operands, modifiers)


def _modifier_start(words: list[str]) -> int:
    """The last operand is one word; the words behind it are modifiers."""
    if re.match(r"(offset\d?|quad_perm|row_\w+|wave_\w+|op_sel\w*|gds|lds|clamp)(:|$)", words[0]):
        return 0
    return 1


@functools.lru_cache(maxsize=64)
def _disassemble(code: bytes, target: str) -> tuple[tuple[int, int, str], ...]:
    spec = importlib.util.find_spec("rocm")
    places = list(spec.submodule_search_locations or []) if spec else []
    libraries = [Path(place) / "llvm" / "librocmllvm.so" for place in places]
    library = next((path for path in libraries if path.exists()), None)
    if library is None:
        raise UsageError(
            "decoding a code object needs rocm-llvm-python (pip install rocm-llvm-python), or its saved .s"
        )
    child = Path(__file__).with_name("disassembler_child.py")
    run = subprocess.run(
        [sys.executable, "-S", "-E", str(child)],
        input=f"{library}\t{target}\t{len(code)}\n".encode() + code,
        capture_output=True,
        check=False,
    )
    if run.returncode:
        raise CompileError(f"the disassembler failed: {run.stderr.decode(errors='replace').strip()[-200:]}")
    rows = (line.split("\t") for line in run.stdout.decode().splitlines())
    return tuple((int(offset), int(size), text) for offset, size, text in rows)


def decode_binary(code: bytes, address: int, target: str, kernel: str) -> list[Instruction]:
    """The instructions of a kernel's machine code; raises CompileError at bytes that are no instruction."""
    instructions = []
    for offset, size, text in _disassemble(code, target):
        if not text:
            word = int.from_bytes(code[offset : offset + 4], "little")
            raise CompileError(f"kernel {kernel}: no {target} instruction at {address + offset:#x} ({word:#010x})")
        instruction = parse_instruction(text, address + offset)
        if _BRANCH.match(instruction.mnemonic) and instruction.operands:
            instruction.target = address + offset + size + 4 * _signed16(instruction.operands[-1])
        instructions.append(instruction)
    return _link(instructions, {instruction.address: at for at, instruction in enumerate(instructions)}, kernel)


def _signed16(text: str) -> int:
    value = int(text, 0) & 0xFFFF
    return value - 0x10000 if value >= 0x8000 else value


def decode_text(text: str, kernel: str) -> list[Instruction]:
    """The instructions of `kernel` in assembly text; addresses count four bytes a line, as sizes are not known."""
    name = kernel.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")  # as LLVM prints it in quotes
    body = re.search(rf'(?ms)^"?{re.escape(name)}"?:(.*?)(?=^\.Lfunc_end\d+:|^\s*\.amdhsa_kernel\b|\Z)', text)
    if body is None:
        raise UsageError(f"the assembly text has no kernel {kernel}")
    instructions: list[Instruction] = []
    labels: dict[str, int] = {}
    for raw in body.group(1).splitlines():
        line = re.split(r";|//", raw)[0].strip()
        label = re.match(r'^([.\w$"]+):', line)
        if label:
            labels[label.group(1)] = len(instructions)
            line = line[label.end() :].strip()
        if not line or line.startswith("."):
            continue
        instructions.append(parse_instruction(re.sub(r"\s+", " ", line), 4 * len(instructions)))
    for instruction in instructions:
        if _BRANCH.match(instruction.mnemonic) and instruction.operands and instruction.operands[-1] in labels:
            instruction.target = 4 * labels[instruction.operands[-1]]
    return _link(instructions, {instruction.address: at for at, instruction in enumerate(instructions)}, kernel)


def _link(instructions: list[Instruction], index_of: dict[int, int], kernel: str) -> list[Instruction]:
    for at, instruction in enumerate(instructions):
        instruction.index = at
        if instruction.target >= 0:
            if instruction.target not in index_of:
                raise CompileError(f"kernel {kernel}: {instruction.text} at {instruction.address:#x} leaves the kernel")
            instruction.target = index_of[instruction.target]
    return instructions
