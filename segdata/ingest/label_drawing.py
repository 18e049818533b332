"""Labels drawn from annotations, by a process of their own: a file that crashes it costs its photos alone."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
import weakref
from collections.abc import Callable

from segdata.engines.isolated import IsolatedWorker, Limits, NotTriedError, RequestRefusedError, WorkerDiedError
from segdata.errors import SourceError
from segdata.ingest.annotations.drawing import Answer, Listed, Request, Setup, join_message, split_message
from segdata.ingest.annotations.shapes import ShapeError, SizeHW
from segdata.records import Candidate, Drawing, DrawnLabel, Filtered, Reject, Stamps
from segdata.storage.root import LeavesRootError

OPENER = "segdata.ingest.annotations.drawing:open_drawing"
_LONGEST_GREETING = 1 << 30
_VERSION = 1  # of how labels are drawn; another number draws all of them again
_PNG_SLACK = 1 << 20
_LIMITS = Limits()


class LabelDrawer:
    """Reads annotations and draws their labels. Several threads may ask at once; they wait for one another.

    Args:
        setup: what to read.
        data: the list of annotations; empty where each photo has a file of its own.
    """

    def __init__(self, setup: Setup, data: bytes = b"") -> None:
        self._setup = setup
        self._worker = IsolatedWorker(OPENER, join_message(setup, data), _LIMITS)
        self._lock = threading.Lock()
        weakref.finalize(self, self._worker.close)

    def list_images(self, name: str) -> list[Listed]:
        """The images of the list.

        Args:
            name: of the list, for messages.

        Raises:
            SourceError: It can't be read.
        """
        try:
            listed = json.loads(self._worker.start(_LONGEST_GREETING))
        except (RequestRefusedError, WorkerDiedError) as error:
            raise SourceError(f"{name}: these annotations can't be read ({error}); export them again") from error
        lists = ("names", "other_labels")
        return [Listed(**{**one, **{key: tuple(one[key]) for key in lists}}) for one in listed]

    def of_listed(self, image: int | str, digest: str, where: str) -> Drawing:
        """The label of an image of the list.

        Args:
            image, digest: as in `Listed`.
            where: what messages call its annotations.
        """
        return Drawing(self._named(digest), lambda size_hw: self._draw(Request(image, size_hw), b"", where))

    def of_file(self, digest: str, read: Callable[[], bytes], where: str) -> Drawing:
        """The label of a photo whose annotations are a file of their own.

        Args:
            digest: of what tells one state of that file from another.
            read: reads the file; raises OSError.
            where: what messages call it.
        """
        return Drawing(self._named(digest), lambda size_hw: self._draw(Request(None, size_hw), read(), where))

    def _named(self, digest: str) -> str:
        """A digest of how labels are drawn, too."""
        setup = self._setup
        parts = [_VERSION, setup.format, setup.person_labels, digest]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _draw(self, request: Request, data: bytes, where: str) -> DrawnLabel:
        with self._lock:
            try:
                most = 2 * self._setup.max_pixels + _PNG_SLACK
                fields, png = split_message(self._worker.ask(join_message(request, data), most))
            except NotTriedError as error:  # no fault of these annotations, so that the next ingest tries them
                raise OSError(errno.ECANCELED, str(error)) from error
            except (RequestRefusedError, WorkerDiedError) as error:
                raise ShapeError(f"{where}: {error}") from error
        answer = Answer(**fields)
        return DrawnLabel(png, answer.unwanted, answer.other_labels, answer.unsupported, answer.outlines)


def draw_alpha(
    candidate: Candidate, size_hw: SizeHW, stamps: Stamps
) -> tuple[bytes, int | None, int | None] | Reject | Filtered:
    """Draw the alpha of a candidate.

    Args:
        candidate: with a drawing.
        size_hw: of its photo.
        stamps: of its photo; kept with what has no label, so that it is not drawn again.

    Returns:
        The PNG, and the size and modification time of its file if it was kept in one; or why there is no label.
    """
    assert candidate.drawing is not None
    place = candidate.dataset, candidate.path
    try:
        label = candidate.drawing.draw(size_hw)
        if label.unwanted is not None:
            return Filtered(*place, label.unwanted, stamps)
        if candidate.alpha is None:
            return label.png, None, None
        found = os.stat(candidate.alpha)  # noqa: PTH116  # as the plan of the next ingest asks for it
    except LeavesRootError as error:
        return Reject(*place, "unsafe_path", str(error.strerror))
    except OSError as error:
        return Reject(*place, "unreadable_alpha", f"its annotations can't be read ({error.strerror})")
    except ShapeError as error:
        return Reject(*place, "unreadable_alpha", str(error), stamps)
    return label.png, found.st_size, found.st_mtime_ns


def digest_of_file(path: str, size: int, mtime_ns: int) -> str:
    """What tells one state of a file of annotations from another, without reading it.

    Args:
        path: under the root.
        size: in bytes.
        mtime_ns: when it was changed.
    """
    return json.dumps([path, size, mtime_ns])
