"""Where a message may go: vendors' hosts only, or any public address. Checked at connect time, for every address.

A name is resolved once and the connection is made to the address that was checked, so that a second DNS answer
can't point inside. Hosts that the operator allows are exempt.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

import httpcore

from shared.channels._kind import Misconfigured

_BLOCKED = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # Azure's platform address, which no registry calls private
        *("::/128", "::1/128", "::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
PORTS = frozenset({443, 8443})


class Refused(Misconfigured):
    """The address is none that a message may go to."""


def is_public(address: str) -> bool:
    """Whether the IP address belongs to nobody's inside. Every embedding of IPv4 in IPv6 counts as inside."""
    parsed = _parsed(address)
    return parsed is not None and not any(
        parsed.version == network.version and parsed in network for network in _BLOCKED
    )


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None for what is no address, but a name."""
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


def is_host(host: str, patterns: Iterable[str]) -> bool:
    """Whether the host is one of the patterns; `*.example.com` matches its subdomains."""
    host = host.lower().rstrip(".")
    return any(
        host == pattern
        or (pattern.startswith("*.") and host.endswith(pattern[1:]) and len(host) > len(pattern) - 1)
        for pattern in patterns
    )


def check_address(
    scheme: str, host: str, port: int, vendor: tuple[str, ...], allowed: frozenset[str]
) -> None:
    """Raise Refused unless the URL's parts may be called; no look-up is made here."""
    if is_host(host, allowed):
        return
    if scheme != "https":
        raise Refused(f"its URL must begin with https://, not {scheme}://")
    if vendor and not is_host(host, vendor):
        raise Refused(f"its URL must point to {' or '.join(vendor)}, not to {host}")
    if _is_disguised(host):
        raise Refused("its URL must write an IP address as four decimal numbers")
    if port not in PORTS:
        raise Refused(f"its URL must use port 443 or 8443, not {port}")


def _is_disguised(host: str) -> bool:
    """Whether resolvers read the host as an IPv4 address that is not written as one: 127.1, 0x7f.1, 2130706433."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host)) != host
    except OSError:
        return False


Resolve = Callable[[str, int], list[str]]


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses, and ends every operation at one deadline (monotonic seconds)."""

    def __init__(self, deadline: float, *, free: bool, resolve: Resolve = _resolve) -> None:
        self._deadline, self._free, self._resolve = deadline, free, resolve
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address of the host that answers; raises ConnectError, or Refused."""
        problem: Exception = httpcore.ConnectError("the name has no address")
        for address in self._addresses(host, port, _left(self._deadline, timeout)):
            try:
                stream = self._plain.connect_tcp(
                    address, port, _left(self._deadline, timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
                continue
            return _Bounded(stream, self._deadline)
        raise problem

    def _addresses(self, host: str, port: int, seconds: float) -> list[str]:
        # An address needs no look-up, nor the thread that makes one.
        addresses = [host] if _parsed(host) else _in_time(lambda: self._resolve(host, port), seconds)
        if not self._free:
            for address in addresses:
                if not is_public(address):
                    raise Refused(f"{host} resolves to an address that is not public")
        return addresses


class _Bounded(httpcore.NetworkStream):
    """A stream whose every wait ends at the deadline: a timeout per read alone lets a slow drip go on for ever."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if time.monotonic() >= self._deadline:
            raise httpcore.ReadTimeout("the time for the whole message is over")
        return self._stream.read(max_bytes, _left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if time.monotonic() >= self._deadline:
            raise httpcore.WriteTimeout("the time for the whole message is over")
        self._stream.write(buffer, _left(self._deadline, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        wrapped = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline, timeout))
        return _Bounded(wrapped, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _in_time(look_up: Callable[[], list[str]], seconds: float) -> list[str]:
    """What a look-up finds in time. The system's resolver has no time-out: it may go on for minutes, unheard."""
    found: Future[list[str]] = Future()

    def work() -> None:
        try:
            found.set_result(look_up())
        except (OSError, UnicodeError) as error:
            found.set_exception(httpcore.ConnectError(f"the name can't be resolved: {error}"))

    threading.Thread(target=work, daemon=True).start()
    try:
        return found.result(seconds)
    except TimeoutError:
        raise httpcore.ConnectTimeout("the name can't be resolved in time") from None


def _left(deadline: float, timeout: float | None) -> float:
    left = max(deadline - time.monotonic(), 0.001)
    return left if timeout is None else min(left, timeout)
