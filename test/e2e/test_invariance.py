"""The match is structural: names and the order of independent ops do not change the kernel."""

from __future__ import annotations

import random
import re

import pytest
from harness import SMALL, Program, build, cast, input_text, silu_times
from mlir import ir

import rocfuse
from rocfuse.dialect import create_context


def assembly(text: str) -> str:
    """The assembly of a program, with the kernel's name taken out."""
    code = build(text)
    return code.isa.replace(code.plan["name"], "kernel")


@pytest.mark.parametrize("name", SMALL)
def test_names(name: str) -> None:
    text = input_text(name)
    other = re.sub(r"%arg(\d+)", r"%renamed_\1", text.replace(f"@{name}", "@forward.1"))
    other = re.sub(r"%(\d+)", r"%value_\1", other)
    assert other != text
    assert rocfuse.compile(other).plan["name"] != name
    assert assembly(other) == assembly(text)


@pytest.mark.parametrize("name", SMALL)
def test_order_of_independent_ops(name: str) -> None:
    text = input_text(name)
    assert assembly(shuffled(text, 1)) == assembly(text)


def test_order_of_products_and_of_the_ops_of_a_region() -> None:
    def program(turn: bool) -> str:
        one = Program()
        x, w0, w1 = (one.argument("f16", *shape) for shape in ((33, 50), (50, 21), (50, 21)))
        products = {index: one.product("mk,kn->mn", x, (w0, w1)[index]) for index in ((1, 0) if turn else (0, 1))}
        halves = ["%a = arith.mulf %x0, %x0 : f32\n", "%b = arith.negf %x1 : f32\n"]
        body = "".join(reversed(halves) if turn else halves) + "%y = arith.addf %a, %b : f32\n" + cast("%y", "f16")
        return one.text(one.apply("mn,mn->mn", [products[0], products[1]], body, "f16"))

    assert program(True) != program(False)
    assert assembly(program(True)) == assembly(program(False))


def test_another_program_is_another_kernel() -> None:
    """What the tests above compare does depend on the program."""

    def program(element: str) -> str:
        one = Program()
        x = one.argument("f16", 33, 50)
        products = [one.product("mk,kn->mn", x, one.argument("f16", 50, 21)) for _ in range(2)]
        return one.text(one.apply("mn,mn->mn", products, silu_times(element), element))

    assert assembly(program("f16")) != assembly(program("f32"))


def shuffled(text: str, seed: int) -> str:
    """The program with the ops of its function in another order that keeps every value before its uses."""
    chance = random.Random(seed)
    with create_context():
        module = ir.Module.parse(text)
        function = next(op for op in module.body.operations if op.operation.name == "func.func")
        operations = list(function.regions[0].blocks[0].operations)
        ops, last = [op.operation for op in operations[:-1]], operations[-1].operation
        placed: list[ir.Operation] = []
        while waiting := [op for op in ops if op not in placed]:
            ready = [op for op in waiting if not any(other in _needs(op) for other in waiting)]
            op = chance.choice(ready)
            op.move_before(last)
            placed.append(op)
        assert placed != ops
        return str(module)


def _needs(op: ir.Operation) -> list[ir.Operation]:
    """The ops that define what `op` and the ops in its regions read."""
    values = list(op.operands)
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                values += list(inner.operation.operands)
    owners = [value.owner for value in values if not isinstance(value.owner, ir.Block)]
    return [owner.operation if isinstance(owner, ir.OpView) else owner for owner in owners]
