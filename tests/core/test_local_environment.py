"""What a function's process sees on one machine: its manifest's environment, files and addresses, and nothing else."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from knative.local.addresses import Addresses
from knative.local.environment import environment, lookup_in
from knative.local.errors import LocalError
from knative.local.mounts import write_mounts
from knative.local.resources import Destination
from tests.support.local_overlay import EVENTING, binding, config_map, loaded, secret, service, thing

EXTRAS = {"inbox": 8025, "demo-site": 8026, "redis": 6390}
ADDRESSES = Addresses({("tocsin", "write"): 9001, ("tocsin", "notify-slack"): 9002}, 9000, EXTRAS)


def seen(tmp_path: Path, *objects: Any, overrides: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of the first Service."""
    overlay = loaded(tmp_path / "over", *objects)
    workload = overlay.services[0]
    lookup = lookup_in(overlay, "tocsin")
    mounts = write_mounts(workload.container, workload.name, tmp_path / "mounts", lookup, ADDRESSES.translate)
    caller = {
        "PATH": "/bin",
        "HOME": "/me",
        "PYTHONHASHSEED": "1",
        "AWS_SECRET": "x",
        "TOCSIN_DATABASE_URL": "mine",
    }
    return environment(
        overlay,
        workload,
        caller=caller,
        addresses=ADDRESSES,
        mounts=mounts,
        overrides=overrides or {},
        state=tmp_path,
        port=9001,
    )


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        ("http://write.tocsin.svc.cluster.local/write", "http://127.0.0.1:9001/write"),
        ("http://write.tocsin.svc.cluster.local:80/write", "http://127.0.0.1:9001/write"),
        ("http://write.tocsin", "http://127.0.0.1:9001"),
        ("http://user:pw@write.tocsin.svc/db", "http://user:pw@127.0.0.1:9001/db"),
        ("redis://redis.laptop.local:6379/0", "redis://127.0.0.1:6390/0"),
        (
            "a=http://inbox.laptop.local/slack/ops,b=http://demo-site.laptop.local/",
            "a=http://127.0.0.1:8025/slack/ops,b=http://127.0.0.1:8026/",
        ),
        ("inbox.laptop.local,example.com", "127.0.0.1,example.com"),
        ("redis.laptop.local:6379", "127.0.0.1:6390"),
        (
            "http://broker-ingress.knative-eventing.svc.cluster.local/tocsin/main",
            "http://127.0.0.1:9000/tocsin/main",
        ),
        ("http://write.tocsin.example.com/", "http://write.tocsin.example.com/"),
        ("http://myinbox.laptop.local.evil.org/", "http://myinbox.laptop.local.evil.org/"),
        ("mail to ops@write.tocsin", "mail to ops@write.tocsin"),
        ("http://overwrite.tocsin/", "http://overwrite.tocsin/"),
    ],
)
def test_names_of_the_overlay_become_addresses_of_this_machine(text: str, translated: str) -> None:
    assert ADDRESSES.translate(text) == translated


def test_a_uri_beside_a_reference_is_relative_to_it() -> None:
    assert (
        ADDRESSES.resolve(Destination("Service", "tocsin", "write", "/kind/slack"))
        == "http://127.0.0.1:9001/kind/slack"
    )
    assert ADDRESSES.resolve(Destination("Broker", "tocsin", "main")) == "http://127.0.0.1:9000/tocsin/main"
    assert ADDRESSES.resolve(Destination(uri="http://inbox.laptop.local/x")) == "http://127.0.0.1:8025/x"


def test_nothing_but_necessities_comes_from_the_caller(tmp_path: Path) -> None:
    found = seen(tmp_path, service("write", env=[{"name": "A", "value": "1"}]))
    assert {"PATH", "HOME", "PYTHONHASHSEED", "A"} <= set(found)
    assert not {"AWS_SECRET", "TOCSIN_DATABASE_URL"} & set(found)
    runner = {"PORT": "9001", "HOST": "127.0.0.1", "K_SERVICE": "write", "TOCSIN_STATE_DIR": str(tmp_path)}
    assert runner.items() <= found.items()


def test_values_come_from_config_maps_and_secrets_and_env_beats_env_from(tmp_path: Path) -> None:
    container = {
        "envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "none", "optional": True}}],
        "env": [
            {"name": "A", "value": "own $(B) $$(B)"},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {
                "name": "M",
                "valueFrom": {"configMapKeyRef": {"name": "c", "key": "missing", "optional": True}},
            },
        ],
    }
    objects = (
        service("write", **container),
        config_map("c", A="1", B="2", URL="http://inbox.laptop.local/"),
        secret("s", k="hush"),
    )
    found = seen(tmp_path, *objects, overrides={"B": "over"})
    assert (found["A"], found["S"], found["B"]) == ("own 2 $(B)", "hush", "over")
    assert found["URL"] == "http://127.0.0.1:8025/"
    assert "M" not in found


def test_a_missing_config_map_is_an_error_that_says_who_wants_it(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="Service write takes its environment from ConfigMap gone"):
        seen(tmp_path, service("write", envFrom=[{"configMapRef": {"name": "gone"}}]))


def test_a_sink_binding_gives_the_brokers_address(tmp_path: Path) -> None:
    found = seen(tmp_path, service("write"), thing(EVENTING, "Broker", "main"), binding("write", "main"))
    assert (found["K_SINK"], found["K_CE_OVERRIDES"]) == ("http://127.0.0.1:9000/tocsin/main", "")


def test_mounted_files_are_private_translated_and_found_through_the_environment(tmp_path: Path) -> None:
    container = {
        "env": [
            {"name": "FILE", "value": "/etc/tocsin/channels.yaml"},
            {"name": "OTHER", "value": "/etc/tocsinx"},
        ],
        "volumeMounts": [
            {"name": "v", "mountPath": "/etc/tocsin", "readOnly": True},
            {"name": "t", "mountPath": "/tmp"},
        ],
    }
    projected = {
        "sources": [
            {"configMap": {"name": "c"}},
            {"secret": {"name": "s", "items": [{"key": "k", "path": "ops.url"}]}},
        ]
    }
    volumes = [{"name": "v", "projected": projected}, {"name": "t", "emptyDir": {}}]
    objects = (
        service("write", volumes=volumes, **container),
        config_map("c", **{"channels.yaml": "url: http://inbox.laptop.local/slack/ops"}),
        secret("s", k="http://inbox.laptop.local/x", other="no"),
    )
    found = seen(tmp_path, *objects)
    path = Path(found["FILE"])
    assert path.read_text(encoding="utf-8") == "url: http://127.0.0.1:8025/slack/ops"
    assert sorted(p.name for p in path.parent.iterdir()) == ["channels.yaml", "ops.url"]
    assert stat.S_IMODE((path.parent / "ops.url").stat().st_mode) == 0o600
    assert found["OTHER"] == "/etc/tocsinx"


def test_a_mounted_file_may_not_leave_its_folder(tmp_path: Path) -> None:
    volume = {"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "../../out"}]}}
    mounts = [{"name": "v", "mountPath": "/v"}]
    with pytest.raises(LocalError, match="may not leave"):
        seen(tmp_path, service("write", volumes=[volume], volumeMounts=mounts), config_map("c", k="x"))
