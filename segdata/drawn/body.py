"""Trunk, neck, arms and hands."""

from __future__ import annotations

import numpy as np

from segdata.drawn.clothes import cloth_colour, paint_collar
from segdata.drawn.frame import mirrored
from segdata.drawn.light import relief, shaded
from segdata.drawn.paint import Float, Patch, curve, floats, limb, polygon, shapes, strokes
from segdata.drawn.sitting import Sitting


def paint_trunk(sitting: Sitting, rng: np.random.Generator) -> None:
    """The clothed trunk, then neck and chest, then the collar."""
    canvas, person, frame = sitting.canvas, sitting.person, sitting.frame
    s = person.shoulders
    waist = 0.62 + 0.06 * (1 - person.soft) if "hip" in person.pose else 0.8
    outline = mirrored(
        [
            (0.5, 1.36),
            (0.8, 1.66),
            (s * 0.6, 1.92),
            (s * 0.93, 2.14),
            (s * 1.09, 2.5),
            (s * 1.02, 3.2),
            (s * 0.86, 3.9),
            (s * waist, 5.3),
            (s * (waist + 0.12), 7.2),
            (s * (waist + 0.2), 9.0),
            (s * (waist + 0.22), 17),
        ]
    )
    trunk = polygon(curve(frame.px(outline)), canvas.size_hw)
    canvas.over(trunk, cloth_colour(person, frame, trunk, sitting.light, rng, depth=1.15))
    _paint_trousers(sitting, trunk, rng)
    _paint_neck(sitting)
    paint_collar(canvas, person, frame, sitting.light, rng)
    if person.garment != "turtleneck":
        chin = frame.px([(-0.75, 0.9), (0.75, 0.9), (0.62, 1.62), (-0.05 - sitting.light.x * 0.5, 1.8), (-0.62, 1.62)])
        canvas.darken(polygon(curve(chin), canvas.size_hw, 0.14 * frame.unit_px), 0.62)


def _paint_trousers(sitting: Sitting, trunk: Patch, rng: np.random.Generator) -> None:
    """What is worn below the hem, where the picture reaches that far down."""
    person, frame, canvas = sitting.person, sitting.frame, sitting.canvas
    hem = rng.uniform(6.7, 7.6)
    y_px = int(frame.px((0, hem))[1])
    if person.garment == "dress" or y_px >= canvas.size_hw[0] - 2:
        return
    below = Patch(max(trunk.top, y_px), trunk.left, trunk.mask[max(0, y_px - trunk.top) :])
    colour = _TROUSERS[int(rng.integers(len(_TROUSERS)))]
    canvas.atop(below, shaded(colour, relief(below, sitting.light, 0.9 * frame.unit_px), -0.03))
    line = frame.px([[(-0.05, hem + 0.9), (0, 17)]])
    canvas.atop(strokes(line, canvas.size_hw, 0.06 * frame.unit_px, 0.05 * frame.unit_px).times(0.6), (12, 12, 14))
    edge = curve(frame.px([(-2.6, hem), (0, hem + 0.06), (2.6, hem)]), closed=False)[None]
    canvas.atop(strokes(edge, canvas.size_hw, 0.1 * frame.unit_px, 0.06 * frame.unit_px).times(0.5), (12, 12, 14))


_TROUSERS = ((46, 58, 84), (38, 38, 42), (72, 74, 80), (150, 132, 104), (88, 66, 48), (96, 116, 148))


