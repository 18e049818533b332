"""Who was forgotten: keyed values (HMAC-SHA256) stand in for the ids and hashes of forgotten samples.

A sample id is often a person's name, and anybody who has a portrait can compute its SHA-256. So after `segdata forget`
the catalog and the trained versions hold keyed values only. The key is random, belongs to the workspace
(`forgotten.key`), and nobody can test a guess without it. Ingest has the key: it recognises a forgotten sample by its
id and by the bytes of its photo, and leaves it out.

A keyed value of bytes is the HMAC of the file's SHA-256, since that is what the catalog knows of a file.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

import pyarrow as pa

from segdata.catalog.forgotten_names import forms_in, last_part, name_form, stem_of
from segdata.catalog.mentions import continues_name, map_strings
from segdata.catalog.workspace import Workspace
from segdata.errors import CatalogError, DataError, StorageError
from segdata.storage.files import read_bytes, sync_folder
from segdata.storage.text import decode_text

KEY_FILE = "forgotten.key"
"""The key's file in the workspace: 64 hexadecimal digits, for its owner alone."""
PLAIN_ROWS = "status = 'forgotten' AND NOT regexp_full_match(sample_id, 'forgotten/[0-9a-f]{64}')"
"""Rows of `samples` that are marked and still carry their id: of a call that was cut off, or of an earlier segdata."""
_KEY_BYTES = 32
_DATASET = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_.-]+/")  # how a sample id begins
_LONGEST_ID = 400
Json = TypeVar("Json")


@dataclass(frozen=True)
class Pseudonyms:
    """Keyed values of sample ids and of file hashes.

    Attributes:
        key: 32 random bytes.

    >>> names = Pseudonyms(bytes(32))
    >>> names.of_sample("people/anna")[:18], len(names.of_bytes("0f" * 32))
    ('forgotten/e1152abd', 64)
    """

    key: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """Says which key made a value, without giving it away."""
        return self._value("key", "")[:16]

    def of_sample(self, sample_id: str) -> str:
        """What stands in for a sample id."""
        return f"forgotten/{self._value('sample', sample_id)}"

    def of_bytes(self, sha256: str) -> str:
        """What stands in for a file's SHA-256: 64 hexadecimal digits, too."""
        return self._value("bytes", sha256)

    def of_name(self, dataset: str, form: str) -> str:
        """What stands in for a name in a dataset, in the form of `name_form`."""
        return self._value("name", f"{dataset}/{form}")

    def of_names(self, sample_id: str, alpha_uri: str | None) -> list[str]:
        """What stands in for the names that files of a sample may have: of photo and label.

        Args:
            sample_id: of the sample.
            alpha_uri: of its label, where it is known.
        """
        dataset, _, stem = sample_id.partition("/")
        names = {last_part(stem), last_part(stem_of(alpha_uri or ""))} - {""}
        return sorted({self.of_name(dataset, name_form(name)) for name in names})

    def _value(self, purpose: str, text: str) -> str:
        return hmac.digest(self.key, f"{purpose}\0{text}".encode("utf-8", "surrogateescape"), "sha256").hex()


@dataclass(frozen=True)
class Forgotten:
    """The samples that must not be taken in again.

    Attributes:
        samples: stand-ins of their ids.
        images: stand-ins of the SHA-256 of their photos.
        names: stand-ins of the names of their photos and labels.
        plain_samples, plain_images: ids and SHA-256 that are not replaced yet, of `PLAIN_ROWS`.
        pseudonyms: makes the stand-ins; None where nothing was forgotten.
    """

    samples: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    plain_samples: frozenset[str] = frozenset()
    plain_images: frozenset[str] = frozenset()
    pseudonyms: Pseudonyms | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return self.pseudonyms is not None or bool(self.plain_samples)

    def has_sample(self, sample_id: str) -> bool:
        """Whether the sample of that id was forgotten."""
        if sample_id in self.plain_samples:
            return True
        return self.pseudonyms is not None and self.pseudonyms.of_sample(sample_id) in self.samples

    def has_name_in(self, dataset: str, path: str) -> bool:
        """Whether a path, or a line of a list, contains the name of a forgotten sample of a dataset, as whole words.

        It may be the name of another sample, too: folders and what surrounds the name don't count.
        """
        forms = forms_in(path)
        if any((dataset, form) in self._plain_names for form in forms):
            return True
        names = self.pseudonyms
        return names is not None and any(names.of_name(dataset, form) in self.names for form in forms)

    @cached_property
    def _plain_names(self) -> frozenset[tuple[str, str]]:
        parts = (sample_id.partition("/") for sample_id in self.plain_samples)
        return frozenset((dataset, name_form(last_part(stem))) for dataset, _, stem in parts)

    def has_image(self, sha256: str | None) -> bool:
        """Whether a photo with these bytes was forgotten."""
        if sha256 is None:
            return False
        if sha256 in self.plain_images:
            return True
        return self.pseudonyms is not None and self.pseudonyms.of_bytes(sha256) in self.images

    def conceal(self, value: object) -> object:
        """A result or a message, as JSON has them, with stand-ins for the ids of forgotten samples in it.

        For what a command that comes later says of them, such as an import of verdicts that names one.
        """
        return map_strings(value, self._conceal_in_text)

    def _conceal_in_text(self, text: str) -> str:
        """Tries what can be an id: it begins with a word and a slash, and ends where no letter or digit follows."""
        if self.pseudonyms is None:
            return text
        parts, end = [], 0
        for start in (match.start() for match in _DATASET.finditer(text)):
            if start < end:
                continue
            limit = min(len(text), start + _LONGEST_ID)
            for stop in range(limit, start, -1):
                name = text[start:stop]
                if continues_name(text[stop : stop + 1]):
                    continue
                # in SQL an apostrophe is written twice
                known = next((form for form in {name, name.replace("''", "'")} if self.has_sample(form)), None)
                if known is not None:
                    parts += [text[end:start], self.pseudonyms.of_sample(known)]
                    end = stop
                    break
        return "".join(parts) + text[end:]

    def stand_ins_of(self, hashes: Iterable[str | None]) -> dict[str, str]:
        """The stand-ins of files' SHA-256, by the SHA-256; none where nothing was forgotten."""
        names = self.pseudonyms
        return {} if names is None else {value: names.of_bytes(value) for value in hashes if value}


