"""Run a command under strace: which machines it contacts, which files it creates, and which packages it reads.

The command gets an environment of its own, without `CI`, proxies or switches that the tests set, and an empty home.
"""

from __future__ import annotations

import codecs
import fnmatch
import ipaddress
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SEGDATA = [sys.executable, "-c", "from segdata.cli.main import entry; entry()"]
SMALL = (
    *("--set", "model.spec=tiny", "--set", "train.epochs=1", "--set", "train.batch_size=8"),
    *("--set", "train.val_fraction=0.3", "--set", "mine.where=miou < 2", "--set", "mine.budget=5"),
    *("--set", "mine.triage.suspect_from=1.0", "--set", "guard.tolerance=1.0"),
)
"""Options by which training and mining take seconds, with the spec of `tests.tiny_network` in the workspace."""
_SENDING = ("connect", "sendto", "sendmsg", "sendmmsg")
_CREATING = (
    *("open", "openat", "openat2", "creat", "mkdir", "mkdirat", "mknod", "mknodat"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
)
_CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\w+)(?:<(?P<file>[^>]*)>)?")
_STARTED = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)")
_ADDRESS = re.compile(r"\{sa_family=(?P<family>\w+)(?P<rest>[^{}]*)")
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_HOST = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
_UNIX_PATH = re.compile(r'sun_path=@?"((?:[^"\\]|\\.)*)"')
_PATH = re.compile(r'(?:<(?P<folder>[^<>]*)>, )?"(?P<path>(?:[^"\\]|\\.)*)"')
_CURRENT_FOLDER = re.compile(r"AT_FDCWD<([^<>]*)>")
_PACKAGE = re.compile(r'/site-packages/([^/"<>]+)/')
# What nscd is sent to look up a host: version 2, then the request's number (4 to 7, 13 for the table of hosts, 14).
_NSCD_HOSTS = re.compile(r'"\\2\\0\\0\\0\\(?:4|5|6|7|r|16)\\0\\0\\0')
_NAME_SERVICES = ("resolve", "avahi", "mdns", "dnsmasq")
_DNS_PORT = 53


@dataclass(frozen=True)
class Trace:
    """What a command and all its child processes did.

    Attributes:
        exit_code: of the command.
        output: stdout and stderr.
        contacts: calls that look up a host name, or reach or await another machine.
        created: files, folders, links and sockets that it created or opened for creation, also those gone since; of
            those in the temporary folder only what is left.
        packages: folders of site-packages that it read from.
    """

    exit_code: int
    output: str
    contacts: tuple[str, ...]
    created: frozenset[Path]
    packages: frozenset[str]


@dataclass(frozen=True)
class Sandbox:
    """Where traced commands run.

    Attributes:
        top: a folder that holds all of it.
    """

    top: Path

    @property
    def home(self) -> Path:
        """The home folder, empty at first."""
        return self.top / "home"

    @property
    def temporary(self) -> Path:
        """The temporary folder, empty at first."""
        return self.top / "tmp"

    @property
    def log(self) -> Path:
        """strace writes here, a file per thread."""
        return self.top / "log"

    def undocumented(self, trace: Trace, *allowed: Path) -> list[Path]:
        """What a command created outside the allowed folders and the places that `docs/security.md` lists."""
        patterns = [
            place.replace("~", str(self.home)).replace("$TMPDIR", str(self.temporary)) for place in documented_places()
        ]
        return sorted(
            path
            for path in trace.created
            if not any(path.is_relative_to(folder) for folder in allowed)
            and not any(_is_in(path, pattern) for pattern in patterns)
        )

    def trace(self, command: Sequence[str | Path], cwd: Path) -> Trace:
        """Run a command to its end."""
        with self.start(command, cwd) as process:
            output, _ = process.communicate(timeout=600)
        return self.read(process.returncode, output, cwd)

    @contextmanager
    def start(self, command: Sequence[str | Path], cwd: Path) -> Iterator[subprocess.Popen[str]]:
        """The strace process that runs a command; killed at the end if it still runs."""
        shutil.rmtree(self.log, ignore_errors=True)
        self.log.mkdir()
        calls = ",".join(("%network", "io_uring_setup", "chdir", *_CREATING))
        strace = [
            "strace",
            "-ff",
            "-qq",
            "--seccomp-bpf",
            "-y",
            "-s",
            "64",
            "-e",
            "signal=none",
            "-e",
            f"trace={calls}",
        ]
        process = subprocess.Popen(
            [*strace, "-o", str(self.log / "call"), *map(str, command)],
            cwd=cwd,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()

    def read(self, exit_code: int, output: str, cwd: Path) -> Trace:
        """What the newest command did, after it ended."""
        lines, created = [], set()
        for file in sorted(self.log.iterdir()):
            folder = cwd
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                folder = _folder_after(line, folder)
                created.add(created_in(line, folder))
                lines.append(line)
        contacts = tuple(dict.fromkeys(contact for line in lines if (contact := contact_in(line))))
        kept = {path for path in created if path and (path.exists() or not path.is_relative_to(self.temporary))}
        packages = frozenset(name for line in lines for name in _PACKAGE.findall(line))
        return Trace(exit_code, output, contacts, frozenset(kept), packages)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
        }


