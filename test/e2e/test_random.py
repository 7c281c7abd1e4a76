"""Random problems and random combines. The random numbers are the same in every run."""

from __future__ import annotations

import random

import pytest
from harness import Program, Value, cast, check, slices_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rocfuse.diagnostics import CompileError
from rocfuse.gen import COMBINES, GenOptions
from rocfuse.gen import build as generate

stable = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
extents = st.sampled_from([1, 2, 7, 16, 31, 33, 64, 77])
depths = st.sampled_from([1, 3, 16, 33, 64, 96, 100])
elements = st.sampled_from(["f16", "bf16"])
plans = st.sampled_from(
    [
        {},
        {"tile-m": 16, "tile-n": 32},
        {"tile-m": 32, "tile-n": 64, "matrix-op": "32x32x8"},
        {"tile-m": 64, "tile-n": 64, "tile-k": 32},
        {"tile-m": 64, "tile-n": 32, "tile-k": 64, "matrix-op": "16x16x16"},
    ]
)


@st.composite
def problems(draw: st.DrawFn, pattern: str) -> GenOptions:
    """Options of the generator."""
    return GenOptions(
        pattern=pattern,
        m=draw(extents),
        n=draw(extents),
        k=draw(depths),
        batch=draw(st.sampled_from([None, None, None, 2])),
        gemms=draw(st.integers(1, 4)),
        combine=draw(st.sampled_from(COMBINES)),
        bias=draw(st.sampled_from(["none", "row", "full"])),
        layout=draw(st.sampled_from(["kn", "nk"])),
        dtype=draw(elements),
        residual=draw(st.booleans()),
    )


@settings(stable, max_examples=20)
@given(problems("sliced"), plans, st.integers(0, 99))
def test_slices_of_one_product(options: GenOptions, plan: dict[str, object], seed: int) -> None:
    check(f"{generate(options)}", plan=plan, seed=seed)


@settings(stable, max_examples=20)
@given(problems("separate"), plans, st.integers(0, 99))
def test_separate_products(options: GenOptions, plan: dict[str, object], seed: int) -> None:
    check(f"{generate(options)}", plan=plan, seed=seed)


@settings(stable, max_examples=12)
@given(extents, extents, depths, st.integers(0, 9), st.integers(0, 9), elements, plans)
def test_slices_at_any_offset(m: int, n: int, k: int, one: int, other: int, element: str, plan: dict) -> None:
    check(slices_of((m, k), n + 10, [((0, one), (m, n)), ((0, other), (m, n))], element), plan=plan)


@pytest.mark.parametrize("seed", range(20))
def test_a_random_combine_is_one_kernel_with_right_numbers_or_a_refusal(seed: int) -> None:
    try:
        check(random_combine(random.Random(seed)))
    except CompileError as error:
        assert error.message.startswith("rocfuse-"), error
        assert "internal" not in error.message


def random_combine(chance: random.Random) -> str:
    """Products of random layouts, and a tree of smooth ops of bounded growth over them and over other operands."""
    m, n, k = (chance.choice([5, 16, 33, 50]) for _ in range(3))
    program = Program()
    x = program.argument("f16", m, k)
    values: list[tuple[Value, str]] = []
    for number in range(chance.randint(1, 3)):
        if number and chance.random() < 0.3:
            k = chance.choice([1, 16, 33, 50])
            x = program.argument("f16", m, k)
        if chance.random() < 0.5:
            values.append((program.product("mk,kn->mn", x, program.argument("f16", k, n)), "mn"))
        else:
            values.append((program.product("mk,nk->mn", x, program.argument("f16", n, k)), "mn"))
    products = list(values)
    for letters, shape in (("mn", (m, n)), ("n", (n,)), ("m", (m,)), ("nm", (n, m))):
        if chance.random() < 0.4:
            values.append((program.argument(chance.choice(["f32", "f16", "bf16"]), *shape), letters))
    for _ in range(chance.randint(1, 4)):
        left, right = products[-1] if len(products) > 1 else chance.choice(products), chance.choice(values)
        element = chance.choice(["f32", "f16", "bf16"])
        spec = f"{left[1]},{right[1]}->mn"
        body, names = "", []
        for index, (value, _) in enumerate((left, right)):
            name = f"%x{index}"
            if value.element != "f32":
                body += f"%w{index} = arith.extf {name} : {value.element} to f32\n"
                name = f"%w{index}"
            names.append(name)
        body += _operation(chance, *names)
        made = (program.apply(spec, [left[0], right[0]], body + cast("%y", element), element), "mn")
        values.append(made)
        products.append(made)
    return program.text(products[-1][0])


def _operation(chance: random.Random, x: str, y: str) -> str:
    """Ops on two f32 that end in %y."""
    lines = {
        "sum": f"%y = arith.addf {x}, {y} : f32",
        "difference": f"%y = arith.subf {x}, {y} : f32",
        "gate": f"%t = math.tanh {x} : f32\n%y = arith.mulf %t, {y} : f32",
        "larger": f"%y = arith.maximumf {x}, {y} : f32",
        "ratio": f"%q = arith.mulf {y}, {y} : f32\n%c = arith.constant 1.0 : f32\n%d = arith.addf %q, %c : f32\n"
        f"%y = arith.divf {x}, %d : f32",
        "sigmoid": f"%n = arith.negf {x} : f32\n%e = math.exp %n : f32\n%c = arith.constant 1.0 : f32\n"
        f"%d = arith.addf %e, %c : f32\n%s = arith.divf %c, %d : f32\n%y = arith.mulf %s, {y} : f32",
        "error function": f"%e = math.erf {x} : f32\n%y = arith.addf %e, {y} : f32",
        "root": f"%a = math.absf {x} : f32\n%r = math.sqrt %a : f32\n%y = arith.subf {y}, %r : f32",
    }
    return lines[chance.choice(sorted(lines))] + "\n"
