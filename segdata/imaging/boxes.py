"""HEIC and AVIF files are boxes in boxes: their format, the sizes that they claim, and whether all data are there.

Both are looked at before a decoder sees the file. A box is 4 bytes of length, 4 of type, and its content.

Source:
    ISO/IEC 14496-12 (boxes, iloc), ISO/IEC 23008-12 (HEIF: ispe, brands), AV1 Image File Format (avif).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from segdata.records import RejectReason

_AVIF_BRANDS, _HEIF_BRANDS = (
    {b"avif", b"avis"},
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"},
)
_FULL = {b"meta": 4}  # boxes that begin with a version and flags before the boxes in them
_PARENTS = frozenset({b"meta", b"iprp", b"ipco"})
_MOST_BOXES = 10_000  # phones write a few hundred
_MOST_LOCATIONS_BYTES = 1 << 20
_FEW_PIXELS = 1 << 20  # tiles of 512 pixels for a small picture may cover it many times


class BoxError(Exception):
    """Boxes that are damaged or cut short, or hold a sequence of pictures.

    Attributes:
        reason: for the table `rejects`; None is the reason for damage.
    """

    def __init__(self, detail: str, reason: RejectReason | None = None) -> None:
        super().__init__(detail)
        self.reason = reason


def brand_of(data: bytes) -> Literal["HEIF", "AVIF"] | None:
    """The format that the first box names, by its main brand or, of a generic one, by the others."""
    if data[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(data[:4], "big"), 1024)
    main, others = data[8:12], {data[place : place + 4] for place in range(16, end, 4)}
    if main in _AVIF_BRANDS or (main in (b"mif1", b"msf1", b"miaf") and others & _AVIF_BRANDS):
        return "AVIF"
    return "HEIF" if main in _HEIF_BRANDS else None


def largest_size(data: bytes) -> tuple[int, int]:
    """Width and height of the largest picture that the boxes claim: the whole, of which tiles are parts.

    Raises:
        BoxError: A box or a picture's data end behind the file's end, no size is there, or tiles cover their picture
            many times.
    """
    sizes, sequence = [(0, 0)], False
    claimed: dict[int, tuple[int, int]] = {}
    owners: dict[int, list[int]] = {}
    parts: dict[int, list[int]] = {}
    for name, start, end in _boxes(data):
        if _is_size(name, start, end):
            sizes.append(_size_in(data, start))
        elif name == b"iloc":
            _check_locations(data[start:end], len(data))
        elif name == b"ipco":
            if claimed:
                raise BoxError("its boxes are damaged")
            claimed = _claimed_sizes(data, start, end)
        elif name == b"ipma":
            owners |= _owners(data[start:end])
        elif name == b"iref":
            for derived, items in _parts(data, start, end).items():
                parts.setdefault(derived, []).extend(items)
        sequence = sequence or name == b"moov"
    _check_parts(
        parts, {item: claimed[number] for item, numbers in owners.items() for number in numbers if number in claimed}
    )
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    if width * height == 0:
        if sequence:
            raise BoxError("a sequence of pictures; keep one of them", "unsupported_format")
        raise BoxError("truncated, or its boxes are damaged")
    return width, height


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each box that matters, parents first."""
    waiting, count = [(0, len(data))], 0
    while waiting:
        place, stop = waiting.pop()
        while place + 8 <= stop:
            count += 1
            length, head = int.from_bytes(data[place : place + 4], "big"), 8
            if length == 1:
                length, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
            end = stop if length == 0 else place + length
            if count > _MOST_BOXES or ((end > stop or end < place + head) and stop < len(data)):
                raise BoxError("its boxes are damaged")
            if end > stop or end < place + head:
                break  # what phones append is no box; if data of the picture are missing, `iloc` says so
            name = data[place + 4 : place + 8]
            yield name, place + head, end
            if name in _PARENTS:
                waiting.append((place + head + _FULL.get(name, 0), end))
            place = end


