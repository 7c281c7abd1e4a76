"""Views of an argument's memory, against numpy's own strides, and the widest access that an address allows."""

import itertools

import numpy as np
import pytest

from rocfuse.analysis import views
from rocfuse.analysis.views import View

BASE = np.arange(4 * 6 * 10, dtype=np.int64).reshape(4, 6, 10)


def same(view: View, array: np.ndarray) -> bool:
    """Whether a view of BASE names the elements of a numpy view of it; unit dims may have any stride."""
    flat = BASE.ravel()
    found = [
        flat[view.offset + sum(i * s for i, s in zip(index, view.strides, strict=True))]
        for index in itertools.product(*map(range, view.sizes))
    ]
    return view.sizes == array.shape and found == list(array.ravel())


def test_dense_is_row_major():
    assert views.dense((4, 6, 10)) == View((4, 6, 10), (60, 10, 1))
    assert views.dense(()) == View((), ())
    assert same(views.dense(BASE.shape), BASE)


def test_slices_compose_with_offset_and_step():
    view = views.sliced(views.dense(BASE.shape), (1, 0, 3), (2, 3, 7), (1, 2, 1))
    assert same(view, BASE[1:3, 0:6:2, 3:10])
    again = views.sliced(view, (1, 1, 2), (1, 2, 2), (1, 1, 2))
    assert same(again, BASE[1:3, 0:6:2, 3:10][1:2, 1:3, 2:6:2])
    assert same(views.dropped(again, [0]), BASE[1:3, 0:6:2, 3:10][1, 1:3, 2:6:2])


@pytest.mark.parametrize(
    ("view", "extent"),
    [(View((4, 6), (6, 1)), 24), (View((4, 6), (10, 1), 7), 36), (View((1, 1), (99, 1)), 1), (View((3,), (0,)), 1)],
)
def test_the_extent_ends_with_the_last_element(view, extent):
    assert view.extent == extent


def test_collapse_is_a_view_only_where_the_dims_are_evenly_strided():
    whole = views.dense(BASE.shape)
    assert same(views.collapsed(whole, ((0, 1), (2,))), BASE.reshape(24, 10))
    rows = views.sliced(whole, (0, 0, 2), (4, 6, 3), (1, 1, 1))
    assert same(views.collapsed(rows, ((0, 1), (2,))), BASE[:, :, 2:5].reshape(24, 3))
    assert views.collapsed(rows, ((0,), (1, 2))) is None
    one = views.sliced(whole, (0, 0, 2), (4, 1, 3), (1, 1, 1))
    assert same(views.collapsed(one, ((0,), (1, 2))), BASE[:, 0, 2:5]), "a unit dim hinders nothing"
    unit = views.sliced(whole, (3, 5, 9), (1, 1, 1), (1, 1, 1))
    assert same(views.collapsed(unit, ((0, 1, 2),)), BASE[3:, 5, 9])


def test_expand_splits_row_major():
    view = views.sliced(views.dense(BASE.shape), (0, 0, 1), (4, 6, 8), (1, 1, 1))
    expanded = views.expanded(view, ((0,), (1, 2), (3, 4, 5)), (4, 2, 3, 2, 1, 4))
    assert same(expanded, BASE[:, :, 1:9].reshape(4, 2, 3, 2, 1, 4))


@pytest.mark.parametrize(
    ("strides", "contiguous", "offset", "total", "width"),
    [
        ((64, 1), 1, 0, 4096, 8),
        ((64, 1), 1, 64, 4096, 8),
        ((64, 1), 1, 68, 4096, 4),
        ((100, 1), 1, 0, 10000, 4),
        ((77, 1), 1, 0, 77 * 4, 1),
        ((64, 1), 1, 0, 64 * 3 + 2, 2),
        ((0, 1), 1, 0, 64, 8),
        ((1, 130), 0, 0, 13000, 2),
        ((1,), 0, 3, 64, 1),
    ],
)
def test_a_vector_is_as_wide_as_every_address_is_aligned(strides, contiguous, offset, total, width):
    assert views.vector_elements(strides, contiguous, offset, total, 8) == width


@pytest.mark.parametrize("most", [1, 2, 4, 8])
def test_a_vector_that_starts_inside_the_array_ends_inside_it(most):
    for stride, offset, rows, total in itertools.product(range(1, 17), range(5), (1, 3), range(16, 40)):
        width = views.vector_elements((stride, 1), 1, offset, total, most)
        for row, column in itertools.product(range(rows), range(0, stride, width)):
            start = offset + row * stride + column
            assert start % width == 0
            assert start >= total or start + width <= total
