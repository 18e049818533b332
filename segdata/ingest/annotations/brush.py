"""The brush of Label Studio: the RGBA pixels of a picture, packed into a stream of bits; alpha is the mask.

    32 bits: values that follow once unpacked, which is width x height x 4
    5 bits:  size of a value - 1                   4 x 4 bits: four sizes of a count - 1
    then blocks:  1 bit: is it a run?   2 bits: which size of count   count - 1
                  a run has one value, which is repeated; any other block has as many values as it counts

Source:
    thi.ng/rle-pack, https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from segdata.imaging.arrays import Alpha
from segdata.ingest.annotations.shapes import ShapeError, SizeHW

_CHANNELS = 4
_VALUE_BITS = 8
_LABEL_CUT = 128
_HEAD_BITS = 32 + 5 + 16


@dataclass(frozen=True)
class Brush:
    """A mask of the size of its image.

    Attributes:
        data: the stream.
    """

    kind: ClassVar[str] = "brush"
    data: bytes

    def validate(self, size_hw: SizeHW) -> None:
        """Check that it unpacks to as many values as the image needs, before anything is unpacked.

        Raises:
            ShapeError: It does not, or has more bytes than it can need.
        """
        values = size_hw[0] * size_hw[1] * _CHANNELS
        if 8 * len(self.data) < _HEAD_BITS:
            raise ShapeError("its RLE is shorter than its head")
        count = int.from_bytes(self.data[:4], "big")
        if count != values:
            raise ShapeError(f"its RLE has {count:,} values; {size_hw[1]}x{size_hw[0]} pixels have {values:,}")
        if len(self.data) > 4 * values + 64:
            raise ShapeError("its RLE has more bytes than the image can need")
        if (int.from_bytes(self.data[4:5], "big") >> 3) + 1 != _VALUE_BITS:
            raise ShapeError("its RLE has values of another size than 8 bits")

    def draw(self, label: Alpha) -> None:
        """Set the pixels that are more than half opaque.

        Raises:
            ShapeError: The stream ends early.
        """
        alpha = unpack_rle(self.data)[_CHANNELS - 1 :: _CHANNELS].reshape(label.shape)
        label[alpha >= _LABEL_CUT] = 255


def unpack_rle(data: bytes) -> NDArray[np.uint8]:
    """The values of a stream of 8-bit values.

    Args:
        data: a stream whose count of values was checked.

    Raises:
        ShapeError: It ends early.

    >>> unpack_rle(pack_runs([(255, 3), (0, 1)])).tolist()
    [255, 255, 255, 0]
    """
    bits = _Bits(data)
    values: NDArray[np.uint8] = np.zeros(bits.take(32), np.uint8)
    bits.take(5)
    sizes = [bits.take(4) + 1 for _ in range(4)]
    position = 0
    while position < len(values):
        is_run = bits.take(1)
        count = bits.take(sizes[bits.take(2)]) + 1
        end = min(position + count, len(values))
        values[position:end] = bits.take(_VALUE_BITS) if is_run else bits.take_bytes(count)[: end - position]
        position = end
    return values


def pack_runs(runs: list[tuple[int, int]]) -> bytes:
    """The stream of runs of 8-bit values; the reverse of `unpack_rle`, as long as no value stands alone.

    Args:
        runs: values with how often each is repeated, up to 65,536 times.
    """
    bits = f"{sum(count for _, count in runs):032b}{_VALUE_BITS - 1:05b}" + "".join(
        f"{size:04b}" for size in (2, 3, 7, 15)
    )
    bits += "".join(f"111{count - 1:016b}{value:08b}" for value, count in runs)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


class _Bits:
    """Reads a stream, most significant bit first."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position, self._end = data, 0, 8 * len(data)

    def take(self, count: int) -> int:
        """The next bits as a number; at most 32."""
        start, end = self._position, self._position + count
        if end > self._end:
            raise ShapeError("its RLE ends early")
        self._position = end
        last = (end + 7) // 8
        return (int.from_bytes(self._data[start // 8 : last], "big") >> (8 * last - end)) & ((1 << count) - 1)

    def take_bytes(self, count: int) -> NDArray[np.uint8]:
        """The next values of 8 bits, wherever in a byte they begin."""
        start, end = self._position, self._position + _VALUE_BITS * count
        if end > self._end:
            raise ShapeError("its RLE ends early")
        self._position = end
        pairs = np.frombuffer(self._data[start // 8 : (end + 7) // 8], np.uint8).astype(np.uint16)
        shift = start % 8
        if not shift:
            return pairs.astype(np.uint8)
        return ((pairs[:-1] << shift | pairs[1:] >> (8 - shift)) & 0xFF).astype(np.uint8)