def _paint_neck(sitting: Sitting) -> None:
    person, frame, size_hw = sitting.person, sitting.frame, sitting.canvas.size_hw
    wide = 0.5 + 0.1 * (1 - person.soft) if person.age != "child" else 0.44
    depth = {"vneck": 3.0, "dress": 3.0, "tee": 2.2, "sweater": 2.1, "hoodie": 2.15, "shirt": 2.5, "blazer": 2.3}
    low = depth.get(person.garment, 1.7)
    half = {"dress": 1.45, "vneck": 0.95, "tee": 0.95}.get(person.garment, 0.8)
    outline = mirrored(
        [(wide, 0.5), (wide * 0.98, 1.2), (wide * 1.1, 1.52), (half, 1.76), (half * 0.78, low * 0.78 + 0.3)]
    )
    outline = np.insert(outline, len(outline) // 2, [[0.2, low], [-0.2, low]], axis=0)
    neck = polygon(curve(frame.px(outline)), size_hw)
    x, y = frame.grid(neck)
    # Collar bones, and the hollow between them.
    bones = -0.05 * np.exp(-(((y - 1.95 + np.abs(x) * 0.12) / 0.07) ** 2)) - 0.05 * np.exp(
        -(x**2 + (y - 1.85) ** 2) / 0.03
    )
    sinews = -0.05 * np.exp(-(((np.abs(x) - 0.42 + 0.18 * (y - 1)) / 0.09) ** 2)) * (y < 1.9)
    brightness = relief(neck, sitting.light, 0.6 * frame.unit_px, floats((bones + sinews) * frame.unit_px))
    sitting.canvas.over(neck, shaded(person.skin, brightness * 0.95))


def paint_arms(sitting: Sitting, rng: np.random.Generator, front: bool) -> None:
    """Both arms: those that hang or rest on a hip before the head is painted, lifted ones after it (`front`)."""
    for side, pose in zip((-1.0, 1.0), sitting.person.pose, strict=True):
        if (pose in ("chin", "up", "head")) == front:
            joints, hand = _joints(pose, side, sitting.person.shoulders, rng)
            _paint_arm(sitting, joints, rng)
            _paint_hand(sitting, joints, hand)


def _joints(pose: str, side: float, s: float, rng: np.random.Generator) -> tuple[Float, str]:
    """Shoulder, upper arm, elbow, forearm, wrist (5, 2), in the body's coordinates; and what the hand does."""
    shoulder = (s * 0.86, 2.78)
    elbow, wrist, hand = {
        "down": ((s * 1.0, 5.2), (s * 1.0, 7.4), "hang"),
        "hip": ((s * rng.uniform(1.4, 1.62), rng.uniform(4.5, 5.0)), (s * 0.86, rng.uniform(6.2, 6.6)), "rest"),
        "chin": ((s * 0.92, 5.0), (0.82, 2.35), "prop"),
        "up": ((s * 1.42, 1.9), (s * 1.3, -0.6), "open"),
        "head": ((s * 1.25 + 0.35, 0.3), (0.95, -1.2), "rest"),
    }[pose]
    corners = floats([shoulder, elbow, wrist])
    path = np.stack([corners[0], corners[:2].mean(0), corners[1], corners[1:].mean(0), corners[2]])
    path[1] += (corners[1] - corners[0])[::-1] * floats([0.05, -0.03])
    return np.asarray(path * floats([side, 1]), np.float32), hand


def _paint_arm(sitting: Sitting, joints: Float, rng: np.random.Generator) -> None:
    canvas, person, frame = sitting.canvas, sitting.person, sitting.frame
    unit, thick = frame.unit_px, 1.0 if person.soft < 0.5 else 0.86
    radii = floats([0.43, 0.44, 0.4, 0.35, 0.25]) * thick * (0.85 if person.age == "child" else 1)
    shadow = polygon(limb(frame.px(joints + floats([0.06, 0.1])), (radii + 0.1) * unit), canvas.size_hw, 0.16 * unit)
    canvas.darken(shadow, 0.72)
    bare = person.sleeves != "long" and person.garment not in ("blazer", "hoodie", "sweater", "turtleneck")
    if bare:
        skin = polygon(limb(frame.px(joints), radii * unit), canvas.size_hw)
        canvas.over(skin, shaded(person.skin, relief(skin, sitting.light, 0.45 * unit)))
        if person.sleeves == "none" and person.garment == "dress":
            return
        joints = np.stack([joints[0], (joints[0] + joints[1]) / 2, joints[1]])
        radii = floats([0.5, 0.53, 0.56]) * thick
    else:
        radii = radii + floats([0.06, 0.07, 0.1, 0.1, 0.1])
    sleeve = polygon(limb(frame.px(joints), radii * unit), canvas.size_hw)
    along = joints[1] - joints[0]
    turn = float(np.degrees(np.arctan2(along[0], along[1])))
    canvas.over(sleeve, cloth_colour(person, frame, sleeve, sitting.light, rng, depth=0.55, turn_deg=turn))
    _paint_cuff(sitting, joints, radii)


def _paint_cuff(sitting: Sitting, joints: Float, radii: Float) -> None:
    end, back = joints[-1], joints[-1] - joints[-2]
    back = back / max(float(np.linalg.norm(back)), 1e-6)
    across = floats([-back[1], back[0]]) * radii[-1]
    bow = np.stack([end - back * 0.02 - across, end + back * 0.1, end - back * 0.02 + across])
    for offset in (0.0, 0.2):
        line = curve(sitting.frame.px(bow - back * floats(offset)), closed=False)[None]
        edge = strokes(line, sitting.canvas.size_hw, 0.035 * sitting.frame.unit_px, 0.6)
        sitting.canvas.atop(edge.times(0.4), (25, 22, 22))


def _paint_hand(sitting: Sitting, joints: Float, hand: str) -> None:
    """A palm, four fingers and a thumb, as one shape with creases between the fingers."""
    canvas, unit = sitting.canvas, sitting.frame.unit_px
    wrist, forearm = joints[-1], joints[-1] - joints[-2]
    if not -unit < sitting.frame.px(wrist)[1] < canvas.size_hw[0] + unit:
        return
    side = float(np.sign(joints[0][0]))
    along = forearm / max(float(np.linalg.norm(forearm)), 1e-6)
    if hand == "rest":
        along = floats([-side * 0.8, 0.6]) if wrist[1] > 0 else floats([-side, 0.05])
    elif hand == "prop":
        along = floats([0.12 * side, -1.0])
    across = floats([-along[1], along[0]])
    length, spread = (0.55 if hand in ("open", "hang") else 0.42), (1.0 if hand == "open" else 0.3)
    palm_end = wrist + along * 0.5
    parts = [(np.stack([wrist - along * 0.1, wrist + along * 0.25, palm_end]), (0.22, 0.3, 0.28))]
    for finger in range(4):
        offset = floats((finger - 1.5) * 0.15)
        base = palm_end + across * offset
        tip = base + along * floats(length - 0.07 * abs(finger - 1.4)) + across * offset * floats(spread)
        parts.append((np.stack([base - along * 0.1, (base + tip) / 2, tip]), (0.09, 0.09, 0.065)))
    thumb = wrist + along * 0.2 - across * floats(side * 0.22)
    reach = along * 0.35 - across * floats(side * (0.25 if hand == "open" else 0.1))
    parts.append((np.stack([thumb, thumb + reach * 0.6, thumb + reach]), (0.12, 0.1, 0.08)))
    outlines = [limb(sitting.frame.px(path), floats(radii) * unit, steps=4) for path, radii in parts]
    hull = polygon(np.concatenate(outlines[:1]), canvas.size_hw, 0.08 * unit)
    canvas.darken(hull.times(0.5), 0.7)
    whole = shapes(outlines, canvas.size_hw)
    canvas.over(whole, shaded(sitting.person.skin, relief(whole, sitting.light, 0.16 * unit)))
    creases = [(parts[i][0] + parts[i + 1][0]) / 2 for i in range(1, 4)]
    canvas.darken(strokes(sitting.frame.px(np.stack(creases)), canvas.size_hw, 0.03 * unit, 0.5).times(0.7), 0.6)
