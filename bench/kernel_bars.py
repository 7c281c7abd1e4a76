"""What the kernels of bench/kernels.py must reach, and which of them do. What was not measured never passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.isa_stats import Figure
from bench.kernel_rows import LONG_K, Row, best_intensity

U1 = {"nk": 0.90, "kn": 0.87}
MCA = {"nk": 0.85, "kn": 0.80}
WHOLE = 0.80  # where K is at least LONG_K
FUSED_OVER_SINGLE = 1.02
INTENSITY = 128.0
EXACT = 0.005  # how far a ratio that is printed as 1.00 may be from 1


@dataclass(frozen=True)
class Fused:
    """Our two kernels of one work: fused, and one GEMM of the same total width."""

    row: Row
    single: Row

    @property
    def ratio(self) -> float:
        """Loop instructions, fused / single."""
        return self.row.loop.instructions / self.single.loop.instructions if self.single.loop.instructions else 0.0


@dataclass(frozen=True)
class Best:
    """The best figures of a layout's peers, each over all their kernels and configurations."""

    u1: float
    mca: float


@dataclass(frozen=True)
class Bar:
    """One line of the table: how many of a layout's kernels pass, and the one that is furthest away."""

    name: str
    limit: str
    layout: str
    total: int
    passed: int
    unmeasured: int
    worst: str

    @property
    def text(self) -> str:
        """holds, fails, or n/a when nothing failed but something was not measured."""
        if self.passed + self.unmeasured < self.total:
            return "fails"
        return "holds" if self.total and not self.unmeasured else "n/a"


def number(value: Figure | None) -> float | None:
    """The figure, None when there is none."""
    return float(value) if isinstance(value, (int, float)) else None


def _bar(
    name: str, limit: str, layout: str, rows: Iterable[Row], value: Callable[[Row], Figure | None],
    margin: Callable[[Row, float], float | None],
) -> Bar:  # fmt: skip
    """`margin` is how far inside of the bar a value is, negative outside, None when the bar itself is not known."""
    found: list[tuple[float, float]] = []
    total = unmeasured = 0
    for row in rows:
        total += 1
        figure = number(value(row))
        inside = None if figure is None else margin(row, figure)
        if figure is None or inside is None:
            unmeasured += 1
        else:
            found.append((inside, figure))
    passed = sum(inside >= 0 for inside, _ in found)
    worst = min(found)[1] if found else None
    return Bar(name, limit, layout, total, passed, unmeasured, "n/a" if worst is None else f"{worst:.3g}")


def _loop_bars(layout: str, rows: Sequence[Row], best: Best | None) -> list[Bar]:
    u1, mca = U1[layout], MCA[layout]
    bars = [
        _bar("u1 of the loop", f">= {u1:.2f}", layout, rows, lambda r: r.loop.u1, lambda r, v: v - u1),
        _bar("llvm-mca of the loop", f">= {mca:.2f}", layout, rows, lambda r: r.loop.mca, lambda r, v: v - mca),
    ]
    for name, limit, value in (
        ("u1 against every peer", best.u1 if best else None, lambda r: r.loop.u1),
        ("llvm-mca against every peer", best.mca if best else None, lambda r: r.loop.mca),
    ):
        text = "n/a" if limit is None else f">= {limit:.3f}"
        bars.append(_bar(name, text, layout, rows, value, _at_least(limit)))
    return bars


def _at_least(limit: float | None) -> Callable[[Row, float], float | None]:
    return lambda row, value: None if limit is None else value - limit


def _whole_bars(layout: str, rows: Sequence[Row], peers: Sequence[Row]) -> list[Bar]:
    long = [row for row in rows if row.work.layer.k >= LONG_K]
    short = [row for row in rows if row.work.layer.k < LONG_K]

    def above(row: Row, value: float) -> float | None:
        same = [number(peer.whole) for peer in peers if peer.work == row.work]
        measured = [one for one in same if one is not None]
        return value - max(measured) if measured and len(measured) == len(same) else None

    limit = f">= {WHOLE:.2f}"
    return [
        _bar(f"whole kernel, K >= {LONG_K}", limit, layout, long, lambda r: r.whole, lambda r, v: v - WHOLE),
        _bar(f"whole kernel, K < {LONG_K}", "above every peer", layout, short, lambda r: r.whole, above),
    ]


def _exactly(value: float) -> Callable[[Row, float], float]:
    return lambda row, figure: EXACT - abs(figure - value)


def _zero(row: Row, figure: float) -> float:
    return -abs(figure)


def _single_bars(layout: str, pairs: Sequence[Fused]) -> list[Bar]:
    ratios = {pair.row.work: pair.ratio for pair in pairs}
    singles = [pair.single for pair in pairs]
    u1, mca = U1[layout], MCA[layout]
    fused = [pair.row for pair in pairs]
    return [
        _bar(
            "loop instructions, fused / single", f"<= {FUSED_OVER_SINGLE}", layout, fused,
            lambda r: ratios[r.work] or None, lambda r, v: FUSED_OVER_SINGLE - v,
        ),
        _bar("u1 of the single GEMM", f">= {u1:.2f}", layout, singles, lambda r: r.loop.u1, lambda r, v: v - u1),
        _bar("llvm-mca of the single GEMM", f">= {mca:.2f}", layout, singles, lambda r: r.loop.mca,
             lambda r, v: v - mca),
    ]  # fmt: skip


def bars(layout: str, pairs: Sequence[Fused], peers: Sequence[Row], best: Best | None) -> list[Bar]:
    """All bars of one layout."""
    rows = [pair.row for pair in pairs]

    def intensity(row: Row, value: float) -> float:
        return value - min(INTENSITY, best_intensity(row.work)) * (1 - 1e-9)

    exact = (
        ("matrix operations / necessary", lambda r: r.matrix_ratio),
        ("bytes read / necessary", lambda r: r.read_ratio),
        ("bytes of A and B read / necessary", lambda r: r.operand_ratio),
        ("bytes written / necessary", lambda r: r.write_ratio),
    )
    zero = (
        ("bank-conflict cycles in the loop", lambda r: r.loop_conflicts),
        ("spills", lambda r: float(r.spills)),
        ("checker reports", lambda r: r.faults),
    )
    return [
        *_loop_bars(layout, rows, best),
        *_whole_bars(layout, rows, peers),
        *_single_bars(layout, pairs),
        _bar("flop per global byte", ">= 128", layout, rows, lambda r: r.loop.flop_per_global_byte, intensity),
        *(_bar(name, "1.00", layout, rows, value, _exactly(1.0)) for name, value in exact),
        *(_bar(name, "0", layout, rows, value, _zero) for name, value in zero),
        _bar("error / tolerance", "<= 1", layout, rows, lambda r: r.error, lambda r, v: 1.0 - v),
    ]


def best_of(figures: Mapping[str, Sequence[Figure]]) -> Best | None:
    """The highest u1 and llvm-mca figures; None when one of the peers was not measured at all."""
    highest = {}
    for name, values in figures.items():
        measured = [one for value in values if (one := number(value)) is not None]
        if not measured:
            return None
        highest[name] = max(measured)
    return Best(highest["u1"], highest["mca"])