@contextmanager
def open_sandbox() -> Iterator[Sandbox]:
    """A sandbox in a folder with a short name: the path of a Unix socket has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="trace") as top:
        sandbox = Sandbox(Path(top).resolve())
        sandbox.home.mkdir()
        sandbox.temporary.mkdir()
        yield sandbox


@contextmanager
def traced_review(sandbox: Sandbox, workspace: Path, options: Sequence[str], traces: list[Trace]) -> Iterator[str]:
    """A `segdata review` that is open, and the URL that it prints; Ctrl-C ends it, and its trace is appended."""
    with sandbox.start([*SEGDATA, "review", *options], workspace) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if url := re.search(r"http://\S+", line):
                break
        else:
            raise AssertionError("".join(lines))
        yield url[0]
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGINT)
        rest, _ = process.communicate(timeout=300)
    traces.append(sandbox.read(process.returncode, "".join(lines) + rest, workspace))


def documented_rows(heading: str) -> list[tuple[str, ...]]:
    """The rows of the table in `docs/security.md` whose first column has this heading, without backticks there."""
    lines = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    table = itertools.takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
    rows = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in table]
    return [(row[0].strip("`"), *row[1:]) for row in rows]


def documented_places() -> list[str]:
    """The patterns of places outside the workspace where commands may create files."""
    return [place for place, *_ in documented_rows("place")]


def _is_in(path: Path, pattern: str) -> bool:
    """Whether a path is such a place, in one, or a folder above one, which is created with it."""
    if "/" not in pattern:
        return pattern in path.parts
    wanted = Path(pattern).parts
    return all(fnmatch.fnmatchcase(part, name) for part, name in zip(path.parts, wanted, strict=False))


def contact_in(line: str) -> str | None:
    """The call on a line of strace, if it looks up a host name, or reaches or awaits another machine."""
    started = _STARTED.match(line)
    if started is None:
        return None
    name, arguments = started["name"], started["arguments"]
    if name == "io_uring_setup":
        return line  # strace does not see what a process does through io_uring
    if name not in (*_SENDING, "bind"):
        return None
    if name != "connect" and _NSCD_HOSTS.search(arguments):
        return line
    for address in _ADDRESS.finditer(arguments):
        if _is_foreign(address["family"], address["rest"]):
            return line
    return None


def _is_foreign(family: str, rest: str) -> bool:
    if family in ("AF_UNSPEC", "AF_NETLINK"):
        return False
    if family == "AF_UNIX":
        path = _UNIX_PATH.search(rest)
        return path is not None and any(word in path[1].lower() for word in _NAME_SERVICES)
    host, port = _HOST.search(rest), _PORT.search(rest)
    if family not in ("AF_INET", "AF_INET6") or host is None or port is None:
        return True
    address = ipaddress.ip_address(host[1])
    inner = getattr(address, "ipv4_mapped", None) or address
    return not inner.is_loopback or int(port[1]) == _DNS_PORT


def created_in(line: str, cwd: Path) -> Path | None:
    """The file that the call on a line of strace creates, if it succeeded."""
    call = _CALL.match(line)
    if call is None or call["result"].startswith("-"):
        return None
    name, arguments = call["name"], call["arguments"]
    if name == "bind":
        path = _UNIX_PATH.search(arguments)
        return None if path is None or 'sun_path=@"' in arguments else cwd / _plain(path[1])
    if name not in _CREATING:
        return None
    if name.startswith("open") and "O_CREAT" not in arguments and "O_TMPFILE" not in arguments:
        return None
    if name.startswith("open") and "O_TMPFILE" not in arguments and call["file"] is not None:
        path = Path(_plain(call["file"]))
        return None if path == Path(os.devnull) else path
    *_, last = _PATH.finditer(arguments)
    return Path(os.path.normpath(cwd / (_plain(last["folder"]) if last["folder"] else "") / _plain(last["path"])))


def _folder_after(line: str, before: Path) -> Path:
    """The current folder of a process after a call: it changed there, or strace shows it with a relative path."""
    if line.startswith("chdir(") and line.endswith(" = 0"):
        return before / _plain(line[len('chdir("') : line.rindex('"')])
    shown = _CURRENT_FOLDER.search(line)
    return Path(_plain(shown[1])) if shown is not None else before


def _plain(text: str) -> str:
    """A name as strace writes it, without its escapes."""
    decoded, _ = codecs.escape_decode(text.encode("utf-8"))
    assert isinstance(decoded, bytes)
    return decoded.decode("utf-8", errors="surrogateescape")


def require_strace() -> None:
    """Skip the test where commands can't be traced."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed, and only it shows what a command contacts: apt-get install strace")
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode:
        pytest.skip("strace may not trace here (ptrace is forbidden), and only it shows what a command contacts")
