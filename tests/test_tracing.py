"""The tracing itself: it sees every lookup, connection and file that the tests of commands rely on it to see."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from segdata.privacy import SWITCHES
from tests.tracing import Sandbox, contact_in, created_in, open_sandbox, require_strace


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    require_strace()
    with open_sandbox() as opened:
        yield opened


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_lookup_of_a_host_name_is_seen(sandbox: Sandbox) -> None:
    code = "import socket\ntry:\n    socket.getaddrinfo('host.invalid', 443)\nexcept OSError:\n    pass"
    assert sandbox.trace(python(code), sandbox.top).contacts != ()


def test_a_lookup_in_a_child_process_is_seen(sandbox: Sandbox) -> None:
    lookup = "import socket, sys; socket.gethostbyname('host.invalid')"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {lookup!r}], stderr=subprocess.DEVNULL)"
    assert sandbox.trace(python(code), sandbox.top).contacts != ()


def test_a_connection_to_another_machine_is_seen(sandbox: Sandbox) -> None:
    code = "import socket\ns = socket.socket()\ns.setblocking(False)\ns.connect_ex(('192.0.2.1', 443))"
    (contact,) = sandbox.trace(python(code), sandbox.top).contacts
    assert "192.0.2.1" in contact


def test_a_datagram_to_another_machine_is_seen(sandbox: Sandbox) -> None:
    code = """import socket
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9))
except OSError:
    pass"""
    (contact,) = sandbox.trace(python(code), sandbox.top).contacts
    assert "192.0.2.1" in contact


def test_a_socket_that_listens_for_other_machines_is_seen(sandbox: Sandbox) -> None:
    code = "import socket; s = socket.socket(); s.bind(('0.0.0.0', 0)); s.listen()"
    assert len(sandbox.trace(python(code), sandbox.top).contacts) == 1


def test_loopback_and_unix_sockets_are_no_contact(sandbox: Sandbox) -> None:
    code = """import socket
one = socket.create_server(("127.0.0.1", 0))
socket.create_connection(one.getsockname()).close()
other = socket.socket(socket.AF_UNIX)
other.bind("socket")
other.listen()
socket.socket(socket.AF_UNIX).connect("socket")"""
    trace = sandbox.trace(python(code), sandbox.top)
    assert (trace.exit_code, trace.contacts) == (0, ())
    assert trace.created == {sandbox.top / "socket"}


def test_files_are_seen_also_when_they_are_gone_again(sandbox: Sandbox) -> None:
    code = """import os, pathlib
home = pathlib.Path.home()
(home / "gone").write_text("")
(home / "gone").unlink()
os.chdir(home)
os.mkdir("ä b")
open("ä b/one", "w").close()
os.rename("ä b/one", "two")
os.symlink("two", "three")
os.rmdir("ä b")"""
    trace = sandbox.trace(python(code), sandbox.top)
    assert trace.created == {sandbox.home / name for name in ("gone", "ä b", "ä b/one", "two", "three")}


def test_temporary_files_count_only_if_they_are_left(sandbox: Sandbox) -> None:
    code = """import tempfile
tempfile.NamedTemporaryFile(prefix="gone").close()
tempfile.mkdtemp(prefix="left")"""
    (left,) = sandbox.undocumented(sandbox.trace(python(code), sandbox.top))
    assert left.parent == sandbox.temporary and left.name.startswith("left")


def test_documented_places_and_the_folders_above_them_are_allowed(sandbox: Sandbox) -> None:
    code = """import pathlib
