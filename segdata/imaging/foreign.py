"""What bytes are that are no picture segdata reads, whatever the file is called, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple


class Foreign(NamedTuple):
    """What a file contains instead of a picture.

    Attributes:
        is_format: whether it is a whole file of another format, and not what is left of a picture.
        detail: what it is, and what to do about it.
    """

    is_format: bool
    detail: str


_CONVERT = "; convert it to JPEG or PNG"
_UNPACK = "; unpack it, and point the source to what is in it"
_FORMATS: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftypcrx ", "a raw photo (CR3)" + _CONVERT),
    (8, b"CR\x02", "a raw photo (CR2)" + _CONVERT),
    (0, b"FUJIFILMCCD-RAW", "a raw photo (RAF)" + _CONVERT),
    (0, b"IIRO", "a raw photo (ORF)" + _CONVERT),
    (0, b"IIU\0", "a raw photo (RW2)" + _CONVERT),
    (0, b"HEAPCCDR", "a raw photo (CRW)" + _CONVERT),
    (0, b"FOVb", "a raw photo (X3F)" + _CONVERT),
    (0, b"II+\0", "BigTIFF; save it as TIFF or PNG"),
    (0, b"MM\0+", "BigTIFF; save it as TIFF or PNG"),
    (0, b"II\xbc", "JPEG XR" + _CONVERT),
    (4, b"jP  ", "JPEG 2000" + _CONVERT),
    (0, b"\xff\x4f\xff", "JPEG 2000" + _CONVERT),
    (0, b"\xff\x0a", "JPEG XL" + _CONVERT),
    (4, b"JXL ", "JPEG XL" + _CONVERT),
    (4, b"ftyp", "video; save its frames as JPEG or PNG"),
    (0, b"\x1aE\xdf\xa3", "video; save its frames as JPEG or PNG"),
    (8, b"AVI ", "video; save its frames as JPEG or PNG"),
    (0, b"8BPS", "Photoshop" + _CONVERT),
    (0, b"gimp xcf", "GIMP" + _CONVERT),
    (0, b"%PDF", "PDF" + _CONVERT),
    (0, b"%!PS", "PostScript" + _CONVERT),
    (0, b"\0\0\1\0", "an icon" + _CONVERT),
    (0, b"v/1\1", "OpenEXR" + _CONVERT),
    *((0, b"P%d" % number, "Netpbm" + _CONVERT) for number in range(1, 8)),
    (0, b"\x93NUMPY", "a NumPy array; save it as a PNG with values from 0 to 255"),
    (0, b"MATLAB 5.0 MAT-file", "a MATLAB file; write its masks as PNG"),
    (0, b"MATLAB 7.3 MAT-file", "a MATLAB file; write its masks as PNG"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5, as MATLAB writes it too; write its masks as PNG"),
    (128, b"DICM", "DICOM" + _CONVERT),
    (0, b"\x1f\x8b", "a gzip archive" + _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive" + _UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive" + _UNPACK),
    (0, b"BZh", "a bzip2 archive" + _UNPACK),
    (0, b"\xfd7zXZ\0", "an xz archive" + _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive" + _UNPACK),
    (257, b"ustar", "a tar archive" + _UNPACK),
)
_LOST: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer instead of the file; run git lfs pull"),
    (b"/annex/objects/", "a git-annex pointer instead of the file; run git annex get"),
    (b"outs:\n- md5:", "a DVC pointer instead of the file; run dvc pull"),
)
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<meta", b"<title")
_MARK = b"\xef\xbb\xbf \t\r\n"
_LOOKED_AT = 1024


def identify(data: bytes) -> Foreign | None:
    """What a file is that is no picture; None if nothing is known about it.

    Args:
        data: the whole file, which begins like no format that segdata reads.

    >>> identify(b"\\x93NUMPY\\x01\\x00")
    Foreign(is_format=True, detail='a NumPy array; save it as a PNG with values from 0 to 255')
    >>> identify(b"version https://git-lfs.github.com/spec/v1\\noid sha256:0").detail
    'a Git LFS pointer instead of the file; run git lfs pull'
    """
    for start, detail in _LOST:
        if data.startswith(start):
            return Foreign(False, detail)
    if data[:4] in (b"PK\3\4", b"PK\5\6", b"PK\7\b"):
        return Foreign(True, _zip_detail(data))
    for offset, magic, detail in _FORMATS:
        if data.startswith(magic, offset):
            return Foreign(True, detail)
    return _identify_text(data)


def _zip_detail(data: bytes) -> str:
    head = data[:200]
    if b".npy" in head:
        return "NumPy arrays (.npz); save each as a PNG with values from 0 to 255"
    return "an Office document" + _CONVERT if b"[Content_Types].xml" in head else "a ZIP archive" + _UNPACK


def _identify_text(data: bytes) -> Foreign | None:
    start = data[:_LOOKED_AT].lstrip(_MARK).lower()
    if start.startswith((b"<?xml", b"<svg", b"<!doctype svg", b"<!--")) and b"<svg" in start:
        return Foreign(True, "SVG" + _CONVERT)
    if start.startswith(_PAGES) or (start.startswith((b"<?xml", b"<!--")) and b"<html" in start):
        return Foreign(False, "a web page, as a failed download leaves it; download the file again")
    if start.startswith((b"<?xml", b"<error>")):
        return Foreign(False, "XML, such as the error message of a server; download the file again")
    if start.startswith((b'{"', b"[{")):
        return Foreign(False, "JSON, such as the error message of a server; download the file again")
    if data and not data.strip(b"\0"):
        return Foreign(False, "nothing but zero bytes, as an interrupted copy leaves it; copy the file again")
    return None
