"""Who reaches whom, as the NetworkPolicies of an overlay say it. Must not read files.

Understood is what these policies use: pods by labels, namespaces by labels, blocks of addresses, ports by number.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tests.support.manifests import Manifest, of_kind

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Place:
    """One end of a connection: a pod of this namespace, a pod of another one (named), or an address outside."""

    labels: Labels = field(default_factory=dict)
    namespace: str = ""
    address: str = ""


def reaches_out(
    objects: tuple[Manifest, ...], pod: Labels, to: Place, port: int, protocol: str = "TCP"
) -> bool:
    """Whether a pod with these labels may open a connection to the place."""
    return _allowed(objects, "Egress", pod, to, port, protocol)


def is_reached(
    objects: tuple[Manifest, ...], pod: Labels, by: Place, port: int, protocol: str = "TCP"
) -> bool:
    """Whether the place may open a connection to a pod with these labels."""
    return _allowed(objects, "Ingress", pod, by, port, protocol)


def _allowed(
    objects: tuple[Manifest, ...], way: str, pod: Labels, other: Place, port: int, protocol: str
) -> bool:
    concerning = [
        policy["spec"]
        for policy in of_kind(objects, "NetworkPolicy").values()
        if way in policy["spec"]["policyTypes"] and _selects(policy["spec"]["podSelector"], pod)
    ]
    if not concerning:  # no policy, no restriction
        return True
    return any(
        _port(rule, port, protocol) and _peer(rule.get("to" if way == "Egress" else "from"), other)
        for spec in concerning
        for rule in spec.get(way.lower(), ())
    )


def _port(rule: dict[str, Any], port: int, protocol: str) -> bool:
    return "ports" not in rule or {"protocol": protocol, "port": port} in rule["ports"]


def _peer(peers: list[dict[str, Any]] | None, other: Place) -> bool:
    return peers is None or any(_matches(peer, other) for peer in peers)


def _matches(peer: dict[str, Any], other: Place) -> bool:
    if "ipBlock" in peer:
        return bool(other.address) and _in_block(peer["ipBlock"], other.address)
    if other.address:
        return False
    if "namespaceSelector" in peer:
        named = {"kubernetes.io/metadata.name": other.namespace or "tocsin"}
        return _selects(peer["namespaceSelector"], named) and _selects(
            peer.get("podSelector", {}), other.labels
        )
    return not other.namespace and _selects(peer["podSelector"], other.labels)


def _in_block(block: dict[str, Any], address: str) -> bool:
    def within(cidr: str) -> bool:
        return ip_address(address) in ip_network(cidr)

    return within(block["cidr"]) and not any(map(within, block.get("except", ())))


def _selects(selector: dict[str, Any], labels: Labels) -> bool:
    return all(_conditions(selector, labels))


def _conditions(selector: dict[str, Any], labels: Labels) -> Iterator[bool]:
    yield from (labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())
    for one in selector.get("matchExpressions", ()):
        if one["operator"] == "Exists":
            yield one["key"] in labels
        else:
            assert one["operator"] == "In", one
            yield labels.get(one["key"]) in one["values"]