NOTHING_FORGOTTEN = Forgotten()


def read_forgotten(workspace: Workspace) -> Forgotten:
    """What must not be taken in again.

    Raises:
        CatalogError: The key of the workspace is missing or another one: forgotten samples can't be recognised.
    """
    catalog = workspace.catalog
    rows = catalog.read("forgotten", ["sample_hmac", "image_hmac", "name_hmacs", "key_id"])
    plain = catalog.read("samples", ["sample_id", "image_sha256"], PLAIN_ROWS)
    pseudonyms = _pseudonyms_of(workspace, rows) if rows.num_rows else None
    return Forgotten(
        frozenset(rows["sample_hmac"].to_pylist()),
        frozenset(value for value in rows["image_hmac"].to_pylist() if value),
        frozenset(value for values in rows["name_hmacs"].to_pylist() for value in values or ()),
        frozenset(plain["sample_id"].to_pylist()),
        frozenset(value for value in plain["image_sha256"].to_pylist() if value),
        pseudonyms,
    )


def conceal_forgotten(workspace: Workspace, value: Json) -> Json:
    """A value as JSON has them, for a table, without the ids of forgotten samples that it may name.

    Where the key is missing, the value is left as it is: commands that need the key say so.
    """
    if workspace.catalog.version("forgotten") < 0:
        return value
    try:
        return cast(Json, read_forgotten(workspace).conceal(value))
    except DataError:
        return value


def make_pseudonyms(workspace: Workspace) -> Pseudonyms:
    """The keyed values of a workspace; its key is made if there is none.

    Raises:
        CatalogError: Samples were forgotten with another key.
        StorageError: The key can't be written or read.
    """
    rows = workspace.catalog.read("forgotten", ["key_id"])
    if rows.num_rows:
        return _pseudonyms_of(workspace, rows)
    path = workspace.root / KEY_FILE
    with suppress(FileExistsError):
        _write_key(path)
    return Pseudonyms(_read_key(path))


def _pseudonyms_of(workspace: Workspace, rows: pa.Table) -> Pseudonyms:
    path = workspace.root / KEY_FILE
    try:
        pseudonyms = Pseudonyms(_read_key(path))
    except StorageError as error:
        raise CatalogError(f"{error}. {_without_key(path, rows)}") from error
    if any(value != pseudonyms.key_id for value in rows["key_id"].to_pylist()):
        raise CatalogError(f"{path}: it is another key than the one that these were forgotten with. {_advice(path)}")
    return pseudonyms


def _without_key(path: Path, rows: pa.Table) -> str:
    return f"With it segdata recognises the {rows.num_rows} rows of table forgotten. {_advice(path)}"


def _advice(path: Path) -> str:
    return f"Restore {path.name} from a backup or from the workspace that this one was copied from"


def _write_key(path: Path) -> None:
    """Made whole and for its owner alone, whatever the umask: it is a secret, unlike what segdata renders.

    Raises:
        FileExistsError: There is a key by now.
        StorageError: It can't be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"{secrets.token_hex(_KEY_BYTES)}\n")
            file.flush()
            os.fsync(handle)
        path.hardlink_to(temporary)  # unlike a rename it replaces nothing
        sync_folder(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise StorageError(f"{path}: can't be written ({error.strerror}); check who may write there") from error
    finally:
        temporary.unlink(missing_ok=True)


def _read_key(path: Path) -> bytes:
    text = decode_text(read_bytes(path), errors="replace").strip()
    if not re.fullmatch(rf"[0-9a-f]{{{2 * _KEY_BYTES}}}", text):
        raise StorageError(f"{path}: it is no key of segdata: {2 * _KEY_BYTES} hexadecimal digits are expected")
    return bytes.fromhex(text)
