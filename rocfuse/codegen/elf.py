"""Read an AMDGPU code object: the ELF, its kernel descriptors and its metadata note.

Sources: the ELF specification and LLVM's AMDGPUUsage ("Code Object", "Kernel Descriptor").
"""

from __future__ import annotations

import struct
from typing import Any

from rocfuse.diagnostics import UsageError
from rocfuse.records import record

_NOTE_AMDGPU_METADATA = 32
_MACHINES = {0x4C: "gfx942", 0x3F: "gfx90a", 0x4F: "gfx950", 0x41: "gfx1100", 0x4E: "gfx1201"}


@record
class KernelDescriptor:
    """The 64-byte descriptor that the command processor reads."""

    lds_bytes: int
    private_bytes: int
    kernarg_bytes: int
    entry_offset: int
    rsrc1: int
    rsrc2: int
    rsrc3: int
    properties: int
    preload: int

    @property
    def user_sgprs(self) -> int:
        """User SGPRs that are set up before the workgroup ids."""
        return (self.rsrc2 >> 1) & 31

    @property
    def flushes_f32_denormals(self) -> bool:
        """FLOAT_DENORM_MODE_32 is not "allow input and output"."""
        return (self.rsrc1 >> 16) & 3 != 3

    @property
    def flushes_f16_denormals(self) -> bool:
        """FLOAT_DENORM_MODE_16_64 is not "allow input and output"."""
        return (self.rsrc1 >> 18) & 3 != 3


@record
class Kernel:
    """One kernel of a code object."""

    name: str
    target: str
    code: bytes
    address: int  # of the first byte of `code`
    descriptor: KernelDescriptor
    metadata: dict[str, Any]  # its entry of amdhsa.kernels


@record
class _Section:
    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int


def unpack_msgpack(data: bytes, at: int = 0) -> tuple[Any, int]:
    """One MessagePack value of `data` and the offset behind it."""
    tag = data[at]
    at += 1
    if tag < 0x80:
        return tag, at
    if tag >= 0xE0:
        return tag - 256, at
    if tag < 0x90:
        return _unpack_map(data, at, tag & 15)
    if tag < 0xA0:
        return _unpack_list(data, at, tag & 15)
    if tag < 0xC0:
        return _unpack_text(data, at, tag & 31)
    if tag in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[tag], at
    fixed = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
    fixed |= {0xCA: ">f", 0xCB: ">d"}
    if tag in fixed:
        return struct.unpack_from(fixed[tag], data, at)[0], at + struct.calcsize(fixed[tag])
    sized: dict[int, tuple[str, Any]] = {
        0xD9: (">B", _unpack_text),
        0xDA: (">H", _unpack_text),
        0xDB: (">I", _unpack_text),
    }
    sized |= {0xC4: (">B", _unpack_text), 0xC5: (">H", _unpack_text), 0xC6: (">I", _unpack_text)}
    sized |= {0xDC: (">H", _unpack_list), 0xDD: (">I", _unpack_list)}
    sized |= {0xDE: (">H", _unpack_map), 0xDF: (">I", _unpack_map)}
    if tag not in sized:
        raise ValueError(f"MessagePack tag {tag:#x}")
    form, unpack = sized[tag]
    return unpack(data, at + struct.calcsize(form), struct.unpack_from(form, data, at)[0])


def _unpack_text(data: bytes, at: int, size: int) -> tuple[str, int]:
    return data[at : at + size].decode("utf-8", "replace"), at + size


def _unpack_list(data: bytes, at: int, count: int) -> tuple[list[Any], int]:
    values = []
    for _ in range(count):
        value, at = unpack_msgpack(data, at)
        values.append(value)
    return values, at


def _unpack_map(data: bytes, at: int, count: int) -> tuple[dict[Any, Any], int]:
    values = {}
    for _ in range(count):
        key, at = unpack_msgpack(data, at)
        values[key], at = unpack_msgpack(data, at)
    return values, at


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def _check_size(data: bytes, need: int) -> None:
    if need > len(data):
        raise UsageError(f"the code object is truncated: need {need} B, have {len(data)} B")


