"""The tolerance rule: what passes, what fails, and what the report says."""

import ml_dtypes
import numpy as np
import pytest

from rocfuse.diagnostics import UsageError
from rocfuse.sim.compare import compare, compare_exact, ulp

BF16 = np.dtype(ml_dtypes.bfloat16)


def references(shape, dtype=np.float16, seed=0):
    r = np.random.default_rng(seed).standard_normal(shape)
    return r.astype(dtype), r


def test_ulp_is_the_spacing_of_the_type():
    values = np.array([0.0, 1e-9, 6.2e-5, 0.3, 1.0, 1.999, 2.0, 60000.0, 1e9])
    inside = np.minimum(values, 65504.0).astype(np.float16)
    expected = np.spacing(inside[:-2]).astype(np.float64)
    assert np.array_equal(ulp(values[:-2], np.dtype(np.float16)), expected)
    assert ulp(np.array([1e9]), np.dtype(np.float16)) == 32
    assert ulp(np.array([1.0, 0.0]), BF16).tolist() == [2.0**-7, 2.0**-133]
    assert ulp(np.array([1.0]), np.dtype(np.float32)) == 2.0**-23


@pytest.mark.parametrize("dtype", [np.float16, BF16, np.float32])
@pytest.mark.parametrize("shape", [(64, 64), (2, 33, 65), (7,), (), (1, 1), (3, 0)])
def test_the_unfused_program_passes_against_itself(dtype, shape):
    u, r = references(shape, dtype)
    result = compare(u, u, np.asarray(r))
    assert result.ok and result.worst_ratio < 1 and result.wrong == 0


def test_twice_the_unfused_error_plus_one_ulp_is_the_limit():
    r = np.full((32, 32), 1.5)
    u = r.astype(np.float16)
    u[3, 4] = np.float16(1.5 + 4 * 2**-10)
    limit = 9  # 2 * 4 ulp + 1 ulp
    y = r.astype(np.float16)
    y[9, 9] += np.float16(limit * 2**-10)
    assert compare(y, u, r).ok
    y[9, 9] += np.float16(2**-10)
    result = compare(y, u, r)
    assert not result.ok and result.first_wrong == (9, 9) and result.wrong == 1
    assert result.worst_ratio == pytest.approx(10 / 9)


def test_an_error_in_one_tile_does_not_excuse_another():
    r = np.full((2, 64, 64), 1.5)
    u = r.astype(np.float16)
    u[0, 0, 0] = 2
    y = r.astype(np.float16)
    y[0, 5, 5] = 2
    assert compare(y, u, r).ok
    y[1, 40, 33] = 2
    result = compare(y, u, r, locate=lambda index: (index[0], index[1] // 16, index[2]))
    assert result.first_wrong == (1, 40, 33) and result.tile == (1, 1, 1) and result.place == (1, 2, 33)
    assert "first at [1, 40, 33] in tile [1, 1, 1], workgroup 1 wave 2 lane 33" in result.message


def test_the_report_has_the_error_and_tells_its_numbers_apart():
    r = np.full((4, 4), 221678080.0)
    u = r.astype(np.float32)
    y = u.copy()
    y[2, 3] += 48
    message = compare(y, u, r).message
    assert message.endswith(": got 2.2167813e+08, unfused 2.2167808e+08, float64 2.2167808e+08, error 48 > 16"), message
    y[2, 3] = np.inf
    assert compare(y, u, r).message.endswith(": got inf, unfused 2.21678e+08, float64 2.21678e+08")
    r[0, 0] += 8.25
    y = u.copy()
    y[2, 3] += 64
    message = compare(y, u, r).message  # the bound is 2 * 8.25 + 16
    assert message.endswith("error 64 > 32.5"), message


@pytest.mark.parametrize(
    ("dtype", "one", "other", "words"),
    [
        (np.float64, 1.0, 1.0 + 2**-52, "got 1.0, expected 1.0000000000000002"),
        (np.int64, 2**60, 2**60 + 1, "got 1152921504606846976, expected 1152921504606846977"),
        (BF16, 1.0, 1.0078125, "got 1, expected 1.00781"),
        (np.float32, 0.0, -0.0, "got 0, expected -0"),
    ],
)
def test_the_report_of_the_exact_comparison_tells_its_numbers_apart(dtype, one, other, words):
    message = compare_exact(np.array([one], dtype), np.array([other], dtype)).message
    assert message.endswith(f": {words}"), message


def test_an_index_of_rank_1_is_reported_in_rank_1():
    u, r = references((100,))
    y = u.copy()
    y[70] += 1
    result = compare(y, u, r)
    assert result.first_wrong == (70,) and result.tile == (0, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_special_values_stand_in_equal_places(value):
    u, r = references((40, 40))
    u[1, 1] = value
    y = u.copy()
    assert compare(y, u, r).ok  # r may be finite there: f16 overflows where float64 does not
    y[1, 1] = 0
    assert compare(y, u, r).first_wrong == (1, 1)
    y[1, 1] = -value if np.isinf(value) else np.inf
    assert compare(y, u, r).first_wrong == (1, 1)
    y = u.copy()
    y[39, 39] = value
    assert compare(y, u, r).first_wrong == (39, 39)


def test_a_special_value_does_not_widen_the_bound():
    u, r = references((32, 32))
    u[0, 0], r[0, 0] = np.inf, 1e9
    y = u.copy()
    y[5, 5] += 1
    assert compare(y, u, r).first_wrong == (5, 5)


def test_where_only_float64_is_not_finite_the_unfused_value_counts():
    u, r = references((32, 32))
    r[2, 2] = np.nan
    y = u.copy()
    assert compare(y, u, r).ok
    y[2, 2] += 1
    assert compare(y, u, r).first_wrong == (2, 2)


def test_bit_patterns_are_accepted_and_other_types_refused():
    u, r = references((8, 8), BF16)
    assert compare(u.view(np.uint16), u, r).ok
    assert compare_exact(u.view(np.uint16), u).ok
    with pytest.raises(UsageError, match="cannot compare float32"):
        compare(u.astype(np.float32), u, r)
    with pytest.raises(UsageError, match="shapes"):
        compare(u, u, r[:4])


def test_exact_tells_signed_zeros_apart_and_takes_any_nan():
    u = np.array([[0.0, np.nan, 1.0]], np.float16)
    y = u.copy()
    y.view(np.uint16)[0, 1] ^= 0x8001
    assert compare_exact(y, u).ok
    y[0, 0] = -0.0
    result = compare_exact(y, u, locate=lambda index: (0, 1, 2))
    assert result.first_wrong == (0, 0) and "wave 1 lane 2" in result.message and result.wrong == 1
