"""Which files are pictures: the one list for ingest, predict, backgrounds and exports."""

from __future__ import annotations

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif"),
        *(".png", ".webp", ".bmp", ".gif"),
        *(".tif", ".tiff"),
        *(".heic", ".heif", ".hif", ".avif"),
    }
)
"""What names of pictures end in, in lower case. `decode` reads all of these formats, whatever a file is called."""

UNREAD_SUFFIXES = {
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".raf", ".orf"), "a raw photo"),
    **dict.fromkeys((".rw2", ".pef", ".srw", ".3fr", ".iiq", ".rwl", ".raw"), "a raw photo"),
    **dict.fromkeys((".jp2", ".j2k", ".jpf", ".jpx"), "JPEG 2000"),
    ".jxl": "JPEG XL",
    ".psd": "Photoshop",
    ".psb": "Photoshop",
    ".xcf": "GIMP",
    ".svg": "SVG",
    ".tga": "Targa",
    ".exr": "OpenEXR",
    ".hdr": "Radiance HDR",
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm", ".pfm"), "Netpbm"),
    ".npy": "NumPy",
    ".npz": "NumPy",
    ".mat": "MATLAB",
}
"""What names of photos and masks end in that segdata does not read, and what these files are."""

HEAD_BYTES = 16
"""How much of a file `looks_like_photo` needs."""

_BRANDS = (b"heic", b"heix", b"mif1", b"avif")


def looks_like_photo(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a JPEG, PNG, GIF, WebP, HEIC or AVIF file.

    TIFF and BMP are missing: raw photos begin like TIFF files, and two letters are too little evidence.

    >>> looks_like_photo(b"\\xff\\xd8\\xff\\xe0" + bytes(12)), looks_like_photo(b"GIFts for everyone")
    (True, False)
    """
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":
        return head[8:12] in _BRANDS
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"))
