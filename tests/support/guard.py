"""Keeps tests on this machine: a connection or a look-up that would leave loopback raises before any packet.

`install()` also runs in every child process that the tests start (`child/sitecustomize.py`). The error is no
OSError on purpose, so that no code mistakes it for a network failure that it may retry or report.
"""

import ipaddress
import socket
from typing import Any

_Address = Any  # what socket.connect takes: a tuple for IP, a path for unix sockets


class NetworkForbidden(RuntimeError):
    """A test tried to reach another machine."""


def is_local(host: object) -> bool:
    """Whether `host` names this machine without asking any resolver."""
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if text.lower().rstrip(".") in {"localhost", ""}:
        return True
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_address(host: object) -> bool:
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host))
    except ValueError:
        return False
    return True


class _Guard:
    """The checked twins of the socket calls that can leave the machine."""

    def __init__(self) -> None:
        self.connect = socket.socket.connect
        self.connect_ex = socket.socket.connect_ex
        self.sendto = socket.socket.sendto
        self.getaddrinfo = socket.getaddrinfo

    def check(self, used: socket.socket, address: _Address) -> None:
        if used.family not in (socket.AF_INET, socket.AF_INET6):
            return
        if not is_local(address[0]):
            used.close()  # callers close it for an OSError only, and a leak would be a warning in some other test
            raise NetworkForbidden(f"tests stay on this machine; refused to reach {address[0]!r}")

    def lookup(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if name is not None and str(name).rstrip(".").endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if name is not None and not is_local(name) and not _is_address(name):
            raise NetworkForbidden(f"tests stay on this machine; refused to look up {name!r}")
        return self.getaddrinfo(host, port, *args, **kwargs)


def install() -> None:
    """Guard every socket of this process; a second call changes nothing."""
    if getattr(socket, "_tocsin_guard", None) is not None:
        return
    guard = _Guard()

    def connect(self: socket.socket, address: _Address) -> None:
        guard.check(self, address)
        guard.connect(self, address)

    def connect_ex(self: socket.socket, address: _Address) -> int:
        guard.check(self, address)
        return guard.connect_ex(self, address)

    def sendto(self: socket.socket, data: Any, *rest: Any) -> int:
        guard.check(self, rest[-1])
        return guard.sendto(self, data, *rest)

    # The classes' own attributes, so that libraries that imported `socket` before are guarded too.
    for name, twin in {"connect": connect, "connect_ex": connect_ex, "sendto": sendto}.items():
        setattr(socket.socket, name, twin)
    for name, value in {"getaddrinfo": guard.lookup, "_tocsin_guard": guard}.items():
        setattr(socket, name, value)
