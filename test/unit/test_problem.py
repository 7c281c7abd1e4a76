"""The canonical form of a problem: one m, n and k, the rest batch, and the same addresses as before."""

import itertools
from dataclasses import replace

import pytest
from problems import different_k, problem

from rocfuse.analysis.problem import Access, Problem, canonical


def addresses(one: Problem, access: Access, roles: str) -> list[int]:
    """The addresses of an access in the order of the loop dims of `roles`."""
    dims = [d for d, role in enumerate(one.roles) if role in roles]
    return [
        access.offset + sum(i * access.strides[d] for i, d in zip(index, dims, strict=True))
        for index in itertools.product(*(range(one.sizes[d]) for d in dims))
    ]


def assert_same_addresses(before: Problem, after: Problem) -> None:
    """Canonical dims run over the same elements of every array, together, in some order."""
    names = ("batch", "m", "n", "k")

    def visited(one):
        lists = [addresses(one, access, names) for access in one.accesses]
        return sorted(zip(*lists, strict=True))

    assert visited(before) == visited(after)


def test_a_plain_problem_stays_as_it_is():
    one = problem(("m", "n", "k"), (5, 3, 4), (0, 2), (2, 1), (0, 1), gemms=2)
    assert canonical(one) == one
    assert one.gemms == 2
    assert len(one.operands) == 3, "the shared A counts once"


def test_two_m_dims_become_one_where_every_array_walks_them_evenly():
    one = problem(("m", "m", "n", "k"), (2, 5, 3, 4), (0, 1, 3), (3, 2), (0, 1, 2))
    merged = canonical(one)
    assert (merged.roles, merged.sizes) == (("m", "n", "k"), (10, 3, 4))
    assert merged.a[0].strides == (4, 0, 1)
    assert merged.outputs[0].strides == (3, 1, 0)
    assert_same_addresses(one, merged)


def test_an_m_dim_that_does_not_merge_becomes_batch():
    one = problem(("m", "m", "n", "k"), (2, 5, 3, 4), (0, 1, 3), (3, 2), (1, 0, 2))
    merged = canonical(one)
    assert (merged.roles, merged.sizes) == (("batch", "m", "n", "k"), (2, 5, 3, 4))
    assert merged.b[0].strides[0] == 0, "B is the same for all batches"
    assert_same_addresses(one, merged)


def test_an_n_dim_that_does_not_merge_becomes_batch():
    one = problem(("m", "n", "n", "k"), (2, 3, 5, 4), (0, 3), (3, 2, 1), (0, 1, 2))
    merged = canonical(one)
    assert (merged.roles, merged.sizes) == (("batch", "m", "n", "k"), (3, 2, 5, 4))
    assert_same_addresses(one, merged)


def test_batch_dims_merge_and_a_shared_weight_has_batch_stride_zero():
    one = problem(("batch", "batch", "m", "n", "k"), (2, 3, 5, 3, 4), (0, 1, 2, 4), (4, 3), (0, 1, 2, 3))
    merged = canonical(one)
    assert (merged.roles, merged.sizes) == (("batch", "m", "n", "k"), (6, 5, 3, 4))
    assert merged.a[0].strides == (20, 4, 0, 1)
    assert merged.b[0].strides == (0, 0, 1, 3)
    assert_same_addresses(one, merged)


def test_unit_dims_disappear_but_one_m_n_and_k_stay():
    one = problem(("batch", "m", "m", "n", "n", "k"), (1, 1, 1, 3, 1, 4), (0, 1, 2, 5), (0, 5, 3, 4), (0, 1, 2, 3, 4))
    merged = canonical(one)
    assert (merged.roles, merged.sizes) == (("m", "n", "k"), (1, 3, 4))
    assert_same_addresses(one, merged)
    assert merged.size("batch") == 1


@pytest.mark.parametrize("unit", [0, 1, 2])
def test_a_dim_of_extent_one_that_stays_has_stride_zero(unit):
    sizes = tuple(1 if d == unit else 8 for d in range(3))
    merged = canonical(problem(("m", "n", "k"), sizes, (0, 2), (2, 1), (0, 1), extras=((0, 1), (1,))))
    assert all(access.strides[unit] == 0 for access in merged.accesses)


