from rocfuse.analysis.slices import (
    Index,
    box_of,
    box_through_reshape,
    dims_of,
    dropped_dims,
    identity,
    is_projected_permutation,
    loops_of_result,
    through_collapse,
    through_expand,
    through_map,
    through_slice,
)


def test_slices_compose_to_the_sum_of_their_offsets():
    once = through_slice(identity(2), (1, 4), frozenset())
    assert through_slice(once, (10, 20), frozenset()) == (Index(0, 11), Index(1, 24))


def test_rank_reducing_slice_reads_a_constant():
    assert through_slice((Index(0), Index(1)), (3, 0, 5), frozenset({0})) == (Index(None, 3), Index(0), Index(1, 5))


def test_dropped_dims_are_unit_dims():
    assert dropped_dims((1, 5, 6), (5, 6)) == {0}
    assert dropped_dims((5, 1, 6), (5, 6)) == {1}
    assert dropped_dims((5, 6), (5, 6)) == set()
    assert dropped_dims((1, 1), ()) == {0, 1}
    assert dropped_dims((5, 2, 6), (5, 6)) is None


def test_result_access_gives_the_loops_of_a_transposing_op():
    loops = loops_of_result((Index(1), Index(0)), (Index(0, 2), Index(1)), 2)
    assert loops == (Index(1), Index(0, 2))
    assert through_map((Index(0), Index(None, 0)), loops) == (Index(1), Index(None, 0))


def test_result_that_leaves_a_loop_open_has_no_access():
    assert loops_of_result((Index(0),), (Index(0),), 2) is None
    assert loops_of_result((Index(0), Index(0)), identity(2), 1) is None


def test_unit_reshapes_compose_and_others_do_not():
    groups = [[0, 1], [2]]
    assert through_expand((Index(0), Index(1), Index(2)), groups, (1, 5, 6)) == (Index(1), Index(2))
    assert through_expand(identity(3), groups, (2, 5, 6)) is None
    assert through_collapse(identity(2), groups, (1, 5, 6)) == (Index(None, 0), Index(0), Index(1))
    assert through_collapse(identity(2), groups, (2, 5, 6)) is None


def test_a_single_row_keeps_its_loop_through_reshapes():
    assert through_expand(identity(3), [[0, 1], [2]], (1, 1, 6)) == (Index(0), Index(2))
    assert through_collapse(identity(2), [[0, 1], [2]], (1, 1, 6)) == (Index(0), Index(None, 0), Index(1))


def test_projected_permutations():
    assert is_projected_permutation((Index(2), Index(0)))
    assert not is_projected_permutation((Index(0), Index(0)))
    assert not is_projected_permutation((Index(0, 1),))
    assert not is_projected_permutation((Index(None, 0),))
    assert dims_of((Index(2), Index(None, 0), Index(0))) == (2, 0)


def test_a_box_passes_a_reshape_of_dims_that_it_takes_whole():
    merge = [([0], [0, 1]), ([1], [2])]  # 2x5x12 -> 10x12
    assert box_through_reshape(((0, 10), (6, 6)), merge, (10, 12), (2, 5, 12)) == ((0, 2), (0, 5), (6, 6))
    assert box_through_reshape(((0, 5), (6, 6)), merge, (10, 12), (2, 5, 12)) is None
    split = [([0, 1], [0]), ([2], [1])]
    assert box_through_reshape(((0, 2), (0, 5), (6, 6)), split, (2, 5, 12), (10, 12)) == ((0, 10), (6, 6))
    assert box_through_reshape(((1, 1), (0, 5), (6, 6)), split, (2, 5, 12), (10, 12)) is None
    assert box_through_reshape(((0, 1), (3, 2), (6, 6)), split, (1, 5, 12), (5, 12)) == ((3, 2), (6, 6))


def test_box_of_an_access():
    assert box_of((Index(1, 4), Index(None, 2), Index(0)), (8, 6)) == ((4, 6), (2, 1), (0, 8))
