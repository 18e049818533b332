"""Groups: what the frame cut stays at the frame's edge, the taller is the nearer, and every draw is repeatable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.imaging.fusion import FusionSettings, fuse_layers
from segdata.imaging.grouping import Member, fits, plan_group
from segdata.imaging.layer import Layer
from segdata.imaging.placement import Framing, place

_FREE = Framing(False, False, False, (0.2, 0.3, 0.8))
_LEFT = Framing(True, False, False, (0.0, 0.3, 0.7), 0.3)
_RIGHT = Framing(False, True, False, (0.3, 0.3, 1.0), 0.3)
_SPAN = Framing(True, True, False, (0.0, 0.25, 1.0), 0.25)
_BUST = Framing(True, True, False, (0.0, 0.1, 1.0), 0.7)  # shoulders as wide as the frame, from 70 % down
_TOP = Framing(False, False, True, (0.2, 0.0, 0.8))


def _member(name: str, framing: Framing = _FREE) -> Member:
    return Member(name, (80, 60), framing)


@pytest.mark.parametrize(
    ("group", "candidate", "answer"),
    [
        ([_FREE], _FREE, True),
        ([_FREE], _LEFT, True),
        ([_LEFT], _RIGHT, True),
        ([_LEFT], _LEFT, False),
        ([_FREE, _RIGHT], _RIGHT, False),
        ([_FREE], _SPAN, False),
        ([_FREE], _TOP, False),
        ([_SPAN], _FREE, False),
        ([_SPAN], _LEFT, False),
        ([_FREE], _BUST, True),
        ([_BUST], _BUST, True),
        ([_BUST], _LEFT, True),
        ([_TOP], _FREE, True),
    ],
)
def test_two_who_are_cut_on_one_side_do_not_fit_together(
    group: list[Framing], candidate: Framing, answer: bool
) -> None:
    assert fits([_member(str(i), one) for i, one in enumerate(group)], _member("c", candidate)) is answer


def _layer(framing: Framing, colour: int) -> Layer:
    """A block that the frame of 80x60 cuts just as the framing says."""
    alpha = np.zeros((80, 60), np.uint8)
    left, top, right = framing.box
    alpha[round(top * 80) :, round(left * 60) : round(right * 60)] = 255
    return Layer(np.full((80, 60, 3), colour, np.uint8), alpha)


@given(
    st.sampled_from([_FREE, _LEFT, _RIGHT, _SPAN, _TOP, _BUST]),
    st.lists(st.sampled_from([_FREE, _LEFT, _RIGHT, _BUST]), min_size=1, max_size=3),
    st.integers(0, 50),
)
def test_every_cut_lies_on_the_edge_of_the_scene(first: Framing, others: list[Framing], seed: int) -> None:
    group = [_member("p0", first)]
    for number, framing in enumerate(others, start=1):
        if fits(group, _member(f"p{number}", framing)):
            group.append(_member(f"p{number}", framing))
    if len(group) == 1:
        return
    plan = plan_group(FusionSettings(), group, "b", seed)
    framings = {one.portrait_id: one.framing for one in group}
    assert {placed.portrait_id for placed in plan.portraits} == set(framings)
    for placed in plan.portraits:
        framing, at = framings[placed.portrait_id], placed.standing
        sides_show = at.shown > framing.clear + 1e-5
        assert not (framing.left and sides_show) or at.x - at.width / 2 <= 1e-6
        assert not (framing.right and sides_show) or at.x + at.width / 2 >= 1 - 1e-6
        assert at.sink == 0 or at.height - at.sink > 0.4
        assert not framing.top or at.height >= 1
        assert plan.frame_hw is not None
        assert at.height * plan.frame_hw[0] / (at.width * plan.frame_hw[1]) == pytest.approx(80 / 60, rel=1e-3)


def test_nobody_stands_behind_one_who_spans_the_frame() -> None:
    assert not fits([_member("wide", _SPAN)], _member("a"))
    assert not fits([_member("a")], _member("wide", _SPAN))
    assert fits([_member("bust", _BUST)], _member("a"))


def test_one_whose_shoulders_fill_the_frame_is_shown_down_to_where_the_sides_begin_to_cut() -> None:
    plan = plan_group(FusionSettings(), [_member("bust", _BUST), _member("free")], "bg", 0)
    assert plan.frame_hw == (80, 107)
    alpha = np.zeros((80, 60), np.uint8)
    alpha[8:, 20:40] = 255
    alpha[56:] = 255  # 70 %
    layers = {"bust": Layer(np.full((80, 60, 3), 10, np.uint8), alpha), "free": _layer(_FREE, 200)}
    white = np.full((40, 40, 3), 255, np.uint8)
    _, united = fuse_layers([layers[one.portrait_id] for one in plan.portraits], white, plan)
    standing = next(one.standing for one in plan.portraits if one.portrait_id == "bust")
    assert standing.shown == pytest.approx(0.67, abs=1e-5)  # and a little above
    only = place(layers["bust"].foreground, alpha, standing, (80, 107))[1]
    assert (united >= only).all()
    rows, columns = np.nonzero(only >= 128)
    assert rows.max() == 79  # the bottom edge cuts
    assert columns.max() - columns.min() + 1 == pytest.approx(standing.width * 107 / 3, abs=1.5)  # no shoulders shown


def test_nobody_is_cut_through_the_face() -> None:
    # a close-up: shoulders fill the frame from 60 % down, and a head half as wide as the frame reaches far below that
    close = Framing(True, True, False, (0.0, 0.05, 1.0), 0.6, head=0.6)
    assert Member("close", (800, 600), close).spans
    far = Framing(True, True, False, (0.0, 0.05, 1.0), 0.6, head=0.3)
    assert Member("far", (800, 600), far).shown < 1


def test_others_stand_side_by_side_in_a_wide_frame_the_larger_head_in_front() -> None:
    plan = plan_group(FusionSettings(), [_member("a"), _member("b"), _member("c")], "bg", 3)
    assert plan.frame_hw == (80, 107)
    heads = [placed.standing.height * 0.4 * 60 / 80 for placed in plan.portraits]
    assert heads == sorted(heads)
    assert all(0.28 <= head <= 0.38 for head in heads)
    middles = sorted(placed.standing.x for placed in plan.portraits)
    assert middles[0] < 0.3 < middles[1] < 0.7 < middles[2]


def test_a_group_is_fused_with_the_union_of_its_alphas_and_all_stand_on_the_bottom_edge() -> None:
    group = [_member("a", _LEFT), _member("b", _RIGHT)]
    plan = plan_group(FusionSettings(), group, "bg", 1)
    layers = {"a": _layer(_LEFT, 50), "b": _layer(_RIGHT, 200)}
    background = np.full((40, 40, 3), 120, np.uint8)
    composite, alpha = fuse_layers([layers[one.portrait_id] for one in plan.portraits], background, plan)
    assert composite.shape == (80, 107, 3)
    assert (composite[-1, 0, 0], composite[-1, -1, 0]) == (50, 200)  # each at the side that cut them
    assert alpha[-1, 0] == alpha[-1, -1] == 255
    assert set(np.unique(composite[alpha == 255])) == {50, 200}
    assert (composite[alpha == 0] == 120).all()


def test_the_same_seed_draws_the_same_group_and_another_another() -> None:
    group = [_member("a"), _member("b")]
    plan = plan_group(FusionSettings(), group, "bg", 1)
    assert plan_group(FusionSettings(), group, "bg", 1) == plan
    assert plan_group(FusionSettings(), group, "bg", 2).portraits != plan.portraits