def test_an_extra_operand_may_hinder_a_merge():
    dims, sizes = ("m", "m", "n", "k"), (2, 5, 3, 4)
    plain = problem(dims, sizes, (0, 1, 3), (3, 2), (0, 1, 2), extras=((0, 1, 2),))
    assert canonical(plain).roles == ("m", "n", "k")
    row = problem(dims, sizes, (0, 1, 3), (3, 2), (0, 1, 2), extras=((1,),))
    assert canonical(row).roles == ("batch", "m", "n", "k")
    assert_same_addresses(row, canonical(row))


def test_size_is_the_product_over_a_role():
    one = problem(("batch", "m", "m", "n", "k"), (2, 3, 4, 5, 6), (0, 1, 2, 4), (4, 3), (0, 1, 2, 3))
    assert [one.size(role) for role in ("batch", "m", "n", "k")] == [2, 12, 5, 6]
    assert one.dims("m") == (1, 2)


def test_operands_are_distinct_by_array_offset_and_strides():
    one = problem(("m", "n", "k"), (5, 3, 4), (0, 2), (2, 1), (0, 1))
    a, b = one.a[0], one.b[0]
    halves = Access(b.array, "f16", 12, b.strides, 24)
    two = Problem(one.roles, one.sizes, (a, a), (b, halves), (), one.outputs)
    assert two.operands == (a, b, halves)
    assert Problem(one.roles, one.sizes, (a, a), (b, b), (), one.outputs).operands == (a, b)


def test_gemms_of_different_k_have_a_loop_dim_each():
    one = different_k(5, 3, (4, 7, 4))
    assert (one.roles, one.sizes) == (("m", "n", "k0", "k1"), (5, 3, 4, 7))
    assert one.k_sizes == (4, 7, 4)
    assert [one.k_dim(access) for access in one.a + one.b] == [2, 3, 2, 2, 3, 2]
    assert [access.strides for access in one.a[:2]] == [(4, 0, 1, 0), (7, 0, 0, 1)]
    assert one.multiplications == 5 * 3 * (4 + 7 + 4)
    with pytest.raises(ValueError, match="no dim of role k in m, n, k0, k1"):
        one.size("k")


def test_one_k_is_the_k_of_every_gemm():
    one = problem(("m", "n", "k"), (5, 3, 4), (0, 2), (2, 1), (0, 1), gemms=2)
    assert one.k_sizes == (4, 4)
    assert [one.k_dim(access) for access in one.operands] == [2, 2, 2]
    assert one.multiplications == 2 * 5 * 3 * 4


def test_k_dims_merge_for_each_gemm_by_itself():
    """A is 2 x 3 x 4 along m, k0, k0 in one array and 2 x 5 x 1 along m, k1, k1 in another, B the same by n."""
    roles, sizes = ("m", "n", "k0", "k0", "k1", "k1"), (2, 6, 3, 4, 5, 1)
    a = (Access(0, "f16", 0, (12, 0, 4, 1, 0, 0), 24, "a"), Access(1, "f16", 0, (5, 0, 0, 0, 1, 1), 10, "a"))
    b = (Access(2, "f16", 0, (0, 1, 24, 6, 0, 0), 72, "b"), Access(3, "f16", 0, (0, 1, 0, 0, 6, 6), 30, "b"))
    outputs = (Access(4, "f16", 0, (6, 1, 0, 0, 0, 0), 12),)
    one = Problem(roles, sizes, a, b, (), outputs, ("k0", "k1"))
    merged = canonical(one)
    assert (merged.roles, merged.sizes) == (("m", "n", "k0", "k1"), (2, 6, 12, 5))
    assert merged.k_sizes == one.k_sizes == (12, 5)
    assert [access.strides for access in merged.b] == [(0, 1, 6, 0), (0, 1, 0, 6)]
    assert canonical(merged) == merged


def test_the_first_columns_of_an_array_are_another_operand_than_all_of_them():
    one = different_k(5, 3, (4, 7))
    part = replace(one.a[1], strides=(7, 0, 1, 0))
    shared = replace(one, a=(part, one.a[1]))
    assert len(shared.operands) == 4
    assert [shared.k_dim(access) for access in shared.a] == [2, 3]
