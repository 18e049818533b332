"""WebP, BMP, TIFF, GIF, AVIF and HEIC files, decoded in every way."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from tests.fuzz.decoding import decode_every_way, drawn_matte, drawn_photo, saved
from tests.fuzz.target import Target


def _seeds() -> Mapping[str, bytes]:
    photo, matte = drawn_photo(), drawn_matte()
    rgba = np.dstack([photo, matte])
    compressed = ("tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg")
    return {
        "webp": saved(photo, "WEBP", quality=50),
        "webp_lossless": saved(photo, "WEBP", lossless=True),
        "webp_alpha": saved(rgba, "WEBP", quality=50),
        "bmp": saved(photo[:12, :9], "BMP"),
        "bmp_palette": saved(Pillow.fromarray(photo[:12, :9]).quantize(16), "BMP"),
        "gif": saved(Pillow.fromarray(photo).quantize(16), "GIF"),
        "gif_transparent": saved(Pillow.fromarray(photo).quantize(16), "GIF", transparency=3),
        "tiff": saved(photo[:12, :9], "TIFF"),
        "tiff_rgba": saved(rgba[:12, :9], "TIFF"),
        "tiff_grey_16": saved(matte[:12, :9].astype(np.uint16) * 257, "TIFF"),
        "tiff_float": saved((matte[:12, :9] / 255).astype(np.float32), "TIFF"),
        "tiff_black_and_white": saved(Pillow.fromarray(matte).convert("1"), "TIFF", compression="group4"),
        "avif": saved(photo[:24, :18], "AVIF", quality=30),
        "avif_alpha": saved(rgba[:24, :18], "AVIF", quality=30),
        "heic": _heic(photo[:24, :18]),
        **{f"tiff_{kind}": saved(photo[:24, :18], "TIFF", compression=kind) for kind in compressed},
    }


def _heic(photo: NDArray[np.uint8]) -> bytes:
    from pillow_heif import from_pillow

    out = io.BytesIO()
    from_pillow(Pillow.fromarray(photo)).save(out, quality=30)
    return out.getvalue()


TARGET = Target(
    check=decode_every_way,
    seeds=_seeds,
    tokens=(
        b"RIFF", b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"BM", b"GIF89a", b"GIF87a",
        b"NETSCAPE2.0", b"II*\0", b"MM\0*", b"\x2c", b"\x21\xf9\x04", b"\x11\x01\x04\0", b"\x17\x01\x04\0",
        b"ftypheic", b"ftypavif", b"mif1", b"meta", b"iprp", b"ipco", b"ispe", b"iloc", b"mdat", b"moov", b"irot",
        b"\x42\x01\x04\0", b"\x45\x01\x04\0", b"\x53\x01\x03\0", b"\x1c\x01\x03\0",
    ),
    max_bytes=8192,
)  # fmt: skip
