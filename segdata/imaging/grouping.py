"""Group photos from single portraits: who fits beside whom, who stands where, and who is in front.

A frame's edge cuts most portraits, and what the frame cut must stay cut by the frame: someone cut by the left side
stands at the left side. So a scene takes at most one person who is cut on the left and one who is cut on the right.
Whoever spans the frame from side to side is the nearest, the scene has their frame, and the others look over their
shoulders. The others stand side by side in a frame of 4:3; the taller one of two is the nearer, and covers the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segdata.imaging.fusion import FusionPlan, FusionSettings, Placed, unit_draw
from segdata.imaging.placement import Framing, Standing

_ASPECT = 4 / 3  # of a group's frame: width by height
_TALL = (0.56, 0.82)  # how high people reach in a group's frame
_ENLARGED_MAX = 1.6  # more would show in the pixels
_BESIDE_A_SPAN = (0.14, 0.86, 0.34)  # where those behind someone who spans the frame can be seen


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


def fits(group: Sequence[Member], candidate: Member) -> bool:
    """Whether someone can join a group so that every cut stays at the frame's edge.

    Args:
        group: those there are, the first of them being the one that the scene is made for.
        candidate: who would join.
    """
    framing = candidate.framing
    if framing.spans or framing.top or framing.box[1] >= 0.9:
        return False
    if group[0].framing.spans:
        return not (framing.left or framing.right)
    sides = [(one.framing.left, one.framing.right) for one in group]
    taken = any(left for left, _ in sides), any(right for _, right in sides)
    return not ((framing.left and taken[0]) or (framing.right and taken[1]))


def plan_group(settings: FusionSettings, group: Sequence[Member], background_id: str, seed: int) -> FusionPlan:
    """Draw a scene of several people.

    Args:
        settings: how they are cut out; its placement is of single portraits and has no say here.
        group: two or more who fit together (see `fits`); the first one's height is the frame's.
        background_id: sample_id of the background.
        seed: with the ids it decides the draws.
    """
    first = group[0]
    words = (background_id, *(one.portrait_id for one in group))
    height, width = first.size_hw
    if not first.framing.spans:
        width = max(width, round(height * _ASPECT))
    order = _order(group, seed, words)
    placed = []
    for slot, member in enumerate(order):
        standing, reach = _stand(member, (height, width), _slot_x(order, slot, seed, words), seed, words)
        placed.append((member is first and first.framing.spans, reach, Placed(member.portrait_id, standing)))
    placed.sort(key=lambda one: one[:2])
    crop_x, crop_y = (round(unit_draw(seed, name, *words), 6) for name in ("crop_x", "crop_y"))
    return FusionPlan(tuple(one for _, _, one in placed), background_id, settings, crop_x, crop_y, (height, width))


def _order(group: Sequence[Member], seed: int, words: tuple[str, ...]) -> list[Member]:
    """From left to right; someone who spans the frame comes first, and has no slot."""

    def key(member: Member) -> tuple[int, float]:
        framing = member.framing
        side = 0 if framing.left else 2 if framing.right else 1
        return -1 if framing.spans else side, unit_draw(seed, "order", member.portrait_id, *words)

    return sorted(group, key=key)


def _slot_x(order: Sequence[Member], slot: int, seed: int, words: tuple[str, ...]) -> float:
    """Where the middle of a subject is wanted, as a fraction of the frame."""
    if order[0].framing.spans:
        return 0.5 if slot == 0 else _BESIDE_A_SPAN[slot - 1]
    wobble = 0.3 * (unit_draw(seed, "x", str(slot), *words) - 0.5) / len(order)
    return (slot + 0.5) / len(order) + wobble


def _stand(
    member: Member, frame_hw: tuple[int, int], wanted_x: float, seed: int, words: tuple[str, ...]
) -> tuple[Standing, float]:
    """A member's place, and how high the subject reaches there: the higher, the nearer."""
    framing = member.framing
    left, top, right = framing.box
    if framing.spans or framing.top:
        height = 1.0  # as photographed: smaller, an edge that was cut would show
    else:
        drawn = _TALL[0] + (_TALL[1] - _TALL[0]) * unit_draw(seed, "tall", member.portrait_id, *words)
        height = min(drawn / (1 - top), _ENLARGED_MAX * member.size_hw[0] / frame_hw[0])
    aspect = (member.size_hw[1] / member.size_hw[0]) * (frame_hw[0] / frame_hw[1])
    width = height * aspect
    x = wanted_x - ((left + right) / 2 - 0.5) * width
    if framing.spans:
        x = 0.5
    elif framing.left:
        x = width / 2
    elif framing.right:
        x = 1 - width / 2
    return Standing(round(height, 6), round(width, 6), round(x, 6)), height * (1 - top)
