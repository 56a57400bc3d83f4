"""Where everything of a stack is on this machine: the ports of Services, Broker and the stack's own parts.

Must not start anything: a port is held until its owner listens.
"""

from __future__ import annotations

from knative.local.addresses import LOOPBACK, Addresses
from knative.local.errors import LocalError
from knative.local.options import EXTRAS, Options
from knative.local.overlay import Overlay
from knative.local.servers import Ports
from knative.local.workloads import Service


class Places:
    """The addresses of one stack; LocalError when options name a port or a Service that can't be had."""

    def __init__(self, overlay: Overlay, options: Options, ports: Ports) -> None:
        self._overlay, self._options, self._ports = overlay, options, ports
        self.inside: dict[str, int] = {}
        """The ports of processes behind an activator."""
        self._check_names(options)
        try:
            self.extras, self.addresses = self._give_ports(options.inbox_port)
        except LocalError:
            ports.close()
            raise

    def _check_names(self, options: Options) -> None:
        """LocalError for options that name a Service which the overlay doesn't hold."""
        known = {service.name for service in self._overlay.services}
        for option, names in (("--port", set(options.ports)), ("--public", set(options.public))):
            if unknown := sorted(names - known):
                raise LocalError(
                    f"{option}: there is no Service {', '.join(unknown)}; there are: {', '.join(sorted(known))}"
                )

    def _give_ports(self, inbox_port: int) -> tuple[dict[str, int], Addresses]:
        """The port of every part, held until its owner listens."""
        extras = {name: self._ports.take() for name in EXTRAS}
        if inbox_port:
            self._ports.release(extras["inbox"])
            extras["inbox"] = inbox_port
        services = {(s.namespace, s.name): self._port_of(s) for s in self._overlay.services}
        return extras, Addresses(services, self._ports.take(), extras)

    def _port_of(self, service: Service) -> int:
        fixed = self._options.ports.get(service.name)
        return self._ports.take() if fixed is None else self._ports.take_fixed(fixed, service.name)

    def is_public(self, service: Service) -> bool:
        return service.public or service.name in self._options.public

    @property
    def reachable(self) -> dict[str, int]:
        """The Services that other machines can reach, and their ports."""
        if self._options.host == LOOPBACK:
            return {}
        public = [service for service in self._overlay.services if self.is_public(service)]
        return {s.name: int(self.service_url(s.name).rpartition(":")[2]) for s in public}

    @property
    def inbox_url(self) -> str:
        return f"http://{LOOPBACK}:{self.extras['inbox']}"

    @property
    def demo_site_url(self) -> str:
        return f"http://{LOOPBACK}:{self.extras['demo-site']}"

    @property
    def redis_url(self) -> str:
        return f"redis://{LOOPBACK}:{self.extras['redis']}/0"

    def service_url(self, name: str) -> str:
        """Where a Service listens."""
        namespace = next((s.namespace for s in self._overlay.services if s.name == name), "?")
        return self.addresses.service_url(namespace, name)

    def broker_url(self, name: str) -> str:
        """Where a Broker takes events."""
        for broker in self._overlay.brokers:
            if broker.name == name:
                return self.addresses.broker_url(broker.namespace, name)
        raise LocalError(
            f"there is no Broker {name}; there are: {', '.join(b.name for b in self._overlay.brokers)}"
        )

    def process_port(self, service: Service) -> int:
        """Where the process listens: at the Service's address, or behind the activator that listens there."""
        if self._scales(service):
            if service.name not in self.inside:
                self.inside[service.name] = self._ports.take()
            return self.inside[service.name]
        return int(self.service_url(service.name).rpartition(":")[2])

    def _scales(self, service: Service) -> bool:
        """Whether it goes to zero. What other machines can reach stays: the activator listens for this one only."""
        return (
            bool(self._options.scale_down_after)
            and not service.min_scale
            and service.name not in self.reachable
        )