def _sections(data: bytes) -> list[_Section]:
    header = b"\x7fELF\x02"  # of 64 bits
    if not data.startswith(header[: len(data)]):
        raise UsageError("not a code object: no 64-bit ELF header")
    _check_size(data, 64)
    if struct.unpack_from("<H", data, 18)[0] != 224:
        raise UsageError("not an AMDGPU code object")
    offset = struct.unpack_from("<Q", data, 40)[0]
    count, names_index = struct.unpack_from("<HH", data, 60)
    _check_size(data, offset + 64 * count)
    raw = [struct.unpack_from("<IIQQQQI", data, offset + 64 * index) for index in range(count)]
    names = raw[names_index][4]
    sections = []
    for name, kind, flags, address, start, size, link in raw:
        if kind != 8:
            _check_size(data, start + size)
        sections.append(_Section(_text(data, names + name), kind, flags, address, start, size, link))
    return sections


def _symbols(data: bytes, sections: list[_Section]) -> dict[str, tuple[int, int]]:
    symbols = {}
    for section in sections:
        if section.kind not in (2, 11):  # SHT_SYMTAB, SHT_DYNSYM
            continue
        strings = sections[section.link].offset
        for at in range(section.offset, section.offset + section.size, 24):
            name, _, _, _, value, size = struct.unpack_from("<IBBHQQ", data, at)
            symbols[_text(data, strings + name)] = (value, size)
    return symbols


def _metadata(data: bytes, sections: list[_Section]) -> dict[str, Any]:
    for section in sections:
        if section.kind != 7:
            continue
        at, end = section.offset, section.offset + section.size
        while at + 12 <= end:
            name_size, size, kind = struct.unpack_from("<III", data, at)
            start = at + 12 + (name_size + 3 & ~3)
            if kind == _NOTE_AMDGPU_METADATA:
                metadata: dict[str, Any] = unpack_msgpack(data[start : start + size])[0]
                return metadata
            at = start + (size + 3 & ~3)
    return {}


def _slice(data: bytes, sections: list[_Section], address: int, size: int) -> bytes:
    for section in sections:
        if section.kind != 8 and section.flags & 2 and section.address <= address < section.address + section.size:
            start = section.offset + address - section.address
            return data[start : start + min(size, section.address + section.size - address)]
    raise UsageError(f"the code object has no bytes at address {address:#x}")


def read_kernels(data: bytes) -> list[Kernel]:
    """The kernels of a code object; raises UsageError when it is not a whole one."""
    try:
        return _read_kernels(data)
    except (struct.error, ValueError, IndexError, KeyError, UnicodeDecodeError, TypeError, AttributeError):
        raise UsageError("the code object is damaged: its sections, symbols or metadata make no sense") from None


def _read_kernels(data: bytes) -> list[Kernel]:
    sections = _sections(data)
    symbols = _symbols(data, sections)
    metadata = _metadata(data, sections)
    target = _MACHINES.get(struct.unpack_from("<I", data, 48)[0] & 0xFF, "unknown")
    kernels = []
    for entry in metadata.get("amdhsa.kernels", []):
        address, _ = symbols[entry[".symbol"]]
        raw = _slice(data, sections, address, 64)
        lds, private, kernarg, _, offset = struct.unpack_from("<IIIIq", raw)
        rsrc3, rsrc1, rsrc2, properties, preload = struct.unpack_from("<IIIHH", raw, 44)
        descriptor = KernelDescriptor(lds, private, kernarg, offset, rsrc1, rsrc2, rsrc3, properties, preload)
        start = address + offset
        size = symbols.get(entry[".name"], (0, 0))[1]
        if not size:
            raise UsageError(f"kernel {entry['.name']} has no symbol with a size")
        code = _slice(data, sections, start, size)
        kernels.append(Kernel(entry[".name"], target, code, start, descriptor, entry))
    if not kernels:
        raise UsageError("the code object has no kernel")
    return kernels
