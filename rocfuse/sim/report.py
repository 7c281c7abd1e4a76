"""What the command prints: the table of counters, the faults, and the comparisons with references."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from rocfuse.diagnostics import UsageError, count, digits
from rocfuse.sim import SimulationResult

if TYPE_CHECKING:
    from rocfuse.sim.reference import References

Message = tuple[bool, str]
Type = tuple[list[int], Any]  # shape and element type of a result


def npy_bytes(array: np.ndarray) -> bytes:
    """A .npy file; types that numpy does not have travel as bit patterns."""
    stream = io.BytesIO()
    if array.dtype.type.__module__.startswith("ml_dtypes"):
        array = array.view({1: np.uint8, 2: np.uint16}[array.dtype.itemsize])
    np.save(stream, array)
    return stream.getvalue()


def _as_output(reference: np.ndarray, output: np.ndarray) -> np.ndarray:
    pattern = output.dtype.type.__module__.startswith("ml_dtypes") and reference.dtype.kind == "u"
    if pattern and reference.dtype.itemsize == output.dtype.itemsize:
        reference = reference.view(output.dtype)
    return np.asarray(reference, np.float64)


def check_references(
    paths: Sequence[Path], references: Sequence[np.ndarray], names: Sequence[str], types: Sequence[Type]
) -> None:
    """Raise UsageError where an array of a file cannot be compared with its result."""
    for path, array, name, (shape, _) in zip(paths, references, names, types, strict=True):
        if array.dtype.kind not in "biuf":
            raise UsageError(f"{path}: {name}: need numbers, have {array.dtype}")
        if list(array.shape) != shape:
            raise UsageError(f"{path}: {name}: need shape {shape}, have {list(array.shape)}")


def check_program_results(path: Path, references: References, names: Sequence[str], types: Sequence[Type]) -> None:
    """Raise UsageError where a program's results cannot be compared with those of the contract."""
    if len(references.rounded) != len(names):
        need = f"{count(len(names), 'result')} ({', '.join(names)})"
        raise UsageError(f"{path}: need {need}, have {len(references.rounded)}")
    for name, array, (shape, kind) in zip(names, references.rounded, types, strict=True):
        dtype = np.dtype(kind)
        pattern = dtype.kind == "u" and dtype.itemsize == array.dtype.itemsize
        if list(array.shape) != shape or not (dtype == array.dtype or pattern):
            have = f"{list(array.shape)} of {array.dtype}"
            raise UsageError(f"{path}: {name}: need {shape} of {dtype}, have {have}")


def check_files(
    contract: Mapping[str, Any],
    result: SimulationResult,
    references: Sequence[np.ndarray],
    atol: float | None,
    rtol: float | None,
) -> list[Message]:
    """|y - ref| <= atol + rtol * |ref| for every element, with NaN and infinity at equal places."""
    messages = []
    for at, (name, output, raw) in enumerate(zip(contract["outputs"], result.outputs, references, strict=True)):
        reference, value = _as_output(raw, output), np.asarray(output, np.float64)
        finite = np.isfinite(reference)
        ulp = (
            float(ml_dtypes.finfo(output.dtype).eps)
            if np.issubdtype(output.dtype, np.inexact) or output.dtype.kind == "V"
            else 0.0
        )
        defaults = atol is None and rtol is None
        largest = float(np.abs(reference[finite]).max(initial=0))
        absolute = 4 * ulp * largest if defaults else (atol or 0.0)
        relative = 4 * ulp if defaults else (rtol or 0.0)
        with np.errstate(all="ignore"):
            error = np.abs(value - reference)
            allowed = absolute + relative * np.abs(reference)
            wrong = np.where(finite, ~(error <= allowed), False)
            special = ~finite & ~((value == reference) | (np.isnan(value) & np.isnan(reference)))
        wrong |= special
        bad = int(wrong.sum())
        text = f"{name}: max error {float(error[finite].max(initial=0)):.3g} of max {largest:.3g}"
        if bad:
            first = tuple(int(index) for index in np.argwhere(wrong)[0])
            workgroup, wave, lane = result.locate(at)(first)
            got, wanted = digits(float(value[first]), float(reference[first]))
            text += f", {bad} of {value.size} wrong, first {list(first)}: {got}, not {wanted}"
            if np.isfinite(error[first]):  # else one of them is special, and they must be equal
                text += f", error {' > '.join(digits(float(error[first]), float(allowed[first])))}"
            text += f", by workgroup {workgroup} wave {wave} lane {lane}"
        messages.append((bad == 0, text))
    return messages


def check_program(contract: Mapping[str, Any], result: SimulationResult, references: References) -> list[Message]:
    """Compare with the program itself, by the tolerance rule of rocfuse.sim.compare."""
    from rocfuse.sim.compare import compare

    messages = []
    pairs = zip(contract["outputs"], result.outputs, references.rounded, references.exact, strict=True)
    for at, (name, y, u, r) in enumerate(pairs):
        comparison = compare(y, u, r, locate=result.locate(at))
        messages.append((comparison.ok, f"{name}: {comparison.message}"))
    return messages


def table(contract: Mapping[str, Any], result: SimulationResult, messages: Sequence[Message], seconds: float) -> str:
    """The short table that the command prints."""
    lines = [f"executed: {result.source}, {seconds:.1f} s"]
    for name, stats in result.stats["kernels"].items():
        instructions, lds = stats["instructions"], stats["lds"]
        moved = {"vmem_load": 0, "vmem_store": 0}
        for row in stats["global"]:
            moved[row["kind"]] += row["bytes"]
        lines += [
            f"kernel: {name}, {stats['waves']} waves",
            "  instructions: " + ", ".join(f"{kind} {count}" for kind, count in instructions.items() if count),
            f"  matrix cycles: {stats['matrix_cycles']}",
            f"  LDS: {lds['read_bytes']} B read, {lds['write_bytes']} B written, "
            f"{lds['bank_conflict_cycles']} bank-conflict cycles, {stats['barriers']} barriers",
            f"  global: {moved['vmem_load']} B loaded, {moved['vmem_store']} B stored",
        ]
        if "l2" in stats:
            shared = stats["l2"]
            lines.append(
                f"  L2: {shared['fetched_lines']} lines fetched of {shared['requested_lines']} that workgroups load, "
                f"{shared['window_workgroups']} workgroups of an XCD at once"
            )
    for ok, text in messages:
        lines.append(f"{'ok' if ok else 'WRONG'}: {text}")
    lines += [f"fault: {fault}" for fault in result.faults]
    lines.append(f"faults: {len(result.faults)}")
    return "\n".join(lines)
