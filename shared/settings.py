"""Typed settings from the environment (prefix TOCSIN_); a wrong value fails at start with one clear error."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_SOURCE = "default"
OWN_SOURCE = "self"
"""Tocsin's own numbers: always there, without a setting."""
KEPT = ("ticks", "steps", "notifications", "dead_letters", "alerts", "rules", "silences", "audit")
"""What goes after a time: each has a setting `keep_<what>_days`."""


class Settings(BaseSettings):
    """Everything that differs between a laptop and a cluster. Each field is `TOCSIN_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_", extra="ignore", frozen=True)

    database_url: SecretStr = Field(
        SecretStr("sqlite:///tocsin.db"), description="rules, states, alerts, deliveries"
    )
    state_dir: Path = Field(Path(".tocsin"), description="where relative SQLite files live")
    metrics_url: SecretStr = Field(
        SecretStr("embedded:///metrics.db"), description="where monitors write points"
    )
    metrics_token: SecretStr = Field(SecretStr(""), description="token of the metric store, if it wants one")
    metrics_sources: SecretStr = Field(
        SecretStr(""), description="further metric stores: a JSON object, name → URL or {url, token}"
    )
    redis_url: SecretStr = Field(SecretStr(""), description="empty: run without Redis")
    channels_file: Path | None = Field(None, description="YAML file with the channels")
    secrets_dir: Path | None = Field(None, description="folder with one file per channel secret")
    tenant: str = Field("default", description="every table is scoped by it")
    event_keys: SecretStr = Field(
        SecretStr(""), description="signing keys `id:base64[,id:base64]`; the first signs"
    )
    public_url: str = Field("", description="where people reach Tocsin; empty: messages carry no links")
    link_keys: SecretStr = Field(
        SecretStr(""), description="keys of acknowledge links; empty: derived from the event keys"
    )
    link_hours: float = Field(72, ge=1, le=720, description="how long an acknowledge link works")
    lateness_seconds: float = Field(10, ge=0, le=600, description="how long points may take to arrive")
    max_skew_intervals: int = Field(2, ge=1, description="how far a slot may be from the database's clock")
    heartbeat_url: SecretStr = Field(SecretStr(""), description="called after every good tick")
    allowed_hosts: str = Field(
        "", description="hosts channels may call beyond their vendors', comma separated"
    )
    mcp_auth: Literal["tokens", "oauth", "none"] = Field(
        "tokens", description="who may use the MCP server; none: everybody on this machine, and nobody else"
    )
    mcp_tokens_file: Path | None = Field(None, description="YAML file with the tokens of the MCP server")
    mcp_issuer: str = Field("", description="the OAuth server whose access tokens are taken")
    mcp_url: str = Field("", description="where clients reach the MCP server, with its path")
    mcp_audience: str = Field("", description="what access tokens must be made for; empty: mcp_url")
    mcp_scope_claim: str = Field("scope", min_length=1, description="the claim with the scopes of a caller")
    mcp_tenant_claim: str = Field(
        "", description="the claim with the tenant; empty: everybody is of `tenant`"
    )
    mcp_name_claim: str = Field("", description="the claim with a name for people to read; empty: sub")
    mcp_hosts: str = Field("", description="host names that the MCP server answers to, comma separated")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    keep_ticks_days: int = Field(14, ge=0, le=36_500, description="how long ticks are kept; 0: for ever")
    keep_steps_days: int = Field(90, ge=0, le=36_500, description="the steps of every series")
    keep_notifications_days: int = Field(90, ge=0, le=36_500, description="what was told, and to whom")
    keep_dead_letters_days: int = Field(30, ge=0, le=36_500, description="what the broker gave up on")
    keep_alerts_days: int = Field(365, ge=0, le=36_500, description="alerts that are over")
    keep_rules_days: int = Field(90, ge=0, le=36_500, description="rules and monitors that were deleted")
    keep_silences_days: int = Field(90, ge=0, le=36_500, description="silences that are over")
    keep_audit_days: int = Field(365, ge=0, le=36_500, description="who changed what")
    write_url: str = Field("", description="line protocol endpoint the monitor functions write to")
    monitor_urls: str = Field(
        "", description="URLs that monitor_http checks: `name=url` pairs, comma separated"
    )

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: SecretStr) -> SecretStr:
        scheme = urlsplit(url.get_secret_value()).scheme
        if scheme not in ("sqlite", "mysql+pymysql"):
            raise ValueError("valid are sqlite:///FILE and mysql+pymysql://USER:PASSWORD@HOST:3306/DATABASE")
        return url

    @field_validator("metrics_sources")
    @classmethod
    def _readable_sources(cls, text: SecretStr) -> SecretStr:
        _sources(text.get_secret_value())
        return text

    @field_validator("tenant")
    @classmethod
    def _short_word(cls, tenant: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", tenant):
            raise ValueError("expected lower-case letters, digits and -, at most 63 of them")
        return tenant

    @field_validator("public_url", "write_url", "heartbeat_url", "mcp_url", "mcp_issuer")
    @classmethod
    def _web_address(cls, url: str | SecretStr) -> str | SecretStr:
        text = url.get_secret_value() if isinstance(url, SecretStr) else url
        if text and not text.startswith(("http://", "https://")):
            raise ValueError("expected an address that begins with https:// or http://, or nothing")
        return url

    @property
    def sources(self) -> Mapping[str, "Source"]:
        """The metric stores of `metrics_url` and `metrics_sources` by their names."""
        default = Source(url=self.metrics_url, token=self.metrics_token)
        return {DEFAULT_SOURCE: default, **_sources(self.metrics_sources.get_secret_value())}

    @property
    def hosts(self) -> frozenset[str]:
        """`allowed_hosts` as a set of lower-case host names."""
        return frozenset(host.strip().lower() for host in self.allowed_hosts.split(",") if host.strip())


class Source(BaseModel):
    """One metric store that monitors may name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr
    token: SecretStr = SecretStr("")


def _sources(text: str) -> dict[str, Source]:
    """The named stores. Raises ValueError that repeats no URL and no token."""
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
        if not isinstance(found, dict):
            raise TypeError
        return {
            _source_name(name): Source.model_validate(given if isinstance(given, dict) else {"url": given})
            for name, given in found.items()
        }
    except (json.JSONDecodeError, TypeError, ValidationError):
        shape = '{"NAME": "URL", "OTHER": {"url": "URL", "token": "TOKEN"}}'
        raise ValueError(f"expected a JSON object: {shape}") from None


def _source_name(name: str) -> str:
    if name in (DEFAULT_SOURCE, OWN_SOURCE) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", name):
        raise ValueError(
            "the names of sources are lower-case letters, digits, _ and -; default and self are taken"
        )
    return name


class SettingsError(SystemExit):
    """The environment can't be used; the text names each variable and what it may hold."""


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        field = str(problem["loc"][0])
        secret = Settings.model_fields[field].annotation is SecretStr
        value = "the value" if secret else repr(problem["input"])
        valid = (
            problem["msg"]
            .removeprefix("Value error, ")
            .replace("Input should be", "expected")
            .partition(", unable")[0]
        )
        lines.append(f"TOCSIN_{field.upper()}: {value} is not valid; {valid}")
    return "\n".join(lines)


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
