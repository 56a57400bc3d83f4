"""The configured channels, from one YAML file, and their secrets, from the environment or a folder of files.

Secrets are read only where they are at hand, and kept nowhere, so that a process that only looks channels up never
holds one.
"""

import hashlib
import logging
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from shared.channels._kind import ChannelSettings, Misconfigured, Request, kinds, load_kind
from shared.errors import InvalidInput, NotFound
from shared.model import Channel

log = logging.getLogger("tocsin.channels")

_SETTING = "TOCSIN_CHANNELS_FILE"


@dataclass(frozen=True, slots=True)
class Destination:
    """One recipient of one channel: one delivery of each notification. `recipient` may be empty."""

    kind: str
    channel: str
    recipient: str


@dataclass(frozen=True, slots=True)
class _Snapshot:
    channels: Mapping[str, Channel]
    stamp: tuple[int, int, int]


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
        self._now = _Snapshot({}, (0, 0, 0)) if path is None else _read(path, tenant)
        if path is None:
            log.warning("no channels are configured: nobody will be told. They are listed in %s", _SETTING)
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
        variable = _variable(name, key)
        text = self._environ.get(variable, "").strip()
        if not text and self._secrets_dir is not None:
            text = _read_secret(self._secrets_dir / f"{name}.{key}")
        if not text:
            raise NotFound("secret", f"{name}.{key}", _place(name, key))
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
                if _stamp(self.path) != self._now.stamp:
                    self._now = _read(self.path, self.tenant)
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
                    load_kind(channel.kind).address(Request("", b""), self.settings(channel), secrets, 0)
            except Misconfigured as error:
                log.error("channel %r is refused: %s", channel.name, error)  # noqa: TRY400 - the text says it all

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


def _variable(name: str, key: str) -> str:
    return "TOCSIN_SECRET_" + re.sub(r"[^A-Z0-9]", "_", f"{name}_{key}".upper())


def _place(name: str, key: str) -> str:
    return (
        f"set the variable {_variable(name, key)}, or put it into the file {name}.{key} in TOCSIN_SECRETS_DIR"
    )


def _read_secret(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise Misconfigured(f"its secret's file {path.name} can't be read: {why}") from None


class _File(BaseModel, extra="forbid"):
    channels: list[dict[str, Any]] = []


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        seen = path.stat()
    except OSError as error:
        raise InvalidInput(_SETTING, str(path), f"it can't be read: {error.strerror}") from None
    return seen.st_mtime_ns, seen.st_ino, seen.st_size


def _read(path: Path, tenant: str) -> _Snapshot:
    stamp = _stamp(path)
    try:
        document = yaml.safe_load(path.read_text("utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise InvalidInput(_SETTING, str(path), f"it is no readable YAML: {why}") from None
    try:
        entries = _File.model_validate(document).channels
    except ValidationError:
        raise InvalidInput(
            _SETTING, str(path), "expected one key `channels` with a list of channels"
        ) from None
    channels: dict[str, Channel] = {}
    variables: dict[str, str] = {}
    for index, entry in enumerate(entries):
        channel = _channel({"tenant": tenant, **entry}, f"channels[{index}]")
        if channel.tenant != tenant:
            continue
        other = variables.setdefault(_variable(channel.name, ""), channel.name)
        if channel.name in channels or other != channel.name:
            raise InvalidInput(
                f"channels[{index}].name", channel.name, f"channel {other!r} has this name already"
            )
        channels[channel.name] = channel
        _check_settings(channel, f"channels[{index}].settings")
    _check_fallbacks(channels)
    return _Snapshot(channels, stamp)


def _channel(entry: dict[str, Any], where: str) -> Channel:
    kind = entry.get("kind")
    usual = {"default": load_kind(str(kind)).ON_BY_DEFAULT} if kind in kinds() else {}
    try:
        channel = Channel.model_validate({**usual, **entry})
    except ValidationError as error:
        raise _explained(error, where, Channel) from None
    if channel.kind not in kinds():
        raise InvalidInput(f"{where}.kind", channel.kind, f"valid kinds are {', '.join(kinds())}")
    try:
        ZoneInfo(channel.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise InvalidInput(
            f"{where}.timezone", channel.timezone, "expected an IANA zone like Europe/Berlin"
        ) from None
    return channel


def _check_settings(channel: Channel, where: str) -> None:
    kind = load_kind(channel.kind)
    for key in channel.settings:
        if key in kind.SECRETS and key not in _names(kind.Settings):
            raise InvalidInput(
                f"{where}.{key}", "***", f"secrets don't belong here: {_place(channel.name, key)}"
            )
    try:
        kind.Settings.model_validate(channel.settings)
    except ValidationError as error:
        raise _explained(error, where, kind.Settings) from None


def _check_fallbacks(channels: Mapping[str, Channel]) -> None:
    for channel in channels.values():
        if channel.fallback and (channel.fallback not in channels or channel.fallback == channel.name):
            others = ", ".join(name for name in channels if name != channel.name) or "none"
            raise InvalidInput(
                f"{channel.name}.fallback", channel.fallback, f"the other channels are: {others}"
            )


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _explained(error: ValidationError, where: str, model: type[BaseModel]) -> InvalidInput:
    problem = error.errors(include_url=False, include_context=False)[0]
    field = ".".join([where, *(str(part) for part in problem["loc"])])
    if problem["type"] == "extra_forbidden":
        # The value of a key that nobody knows may be a secret in the wrong place.
        return InvalidInput(field, "***", f"valid keys are {', '.join(_names(model)) or 'none'}")
    if problem["type"] == "missing":
        return InvalidInput(field, None, "it is required")
    described = {
        one.alias or name: one.description for name, one in model.model_fields.items() if one.description
    }
    if problem["type"] == "string_pattern_mismatch" and problem["loc"][-1] in described:
        return InvalidInput(field, problem["input"], f"expected {described[str(problem['loc'][-1])]}")
    said = str(problem["msg"]).removeprefix("Value error, ").replace("Input should be", "expected")
    return InvalidInput(field, problem["input"], said)
