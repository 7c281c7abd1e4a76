"""Disassemble AMDGPU machine code with LLVM-C; run as a script, never imported.

A process of its own, because the ROCm LLVM and the LLVM of the MLIR bindings abort when both are loaded. It reads
`library path`, `cpu` and the number of bytes as one line on stdin, then the bytes, and prints one line an instruction:
the offset, the size and the text, separated by tabs. Bytes that do not decode print an empty text.
"""

from __future__ import annotations

import ctypes
import sys


def main() -> int:
    """Disassemble stdin to stdout."""
    library, cpu, size = sys.stdin.buffer.readline().decode().rstrip("\n").split("\t")
    code = sys.stdin.buffer.read(int(size))
    llvm = ctypes.CDLL(library)
    for part in ("TargetInfo", "TargetMC", "Disassembler"):
        getattr(llvm, f"LLVMInitializeAMDGPU{part}")()
    llvm.LLVMCreateDisasmCPU.restype = ctypes.c_void_p
    handle = llvm.LLVMCreateDisasmCPU(b"amdgcn-amd-amdhsa", cpu.encode(), None, 0, None, None)
    if not handle:
        print(f"the disassembler does not know {cpu}", file=sys.stderr)
        return 1
    decode = llvm.LLVMDisasmInstruction
    decode.restype = ctypes.c_size_t
    decode.argtypes = [
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_uint64,
        ctypes.c_uint64,
        ctypes.c_char_p,
        ctypes.c_size_t,
    ]
    buffer = ctypes.create_string_buffer(code, len(code) + 16)
    text = ctypes.create_string_buffer(512)
    base = ctypes.addressof(buffer)
    lines = []
    offset = 0
    while offset < len(code):
        count = decode(handle, base + offset, len(code) - offset, offset, text, 512)
        lines.append(f"{offset}\t{count or 4}\t{text.value.decode().strip() if count else ''}")
        offset += count or 4
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
