"""A file that is no picture is rejected by what it is, with what to do about it."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest

from segdata.imaging.decode import DecodeError, decode_alpha, decode_image


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, b"x" * 100)
    return buffer.getvalue()


def saved_array(save: object = np.save) -> bytes:
    buffer = io.BytesIO()
    save(buffer, np.zeros((4, 4), np.uint8))  # type: ignore[operator]  # parametrised: np.save or np.savez, which mypy joins to object
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


FILES = {
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", False, "run git lfs pull"),
    "annex": (b"/annex/objects/SHA256E-s12--4d7a.jpg\n", False, "run git annex get"),
    "DVC": (b"outs:\n- md5: 4d7a\n  path: a.jpg\n", False, "run dvc pull"),
    "HTML": (b"\xef\xbb\xbf\n<!DOCTYPE HTML PUBLIC>\n<html>", False, "a web page"),
    "HTML fragment": (b"<head><title>429</title></head>", False, "a web page"),
    "XHTML": (b'<?xml version="1.0"?><html xmlns="...">', False, "a web page"),
    "S3 error": (
        b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
        False,
        "error message of a server",
    ),
    "JSON error": (b'{"message": "Not found"}', False, "JSON, such as the error message"),
    "zeros": (bytes(5000), False, "nothing but zero bytes"),
    "ZIP": (zipped("a.jpg"), True, "a ZIP archive, whatever its name says; unpack it"),
    "MATLAB 5": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(100), True, "a MATLAB file"),
    "MATLAB 7.3": (b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(100), True, "a MATLAB file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), True, "HDF5, as MATLAB writes it"),
    "NumPy": (saved_array(), True, "a NumPy array, whatever its name says; save it as a PNG"),
    "NumPy archive": (saved_array(np.savez), True, r"NumPy arrays \(.npz\)"),
    "BigTIFF": (b"II+\0\x08\0\0\0" + bytes(100), True, "BigTIFF"),
    "BigTIFF, big-endian": (b"MM\0+\0\x08\0\0" + bytes(100), True, "BigTIFF"),
    "gzip": (gzip.compress(b"x"), True, "a gzip archive"),
    "tar": (tarred(), True, "a tar archive"),
    "CR2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(100), True, r"a raw photo \(CR2\)"),
    "CR3": (b"\0\0\0\x18ftypcrx \0\0\0\x01" + bytes(100), True, r"a raw photo \(CR3\)"),
    "DICOM": (bytes(128) + b"DICM" + bytes(100), True, "DICOM"),
    "video": (b"RIFF\0\0\0\0AVI LIST" + bytes(100), True, "video"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", ["image", "alpha"])
def test_a_reject_says_what_a_file_is(name: str, part: str) -> None:
    data, is_format, told = FILES[name]
    with pytest.raises(DecodeError, match=told) as caught:
        decode_image(data) if part == "image" else decode_alpha(data, None)
    assert caught.value.reason == ("unsupported_format" if is_format else f"unreadable_{part}")
