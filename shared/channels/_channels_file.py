"""Reads the YAML file with the channels: every error names the place, the value and what is valid. Sees no secret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ValidationError

from shared.channels._kind import kinds, load_kind
from shared.errors import InvalidInput
from shared.model import Channel

SETTING = "TOCSIN_CHANNELS_FILE"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The channels by name, in the order of the file, and the file's stamp when they were read."""

    channels: Mapping[str, Channel]
    stamp: tuple[int, int, int]


def variable(name: str, key: str) -> str:
    """The environment variable that a channel's secret may be in."""
    return "TOCSIN_SECRET_" + re.sub(r"[^A-Z0-9]", "_", f"{name}_{key}".upper())


def place(name: str, key: str) -> str:
    """Where a channel's secret belongs, in words."""
    return (
        f"set the variable {variable(name, key)}, or put it into the file {name}.{key} in TOCSIN_SECRETS_DIR"
    )


class _File(BaseModel, extra="forbid"):
    channels: list[dict[str, Any]] = []


def stamp_of(path: Path) -> tuple[int, int, int]:
    """Changes when the file does; raises InvalidInput when it can't be read."""
    try:
        seen = path.stat()
    except OSError as error:
        raise InvalidInput(SETTING, str(path), f"it can't be read: {error.strerror}") from None
    return seen.st_mtime_ns, seen.st_ino, seen.st_size


def read_channels(path: Path, tenant: str) -> Snapshot:
    """The tenant's channels; raises InvalidInput naming what is wrong."""
    stamp = stamp_of(path)
    try:
        document = yaml.safe_load(path.read_text("utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise InvalidInput(SETTING, str(path), f"it is no readable YAML: {why}") from None
    try:
        entries = _File.model_validate(document).channels
    except ValidationError:
        raise InvalidInput(
            SETTING, str(path), "expected one key `channels` with a list of channels"
        ) from None
    channels: dict[str, Channel] = {}
    variables: dict[str, str] = {}
    for index, entry in enumerate(entries):
        channel = _channel({"tenant": tenant, **entry}, f"channels[{index}]")
        if channel.tenant != tenant:
            continue
        other = variables.setdefault(variable(channel.name, ""), channel.name)
        if channel.name in channels or other != channel.name:
            raise InvalidInput(
                f"channels[{index}].name", channel.name, f"channel {other!r} has this name already"
            )
        channels[channel.name] = channel
        _check_settings(channel, f"channels[{index}].settings")
    _check_fallbacks(channels)
    return Snapshot(channels, stamp)


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
                f"{where}.{key}", "***", f"secrets don't belong here: {place(channel.name, key)}"
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