def _check_locations(box: bytes, file_bytes: int) -> None:
    """Refuse a file that ends before the data of its pictures: decoders leave missing tiles black.

    Raises:
        BoxError: It does, or the box itself is cut short.
    """
    if len(box) > _MOST_LOCATIONS_BYTES:
        raise BoxError("its boxes are damaged")
    version, reader = box[0] if box else 0, _Numbers(box, 4)
    widths = reader.take(2)
    offset_bytes, length_bytes, base_bytes = widths >> 12, widths >> 8 & 15, widths >> 4 & 15
    index_bytes = widths & 15 if version in (1, 2) else 0
    for _ in range(reader.take(4 if version == 2 else 2)):
        reader.take(4 if version == 2 else 2)  # the item's number
        in_file = not reader.take(2) & 15 if version in (1, 2) else True
        in_file = reader.take(2) == 0 and in_file  # 0 is this file and no other
        base, extents = reader.take(base_bytes), reader.take(2)
        if not offset_bytes + length_bytes + index_bytes:
            continue
        for _ in range(extents):
            reader.take(index_bytes)
            end = base + reader.take(offset_bytes) + reader.take(length_bytes)
            if in_file and end > file_bytes:
                raise BoxError("truncated: the data of a picture are missing")


def _claimed_sizes(data: bytes, start: int, end: int) -> dict[int, tuple[int, int]]:
    """Width and height by the number of the property, from 1."""
    numbered = enumerate(_children(data, start, end), 1)
    return {number: _size_in(data, place) for number, (name, place, stop) in numbered if _is_size(name, place, stop)}


def _is_size(name: bytes, start: int, end: int) -> bool:
    return name == b"ispe" and end - start >= 12


def _size_in(data: bytes, start: int) -> tuple[int, int]:
    width, height = data[start + 4 : start + 8], data[start + 8 : start + 12]
    return int.from_bytes(width, "big"), int.from_bytes(height, "big")


def _children(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of the boxes in one box."""
    place = start
    while place + 8 <= end:
        length = int.from_bytes(data[place : place + 4], "big")
        if length < 8 or place + length > end:
            return
        yield data[place + 4 : place + 8], place + 8, place + length
        place += length


def _owners(box: bytes) -> dict[int, list[int]]:
    """The numbers of the properties of each item, as `ipma` lists them."""
    reader = _Numbers(box, 4)
    item_bytes, number_bytes = (4 if box[:1] > b"\0" else 2), (2 if box[3:4] > b"\0" and box[3] & 1 else 1)
    owners: dict[int, list[int]] = {}
    for _ in range(reader.take(4)):
        item = reader.take(item_bytes)
        numbers = [reader.take(number_bytes) for _ in range(reader.take(1))]
        owners[item] = [number & ((1 << 8 * number_bytes - 1) - 1) for number in numbers]  # the first bit: essential
    return owners


def _parts(data: bytes, start: int, end: int) -> dict[int, list[int]]:
    """The items that others are derived from, such as the tiles of a grid, as `iref` lists them."""
    item_bytes = 4 if data[start : start + 1] > b"\0" else 2
    parts: dict[int, list[int]] = {}
    for name, place, stop in _children(data, start + 4, end):
        if name == b"dimg":
            reader = _Numbers(data[place:stop], 0)
            derived, count = reader.take(item_bytes), reader.take(2)
            parts.setdefault(derived, []).extend(reader.take(item_bytes) for _ in range(count))
    return parts


def _check_parts(parts: Mapping[int, list[int]], sizes: Mapping[int, tuple[int, int]]) -> None:
    """Refuse a picture whose tiles cover it many times, or are made of tiles themselves: some bytes take hours.

    Raises:
        BoxError: There is one.
    """
    for derived, items in parts.items():
        if len(items) < 2:
            continue
        if any(len(parts.get(item, ())) > 1 for item in items):
            raise BoxError("tiles that are made of tiles")
        width, height = sizes.get(derived, (0, 0))
        tiles = [sizes.get(item, (0, 0)) for item in items]
        # the last row and column may hang over the picture's edge
        most = (width + max(side for side, _ in tiles)) * (height + max(side for _, side in tiles))
        covered = sum(one * other for one, other in tiles)
        if covered > min(most, 4 * width * height) and covered > _FEW_PIXELS:
            raise BoxError("tiles that cover their picture many times")


class _Numbers:
    """Big-endian numbers, one after the other."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place

    def take(self, width: int) -> int:
        """The next number of so many bytes.

        Raises:
            BoxError: The data end before it.
        """
        self._place += width
        if self._place > len(self._data):
            raise BoxError("its boxes are damaged")
        return int.from_bytes(self._data[self._place - width : self._place], "big")
