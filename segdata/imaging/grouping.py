"""Group photos from single portraits: who fits beside whom, who stands where, and who is in front.

A frame's edge cuts most portraits, and what the frame cut must stay cut by the frame: someone cut by the left side
stands at the left side. So a scene takes at most one person who is cut on the left and one who is cut on the right.
Whoever spans the frame from side to side is shown down to where the sides begin to cut, by letting the scene's bottom
edge cut there. Where that would go through the face, the scene is theirs alone: of those behind them an ear might be
seen, and a sliver teaches little. People stand side by side in a frame of 4:3, with heads of about one size; of two the
one with the larger head is the nearer, and covers the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segdata.imaging.fusion import FusionPlan, FusionSettings, Placed, unit_draw
from segdata.imaging.placement import Framing, Standing

_ASPECT = 4 / 3  # of a group's frame: width by height
_HEAD = (0.28, 0.38)  # how wide heads of two or three are, as fractions of the frame's height
_REACH = (0.35, 0.9)  # the lowest and the highest that people reach in it
_MARGIN = 0.03  # of a portrait's height: a softened edge reaches the side a little above a label's
_SHOWN_MIN = 0.45  # of a portrait's height: head and the beginning of the shoulders; and of a close-up
_HEADS_MIN = 1.9  # widths of the head from the crown down: a head is about 1.4 as high as wide, and then comes the neck
_ENLARGED_MAX = 1.6  # more would show in the pixels


@dataclass(frozen=True, slots=True)
class Member:
    """Someone who may stand in a group.

    Attributes:
        portrait_id: sample_id.
        size_hw: of the portrait, in pixels.
        framing: what its frame cuts.
    """

    portrait_id: str
    size_hw: tuple[int, int]
    framing: Framing

    @property
    def shown(self) -> float:
        """The share of the portrait's rows, from the top, that a scene shows: less than all of who spans the frame."""
        framing = self.framing
        clear = framing.clear - _MARGIN
        least = max(_SHOWN_MIN, _HEADS_MIN * self.head)
        lowered = framing.spans and not framing.top and clear - framing.box[1] >= least
        return clear if lowered else 1.0

    @property
    def sides(self) -> tuple[bool, bool]:
        """Whether the left and the right side of the frame still cut what is shown."""
        return (self.framing.left, self.framing.right) if self.shown == 1 else (False, False)

    @property
    def head(self) -> float:
        """About how wide the head is, as a fraction of the portrait's height."""
        return max(0.05, self.framing.head * self.size_hw[1] / self.size_hw[0])

    @property
    def spans(self) -> bool:
        """Whether what is shown still runs from side to side."""
        return all(self.sides)


def fits(group: Sequence[Member], candidate: Member) -> bool:
    """Whether someone can join a group so that every cut stays at the frame's edge.

    Args:
        group: those there are, the first of them being the one that the scene is made for.
        candidate: who would join.
    """
    if candidate.framing.top or candidate.framing.box[1] >= 0.9 or any(one.spans for one in (candidate, *group)):
        return False
    taken = [any(one.sides[side] for one in group) for side in (0, 1)]
    return not any(cut and there for cut, there in zip(candidate.sides, taken, strict=True))


def plan_group(settings: FusionSettings, group: Sequence[Member], background_id: str, seed: int) -> FusionPlan:
    """Draw a scene of several people.

    Args:
        settings: how they are cut out; its placement is of single portraits and has no say here.
        group: two or more who fit together (see `fits`), so that none of them spans the frame; the first one's height
            is the frame's.
        background_id: sample_id of the background.
        seed: with the ids it decides the draws.
    """
    first = group[0]
    words = (background_id, *(one.portrait_id for one in group))
    height, width = first.size_hw
    width = max(width, round(height * _ASPECT))
    order = _order(group, seed, words)
    placed = []
    for slot, member in enumerate(order):
        standing, reach = _stand(member, (height, width), _slot_x(order, slot, seed, words), seed, words)
        placed.append((reach, Placed(member.portrait_id, standing)))
    placed.sort(key=lambda one: one[0])
    crop_x, crop_y = (round(unit_draw(seed, name, *words), 6) for name in ("crop_x", "crop_y"))
    return FusionPlan(tuple(one for _, one in placed), background_id, settings, crop_x, crop_y, (height, width))


def _order(group: Sequence[Member], seed: int, words: tuple[str, ...]) -> list[Member]:
    """From left to right; whom a side cuts stands at that side."""

    def key(member: Member) -> tuple[int, float]:
        left, right = member.sides
        side = 0 if left else 2 if right else 1
        return side, unit_draw(seed, "order", member.portrait_id, *words)

    return sorted(group, key=key)


def _slot_x(order: Sequence[Member], slot: int, seed: int, words: tuple[str, ...]) -> float:
    """Where the middle of a subject is wanted, as a fraction of the frame."""
    wobble = 0.3 * (unit_draw(seed, "x", str(slot), *words) - 0.5) / len(order)
    return (slot + 0.5) / len(order) + wobble


def _stand(
    member: Member, frame_hw: tuple[int, int], wanted_x: float, seed: int, words: tuple[str, ...]
) -> tuple[Standing, float]:
    """A member's place, and how large the head is there: the larger, the nearer."""
    left, top, right = member.framing.box
    cut_left, cut_right = member.sides
    shown = member.shown
    if member.framing.top:
        height = 1.0  # as photographed: smaller, an edge that was cut would show
    else:
        people = len(words) - 1
        drawn = _HEAD[0] + (_HEAD[1] - _HEAD[0]) * unit_draw(seed, "head", member.portrait_id, *words)
        drawn *= min(1.0, 3 / people)
        lowest, highest = (reach / (shown - top) for reach in _REACH)
        height = min(max(drawn / member.head, lowest), highest, _ENLARGED_MAX * member.size_hw[0] / frame_hw[0])
    aspect = (member.size_hw[1] / member.size_hw[0]) * (frame_hw[0] / frame_hw[1])
    width = height * aspect
    x = wanted_x - ((left + right) / 2 - 0.5) * width
    if cut_left:
        x = width / 2
    elif cut_right:
        x = 1 - width / 2
    sink = height * (1 - shown)
    return Standing(round(height, 6), round(width, 6), round(x, 6), round(sink, 6)), height * member.head
