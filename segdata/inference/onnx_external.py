"""The files beside an ONNX model that hold its weights: found, and checked, before a runtime opens any of them.

A tensor of an ONNX model may name a file with its data, relative to the model's folder. The name is part of the model,
so a model from a stranger can name any file of the machine.

Source:
    ONNX, "External Data", docs/ExternalData.md; a location of `*/_ORT_MEM_ADDR_/*` is onnxruntime's own, and makes it
    read its own memory.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segdata.errors import CheckpointError, UsageError

_MOST_BYTES = 2**31 - 1
"""Of a model file: protobuf reads no larger one."""
_OWN_MEMORY = "_ORT_MEM_ADDR_"


def external_files(model: Path) -> tuple[Path, ...]:
    """The files that an ONNX model reads its tensors from, each once, in the order of their names in the model.

    Raises:
        UsageError: The package `onnx` is not installed.
        CheckpointError: The file is no ONNX model; or it names a file outside its folder, or one that is not there.
    """
    locations = sorted(set(_locations(model)))
    return tuple(_file_in_folder(model, location) for location in locations)


def sha256_of_file(path: Path) -> bytes:
    """SHA-256 of a file that may be larger than memory.

    Raises:
        CheckpointError: It can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read ({error.strerror}); restore it") from error


def first_line(error: Exception) -> str:
    """What a library's error says first; its kind where it says nothing.

    >>> first_line(ValueError("a\\nb")), first_line(ValueError())
    ('a', 'ValueError')
    """
    return next(iter(str(error).splitlines()), type(error).__name__)


def _locations(model: Path) -> Iterator[str]:
    """What each tensor in a model says of where its data lies, wherever the tensor is: graphs, subgraphs, functions."""
    waiting: list[Any] = [_parsed(model)]
    while waiting:
        message = waiting.pop()
        if message.DESCRIPTOR.full_name == "onnx.TensorProto":
            yield from (entry.value for entry in message.external_data if entry.key == "location")
            if message.data_location == message.EXTERNAL and not message.external_data:
                raise CheckpointError(
                    f"{model}: a tensor has its data elsewhere and does not say where; export it again"
                )
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting.extend([value] if hasattr(value, "ListFields") else value)


def _parsed(model: Path) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise UsageError(f"{model}: ONNX files need: pip install 'segdata[onnx]'") from error
    try:
        size = model.stat().st_size
        if size > _MOST_BYTES:
            raise CheckpointError(
                f"{model}: {size:,} bytes, and an ONNX file has at most {_MOST_BYTES:,}; export it with external data"
            )
        return onnx.load(model, format="protobuf", load_external_data=False)
    except OSError as error:
        raise CheckpointError(f"{model}: can't be read ({error.strerror}); give an ONNX file") from error
    except MemoryError as error:
        raise CheckpointError(f"{model}: needs more memory than there is; use a smaller model") from error
    except CheckpointError:
        raise
    except Exception as error:  # protobuf's own kinds, which differ between its implementations
        raise CheckpointError(f"{model}: no ONNX model ({first_line(error)}); export it again") from error


def _file_in_folder(model: Path, location: str) -> Path:
    """The file that a location means.

    Raises:
        CheckpointError: It lies outside the model's folder, also by a link, or is no regular file.
    """
    folder = model.parent
    refused = f"{model}: reads a part of its weights from {location!r}"
    if _OWN_MEMORY in location:
        raise CheckpointError(f"{refused}, which is an address in memory and no file; don't use this model")
    try:
        real = (folder / location).resolve()
        inside = real != folder.resolve() and real.is_relative_to(folder.resolve())
        kind = real.stat().st_mode if inside else 0
    except FileNotFoundError as error:
        raise CheckpointError(f"{refused}, which is missing; put that file beside the model") from error
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a NUL in the name
        raise CheckpointError(f"{refused}, which can't be read ({error}); export the model again") from error
    if not inside:
        raise CheckpointError(
            f"{refused}, which is outside the model's folder; copy a file that you trust into the folder"
        )
    if not stat.S_ISREG(kind):
        raise CheckpointError(f"{refused}, which is no regular file; export the model again")
    return folder / location
