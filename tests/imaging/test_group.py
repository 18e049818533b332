"""A group has heads of one height on one line, neighbours that overlap, and cuts only at its own edges."""

from __future__ import annotations

import numpy as np
import pytest

from segdata.errors import PixelError
from segdata.imaging import group
from segdata.imaging.group import Member, compose_group, plan_places
from segdata.imaging.head import Head

RED, BLUE = (220, 30, 30), (30, 30, 220)


def someone(colour: tuple[int, int, int], head_px: int, size_hw: tuple[int, int] = (400, 300)) -> Member:
    """A block of one colour: a head of that height in the middle, shoulders down to the bottom."""
    alpha = np.zeros(size_hw, np.uint8)
    middle = size_hw[1] // 2
    alpha[50:, middle - head_px // 3 : middle + head_px // 3] = 255
    alpha[50 + head_px + 10 :, middle - head_px // 2 : middle + head_px // 2] = 255
    return Member(np.full((*size_hw, 3), colour, np.uint8), alpha, Head(50, 50 + head_px, middle, 1))


def grouped(*members: Member) -> np.ndarray:
    size_hw, places = plan_places(members)
    return compose_group(members, places, np.full((*size_hw, 3), 255, np.uint8))


def test_heads_come_to_one_height_and_one_line() -> None:
    members = (someone(RED, 90), someone(BLUE, 180, (800, 600)))
    _, places = plan_places(members)
    heights = [member.head.height_px * place.scale for member, place in zip(members, places, strict=True)]
    assert heights == pytest.approx([135, 135])
    crowns = [place.top + member.head.crown_y * place.scale for member, place in zip(members, places, strict=True)]
    assert crowns == pytest.approx([0.6 * 135] * 2)


def test_bodies_reach_the_bottom_of_the_picture() -> None:
    picture = grouped(someone(RED, 90), someone(BLUE, 180, (800, 600)))
    bottom = picture[-1].astype(int)
    assert (bottom[:, 0] - bottom[:, 2] > 100).any() and (bottom[:, 2] - bottom[:, 0] > 100).any()


def test_neighbours_overlap_and_the_first_is_in_front() -> None:
    for members, front in (((someone(RED, 90), someone(BLUE, 90)), RED), ((someone(BLUE, 90), someone(RED, 90)), BLUE)):
        size_hw, places = plan_places(members)
        first_right = places[0].left + (150 + 45) * places[0].scale
        second_left = places[1].left + (150 - 45) * places[1].scale
        assert second_left < first_right
        picture = compose_group(members, places, np.full((*size_hw, 3), 255, np.uint8))
        middle = picture[-10, round((first_right + second_left) / 2)]
        assert middle.tolist() == list(front)


def test_two_half_transparent_people_let_a_quarter_of_the_background_through() -> None:
    members = []
    for _ in range(2):
        one = someone((0, 0, 0), 90)
        members.append(Member(one.foreground, np.where(one.alpha > 0, np.uint8(128), np.uint8(0)), one.head))
    size_hw, places = plan_places(members)
    picture = compose_group(members, places, np.full((*size_hw, 3), 255, np.uint8))
    assert int(picture.min()) == pytest.approx(255 * (127 / 255) ** 2, abs=1)


def test_whom_the_photo_cut_at_the_side_stands_at_the_pictures_side() -> None:
    cut = someone(RED, 90)
    cut.alpha[200:, :150] = 255
    _, places = plan_places((cut, someone(BLUE, 90)))
    assert places[0].left == 0
    assert places[0].notes == ()
    _, places = plan_places((someone(BLUE, 90), cut))
    assert places[1].notes == ("the photo cuts the person on the left, and that shows in the middle of the group",)


@pytest.mark.parametrize("most", [{"_MOST_PIXELS": 20_000}, {"_LONGEST_SIDE": 150}])
def test_the_picture_has_a_limit_of_size_and_its_heads_still_have_one_height(
    monkeypatch: pytest.MonkeyPatch, most: dict[str, int]
) -> None:
    members = (someone(RED, 90), someone(BLUE, 20))
    (large, _) = plan_places(members)
    for name, value in most.items():
        monkeypatch.setattr(group, name, value)
    (height, width), places = plan_places(members)
    assert height * width <= most.get("_MOST_PIXELS", height * width)
    assert max(height, width) <= most.get("_LONGEST_SIDE", max(height, width))
    assert (height, width) != large and height / width == pytest.approx(large[0] / large[1], rel=0.03)
    heads = [member.head.height_px * place.scale for member, place in zip(members, places, strict=True)]
    assert heads[0] == pytest.approx(heads[1])


def test_who_is_enlarged_much_is_told() -> None:
    _, places = plan_places((someone(RED, 30), someone(BLUE, 90), someone(BLUE, 90)))
    assert [place.notes for place in places] == [("enlarged 3.0 times to match the others",), (), ()]


def test_one_person_alone_is_a_group_too() -> None:
    picture = grouped(someone(RED, 90))
    assert (picture[-1] == RED).all(axis=-1).any()


def test_nobody_is_refused() -> None:
    with pytest.raises(PixelError, match="nobody"):
        plan_places(())
