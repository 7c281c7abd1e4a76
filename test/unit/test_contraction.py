import pytest

from rocfuse.analysis.contraction import Roles, dims_in_order, infer_roles


@pytest.mark.parametrize(
    ("a", "b", "out", "roles"),
    [
        ((0, 2), (2, 1), (0, 1), ("m", "n", "k")),
        ((0, 2), (1, 2), (0, 1), ("m", "n", "k")),
        ((0, 1, 3), (0, 3, 2), (0, 1, 2), ("batch", "m", "n", "k")),
        ((0, 1, 3), (2, 3), (0, 1, 2), ("m", "m", "n", "k")),
        ((0, 2, 3), (2, 3, 1), (0, 1), ("m", "n", "k", "k")),
        ((2,), (2, 1), (1,), None),
    ],
)
def test_roles(a, b, out, roles):
    found = infer_roles(a, b, out, max((*a, *b, *out)) + 1)
    assert isinstance(found, str) if roles is None else found == Roles(roles)


def test_a_dim_of_one_operand_alone_is_no_product():
    assert infer_roles((0, 1), (1, 2), (0,), 3) == "loop dim d2 is used by b alone"


def test_swapping_the_operands_swaps_m_and_n():
    roles = Roles(("batch", "m", "n", "k"))
    assert roles.swapped() == Roles(("batch", "n", "m", "k"))
    assert roles.swapped().swapped() == roles
    assert roles.dims("n") == (2,)


@pytest.mark.parametrize(
    ("dims", "right"),
    [
        (["m", "n", "k"], True),
        (["batch", "batch", "m", "m", "n", "n", "k"], True),
        (["n", "m", "k"], False),
        (["m", "n"], False),
        (["m", "n", "k", "k"], False),
        (["m", "k"], False),
        (["n", "k"], False),
        (["m", "n", "k", "x"], False),
        ([], False),
    ],
)
def test_order_of_dims(dims, right):
    assert dims_in_order(dims) is right