home = pathlib.Path.home()
for name in (".cache/matplotlib/fonts", ".cache/other/x", ".fiftyone/var/uid", "a/__pycache__/b.pyc"):
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    (home / name).write_text("")"""
    undocumented = sandbox.undocumented(sandbox.trace(python(code), sandbox.top))
    assert undocumented == [
        sandbox.home / ".cache" / "other",
        sandbox.home / ".cache" / "other" / "x",
        sandbox.home / "a",
    ]


def test_traced_commands_get_no_switch_and_no_proxy_from_the_tests(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CI", "https_proxy", "HTTPS_PROXY", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "set")
    names = sandbox.trace(python("import os; print(*os.environ)"), sandbox.top).output.split()
    assert {"HOME", "PATH"} <= set(names)
    assert set(names) & {*SWITCHES, "CI", "https_proxy", "HTTPS_PROXY", "XDG_CACHE_HOME"} == set()


INET = 'sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{host}")'
INET6 = 'sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "{host}", &sin6_addr)'


@pytest.mark.parametrize(
    "line",
    [
        "connect(3<socket:[1]>, {" + INET.format(port=53, host="127.0.0.53") + "}, 16) = 0",
        "connect(3<socket:[1]>, {" + INET.format(port=80, host="10.0.0.1") + "}, 16) = -1 EINPROGRESS (...)",
        "connect(3<socket:[1]>, {" + INET6.format(host="2001:db8::1") + ", sin6_scope_id=0}, 28) = 0",
        'sendto(3, "\\1"..., 8, MSG_NOSIGNAL, {' + INET.format(port=53, host="10.0.0.1") + "}, 16) = 8",
        "sendmmsg(3, [{msg_hdr={msg_name={" + INET.format(port=9, host="10.0.0.1") + "}, msg_namelen=16}}], 1, 0) = 1",
        'connect(3, {sa_family=AF_UNIX, sun_path="/run/systemd/resolve/io.systemd.Resolve"}, 42) = 0',
        'sendto(3, "\\2\\0\\0\\0\\16\\0\\0\\0\\r\\0\\0\\0host.invalid\\0", 25, MSG_NOSIGNAL, NULL, 0) = 25',
        "connect(3, {sa_family=AF_VSOCK, svm_cid=0x2, svm_port=0x1, svm_flags=0}, 16) = 0",
        "io_uring_setup(8, {flags=0}) = 3",
    ],
)
def test_a_line_of_strace_is_a_contact(line: str) -> None:
    assert contact_in(line) == line


@pytest.mark.parametrize(
    "line",
    [
        "connect(3<socket:[1]>, {" + INET.format(port=27017, host="127.0.0.1") + "}, 16) = 0",
        "connect(3<socket:[1]>, {" + INET6.format(host="::1") + ", sin6_scope_id=0}, 28) = 0",
        "connect(3<socket:[1]>, {" + INET6.format(host="::ffff:127.0.0.1") + ", sin6_scope_id=0}, 28) = 0",
        'connect(3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT (No such file or directory)',
        'sendto(3, "\\2\\0\\0\\0\\1\\0\\0\\0\\2\\0\\0\\0000\\0", 14, MSG_NOSIGNAL, NULL, 0) = 14',  # who user 0 is
        "sendto(3, [{nlmsg_len=20}], 20, 0, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 20",
        "recvfrom(3, 0x1, 8, 0, {" + INET.format(port=9, host="10.0.0.1") + "}, [16]) = 8",
    ],
)
def test_a_line_of_strace_is_no_contact(line: str) -> None:
    assert contact_in(line) is None


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('openat(AT_FDCWD</w>, "b", O_WRONLY|O_CREAT, 0666) = 3</w/b>', "/w/b"),
        ('openat(AT_FDCWD</w>, "b", O_RDONLY|O_CLOEXEC) = 3</w/b>', None),
        ('openat(AT_FDCWD</w>, "/x/b", O_WRONLY|O_CREAT, 0666) = -1 EACCES (Permission denied)', None),
        ('openat(AT_FDCWD</w>, "/t", O_RDWR|O_EXCL|O_TMPFILE, 0600) = 3</t/#12 (deleted)>', "/t"),
        ('mkdir("c", 0777) = 0', "/cwd/c"),
        ('mkdirat(4</d>, "c", 0777) = 0', "/d/c"),
        ('renameat2(4</d>, "a", 5</e>, "b", RENAME_NOREPLACE) = 0', "/e/b"),
        ('symlink("/target", "/e/link") = 0', "/e/link"),
        ('bind(3, {sa_family=AF_UNIX, sun_path="/e/s"}, 110) = 0', "/e/s"),
        ('bind(3, {sa_family=AF_UNIX, sun_path=@"abstract"}, 110) = 0', None),
        ('openat(AT_FDCWD</w>, "/dev/null", O_RDWR|O_CREAT, 0666) = 3</dev/null>', None),
    ],
)
def test_a_line_of_strace_names_the_file_it_creates(line: str, path: str | None) -> None:
    assert created_in(line, Path("/cwd")) == (None if path is None else Path(path))
