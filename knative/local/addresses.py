"""In-cluster addresses, and what they are on one machine.

Must not look anything up: it rewrites the names it was told, in text, and leaves every other name as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urljoin

from knative.local.errors import LocalError
from knative.local.resources import Destination

LOOPBACK = "127.0.0.1"
EXTRA_DOMAIN = "laptop.local"
BROKER_HOST = "broker-ingress.knative-eventing.svc.cluster.local"
_NAME_END = r"(?![\w-]|\.\w)"


class Addresses:
    """Rewrites host names of the overlay to loopback ports.

    A URL's host and port become `127.0.0.1:<port>`; a bare `host:port` too; a bare host (as in a list of
    allowed hosts) becomes `127.0.0.1`. The short form `<service>.<namespace>` counts only in a URL.
    """

    def __init__(
        self, services: Mapping[tuple[str, str], int], broker_port: int, extras: Mapping[str, int]
    ) -> None:
        self._services = dict(services)
        self.broker_port = broker_port
        self._ports: dict[str, int] = {BROKER_HOST: broker_port}
        self._ports |= {f"{name}.{EXTRA_DOMAIN}": port for name, port in extras.items()}
        for (namespace, name), port in services.items():
            self._ports[f"{name}.{namespace}.svc.cluster.local"] = port
            self._ports[f"{name}.{namespace}.svc"] = port
        short = {f"{name}.{namespace}": port for (namespace, name), port in services.items()}
        self._in_urls = self._ports | short
        self._url = _any_of(self._in_urls, r"(?<=://)((?:[^\s/@]*@)?)", r"(?::\d+)?")
        self._bare = _any_of(self._ports, r"(?<![\w.@/-])()", r"(:\d+)?")

    def translate(self, text: str) -> str:
        """`text` with every known name replaced by where it is on this machine."""
        text = self._url.sub(lambda m: f"{m[1]}{LOOPBACK}:{self._in_urls[m[2]]}", text)
        return self._bare.sub(lambda m: f"{LOOPBACK}:{self._ports[m[2]]}" if m[3] else LOOPBACK, text)

    def broker_url(self, namespace: str, name: str) -> str:
        """Where a Broker takes events."""
        return f"http://{LOOPBACK}:{self.broker_port}/{namespace}/{name}"

    def service_url(self, namespace: str, name: str) -> str:
        """Where a Service listens; LocalError when the overlay has none of that name."""
        port = self._services.get((namespace, name))
        if port is None:
            known = ", ".join(sorted(known for _, known in self._services))
            raise LocalError(f"there is no Service {namespace}/{name}; there are: {known}")
        return f"http://{LOOPBACK}:{port}"

    def resolve(self, to: Destination) -> str:
        """The URL of a destination; a uri beside a reference is taken relative to it, as Knative does."""
        if not to.kind:
            return self.translate(to.uri)
        base = (
            self.broker_url(to.namespace, to.name)
            if to.kind == "Broker"
            else self.service_url(to.namespace, to.name)
        )
        return urljoin(base, to.uri) if to.uri else base


def _any_of(names: Mapping[str, int], before: str, after: str) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(f"{before}({'|'.join(map(re.escape, longest_first))}){_NAME_END}{after}")
