"""The channels file: what it may hold, what its errors say, and where secrets belong."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.channels import ChannelBook, Destination, kinds, load_book
from shared.errors import InvalidInput, NotFound
from tests.support.deliveries import channels_file

OPS = {"name": "ops", "kind": "slack", "default": True}
TEAM: dict[str, Any] = {
    "name": "team",
    "kind": "email",
    "default": False,
    "settings": {"from": "a@b.example", "to": ["x@b.example", "y@b.example"]},
}


def book(
    folder: Path, *entries: Mapping[str, Any], environ: Mapping[str, str] | None = None, **more: Any
) -> ChannelBook:
    path = channels_file(folder, *entries)
    return load_book(path, more.get("secrets"), environ or {}, more.get("tenant", "default"), frozenset())


def problem(folder: Path, *entries: Mapping[str, Any]) -> str:
    with pytest.raises(InvalidInput) as error:
        book(folder, *entries)
    return str(error.value)


def test_the_kinds_are_the_files_of_the_folder() -> None:
    assert {"slack", "email", "webhook"} <= set(kinds())
    assert not any(name.startswith("_") for name in kinds())


def test_a_rule_without_channels_tells_the_default_ones_and_one_with_them_exactly_those(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    channels = book(tmp_path, OPS, TEAM)
    assert [one.name for one in channels.for_rule(None)] == ["ops"]
    assert [one.name for one in channels.for_rule(("team",))] == ["team"]
    assert channels.for_rule(()) == []
    assert [one.name for one in channels.for_rule(("team", "gone", "team"))] == ["team"]
    assert "channel 'gone' of a rule is not configured; configured are: ops, team" in caplog.text
    assert channels.unknown(("team", "gone")) == ("gone",)
    with pytest.raises(NotFound, match="configured are: ops, team"):
        channels.get("gone")


def test_a_channel_of_email_is_a_default_one_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    mail = {name: value for name, value in TEAM.items() if name != "default"}
    quiet = {**TEAM, "name": "quiet"}
    room = {"name": "room", "kind": "slack"}
    assert [one.name for one in book(tmp_path, mail, quiet, room).for_rule(None)] == ["team"]


def test_an_email_has_a_delivery_for_every_address(tmp_path: Path) -> None:
    channels = book(tmp_path, OPS, TEAM)
    assert channels.destinations(channels.channels) == [
        Destination("slack", "ops", ""),
        Destination("email", "team", "x@b.example"),
        Destination("email", "team", "y@b.example"),
    ]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (
            {**OPS, "kind": "pigeon"},
            f"channels[0].kind: 'pigeon' is not valid; valid kinds are {', '.join(kinds())}",
        ),
        (
            {**OPS, "colour": "red"},
            "channels[0].colour: '***' is not valid; valid keys are name, kind, settings",
        ),
        (
            {**TEAM, "settings": {**TEAM["settings"], "cc": "x"}},
            "settings.cc: '***' is not valid; valid keys are from",
        ),
        ({**TEAM, "settings": {"from": "a@b.example"}}, "channels[0].settings.to is missing; it is required"),
        (
            {**TEAM, "settings": {"from": "me", "to": ["x@b.example"]}},
            "'me' is not valid; expected an email address",
        ),
        ({**TEAM, "settings": {"from": "a@b.example", "to": ["nobody"]}}, "'nobody' is no email address"),
        ({**TEAM, "settings": {"from": "a@b.example", "to": ["x@b.example\n"]}}, "is no email address"),
        (
            {**TEAM, "settings": {"from": "a@b.example", "to": ["x@b.example", "X@b.example"]}},
            "stands there twice",
        ),
        ({**OPS, "timezone": "Mars/Olympus"}, "expected an IANA zone like Europe/Berlin"),
        ({**OPS, "timezone": "../etc/passwd"}, "expected an IANA zone like Europe/Berlin"),
        (
            {**OPS, "name": "Ops!"},
            "channels[0].name: 'Ops!' is not valid; expected lower-case letters, digits, - and _",
        ),
        ({**OPS, "fallback": "ops"}, "ops.fallback: 'ops' is not valid; the other channels are: none"),
        ({**OPS, "fallback": "gone"}, "ops.fallback: 'gone' is not valid; the other channels are: none"),
    ],
)
def test_an_error_names_the_place_the_value_and_what_is_valid(
    tmp_path: Path, entry: Mapping[str, Any], says: str
) -> None:
    assert says in problem(tmp_path, entry)


def test_a_secret_in_the_file_is_refused_unseen_with_the_place_where_it_belongs(tmp_path: Path) -> None:
    said = problem(tmp_path, {**OPS, "settings": {"url": "https://hooks.slack.com/services/pl4nt3d"}})
    assert "TOCSIN_SECRET_OPS_URL" in said
    assert "the file ops.url in TOCSIN_SECRETS_DIR" in said
    assert "pl4nt3d" not in said


def test_two_channels_never_share_a_name_nor_the_variables_of_their_secrets(tmp_path: Path) -> None:
    assert "channel 'ops' has this name already" in problem(tmp_path, OPS, OPS)
    twins = ({**OPS, "name": "on-call"}, {**OPS, "name": "on_call"})
    assert "channel 'on-call' has this name already" in problem(tmp_path, *twins)


@pytest.mark.parametrize("text", ["channels: {ops: slack}", "chanels: []", "- ops", ": :", "channels: [ops]"])
def test_a_file_of_another_shape_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "channels.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="TOCSIN_CHANNELS_FILE"):
        load_book(path, None, {}, "default", frozenset())


def test_no_file_means_no_channels_but_a_missing_one_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load_book(None, None, {}, "default", frozenset()).for_rule(None) == []
    assert "nobody will be told" in caplog.text
    with pytest.raises(InvalidInput, match="No such file"):
        load_book(tmp_path / "gone.yaml", None, {}, "default", frozenset())


def test_channels_of_other_tenants_are_not_there(tmp_path: Path) -> None:
    entries = (OPS, {**OPS, "name": "theirs", "tenant": "acme"})
    assert [one.name for one in book(tmp_path, *entries).channels] == ["ops"]
    assert [one.name for one in book(tmp_path, *entries, tenant="acme").channels] == ["ops", "theirs"]


def test_a_secret_comes_from_the_environment_or_a_file_and_prints_as_stars(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "ops.url").write_text("https://from-file\n")
    from_file = book(tmp_path, OPS, secrets=secrets)
    assert from_file.secret("ops", "url").get_secret_value() == "https://from-file"
    both = book(tmp_path, OPS, secrets=secrets, environ={"TOCSIN_SECRET_OPS_URL": "https://from-env"})
    assert both.secret("ops", "url").get_secret_value() == "https://from-env"
    assert "from-env" not in f"{both.secret('ops', 'url')!r} {both.secrets(both.get('ops'))}"
    with pytest.raises(
        NotFound, match=r"set the variable TOCSIN_SECRET_OPS_URL, or put it into the file ops\.url"
    ):
        book(tmp_path, OPS).secret("ops", "url")
    assert book(tmp_path, OPS).secrets(book(tmp_path, OPS).get("ops")) == {}


def test_a_changed_file_is_read_again_and_a_broken_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    channels = book(tmp_path, OPS)
    channels_file(tmp_path, OPS, TEAM)
    channels.refresh()
    assert [one.name for one in channels.channels] == ["ops", "team"]
    (tmp_path / "channels.yaml").write_text("channels: [")
    channels.refresh()
    assert [one.name for one in channels.channels] == ["ops", "team"]
    assert "the channels stay as they were" in caplog.text
    replacement = tmp_path / "next.yaml"  # a ConfigMap is replaced by a link, whose time may be older
    replacement.write_text("channels: []\n")
    os.utime(replacement, (1, 1))
    replacement.replace(tmp_path / "channels.yaml")
    channels.refresh()
    assert channels.channels == ()


def test_a_secret_of_no_use_is_refused_at_once_unseen_and_the_other_channels_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = {
        "TOCSIN_SECRET_OPS_URL": "https://hooks.slack.com/services/T/B/x",
        "TOCSIN_SECRET_OLD_URL": "https://team.webhook.office.com/webhookb2/pl4nt3d",
        "TOCSIN_SECRET_ODD_URL": "https://slack.example/services/pl4nt3d",
        "TOCSIN_SECRET_BOT_SIGNING_KEY": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }
    bot = {"name": "bot", "kind": "webhook", "settings": {"url": "http://10.0.0.1/pl4nt3d"}}
    others: list[dict[str, Any]] = [{"name": "old", "kind": "teams"}, {**OPS, "name": "odd"}, bot]
    channels = book(tmp_path, OPS, *others, environ=secrets)
    said, host, scheme = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said.startswith("channel 'old' is refused: its URL is that of an Office 365 connector")
    assert 'make the Workflow "Send webhook alerts to a channel"' in said
    assert host.endswith("its URL must point to hooks.slack.com or hooks.slack-gov.com, not to slack.example")
    assert scheme.endswith("its URL must begin with https://, not http://")
    assert "pl4nt3d" not in caplog.text
    assert [channel.name for channel in channels.channels] == ["ops", "old", "odd", "bot"]


def test_a_process_that_holds_no_secrets_refuses_no_channel(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    book(tmp_path, OPS, TEAM, {"name": "old", "kind": "teams"})
    assert caplog.text == ""
