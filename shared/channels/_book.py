"""The configured channels, from one YAML file, and their secrets, from the environment or a folder of files.

Secrets are read only where they are at hand, and kept nowhere, so that a process that only looks channels up never
holds one.
"""

import hashlib
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from shared.channels._channels_file import SETTING, Snapshot, place, read_channels, stamp_of, variable
from shared.channels._kind import ChannelSettings, Misconfigured, Request, load_kind
from shared.errors import InvalidInput, NotFound
from shared.model import Channel

log = logging.getLogger("tocsin.channels")


@dataclass(frozen=True, slots=True)
class Destination:
    """One recipient of one channel: one delivery of each notification. `recipient` may be empty."""

    kind: str
    channel: str
    recipient: str


class ChannelBook:
    """The channels of one tenant. `hosts` may be called although they are no vendor's (tests, the laptop)."""

    def __init__(
        self,
        path: Path | None,
        secrets_dir: Path | None,
        environ: Mapping[str, str],
        tenant: str,
        hosts: frozenset[str],
    ) -> None:
        self.path, self.tenant, self.hosts = path, tenant, hosts
        self._secrets_dir, self._environ = secrets_dir, environ
        self._lock = threading.Lock()
        self._now = Snapshot({}, (0, 0, 0)) if path is None else read_channels(path, tenant)
        if path is None:
            log.warning("no channels are configured: nobody will be told. They are listed in %s", SETTING)
        self._refuse_unusable()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All channels, in the order of the file."""
        return tuple(self._now.channels.values())

    def get(self, name: str) -> Channel:
        """The channel of this name; raises NotFound with the names that exist."""
        channel = self._now.channels.get(name)
        if channel is None:
            raise NotFound("channel", name, self._known())
        return channel

    def for_rule(self, names: Sequence[str] | None) -> list[Channel]:
        """The channels that a rule tells: the default ones for None, else exactly these. Unknown ones are logged."""
        if names is None:
            return [channel for channel in self._now.channels.values() if channel.default]
        for name in self.unknown(names):
            log.warning("channel %r of a rule is not configured; %s", name, self._known())
        return [self._now.channels[name] for name in dict.fromkeys(names) if name in self._now.channels]

    def unknown(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """Those of the names that no channel has."""
        return tuple(name for name in dict.fromkeys(names or ()) if name not in self._now.channels)

    def destinations(self, channels: Sequence[Channel]) -> list[Destination]:
        """Every recipient of every channel: one delivery each."""
        return [
            Destination(channel.kind, channel.name, recipient)
            for channel in channels
            for recipient in load_kind(channel.kind).recipients(self.settings(channel))
        ]

    def settings(self, channel: Channel) -> ChannelSettings:
        """The settings of the channel's kind, which were checked when the file was read."""
        return load_kind(channel.kind).Settings.model_validate(channel.settings)

    def fallback_of(self, name: str) -> list[Destination]:
        """Where to tell what can't be told on this channel; nowhere when it has no fallback, or is unknown."""
        known = self._now.channels
        return (
            self.destinations([known[known[name].fallback]]) if name in known and known[name].fallback else []
        )

    def secret(self, name: str, key: str) -> SecretStr:
        """One secret of a channel; raises NotFound that says where it belongs, or Misconfigured for a bad file."""
        text = self._environ.get(variable(name, key), "").strip()
        if not text and self._secrets_dir is not None:
            text = _read_secret(self._secrets_dir / f"{name}.{key}")
        if not text:
            raise NotFound("secret", f"{name}.{key}", place(name, key))
        return SecretStr(text)

    def secrets(self, channel: Channel) -> dict[str, SecretStr]:
        """Those secrets of the channel that are set, by key."""
        found = {}
        for key in load_kind(channel.kind).SECRETS:
            try:
                found[key] = self.secret(channel.name, key)
            except NotFound:
                continue  # some kinds need only one of several; `address` says which one is missing
        return found

    def refresh(self) -> None:
        """Read the file again if it changed. A file that can't be used is logged, and the last good one stays."""
        if self.path is None:
            return
        with self._lock:
            try:
                if stamp_of(self.path) != self._now.stamp:
                    self._now = read_channels(self.path, self.tenant)
                    log.info("read %d channels again", len(self._now.channels))
                    self._refuse_unusable()
            except InvalidInput as error:
                log.error("the channels stay as they were: %s", error)  # noqa: TRY400 - the text says it all

    def _refuse_unusable(self) -> None:
        """Say at once what a message would find out later: secrets that are at hand, and of no use.

        The other channels go on; this one counts as dead from its first message on, until its secret changes.
        """
        for channel in self.channels:
            try:
                if secrets := self.secrets(channel):
                    self._check_address(channel, secrets)
            except Misconfigured as error:
                log.error("channel %r is refused: %s", channel.name, error)  # noqa: TRY400 - the text says it all

    def _check_address(self, channel: Channel, secrets: Mapping[str, SecretStr]) -> None:
        from shared.channels._http import checked  # only who holds secrets sends

        kind = load_kind(channel.kind)
        url, _ = kind.address(Request("", b""), self.settings(channel), secrets, 0)
        checked(url, kind.HOSTS, self.hosts)

    def _known(self) -> str:
        return f"configured are: {', '.join(self._now.channels) or 'none'}"


def load_book(
    path: Path | None,
    secrets_dir: Path | None,
    environ: Mapping[str, str],
    tenant: str,
    hosts: frozenset[str],
) -> ChannelBook:
    """The channels in the file; None: no channels, with a warning. Raises InvalidInput naming what is wrong."""
    return ChannelBook(path, secrets_dir, environ, tenant, hosts)


def fingerprint(secrets: Mapping[str, SecretStr]) -> str:
    """Changes when a secret does, and tells nothing about it."""
    text = "\n".join(f"{key}={secrets[key].get_secret_value()}" for key in sorted(secrets))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_secret(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise Misconfigured(f"its secret's file {path.name} can't be read: {why}") from None
