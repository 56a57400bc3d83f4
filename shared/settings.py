"""Typed settings from the environment (prefix TOCSIN_); a wrong value fails at start with one clear error."""

import re
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    redis_url: SecretStr = Field(SecretStr(""), description="empty: run without Redis")
    channels_file: Path | None = Field(None, description="YAML file with the channels")
    secrets_dir: Path | None = Field(None, description="folder with one file per channel secret")
    tenant: str = Field("default", description="every table is scoped by it")
    event_keys: SecretStr = Field(
        SecretStr(""), description="signing keys `id:base64[,id:base64]`; the first signs"
    )
    public_url: str = Field("", description="where people reach Tocsin; empty: messages carry no links")
    lateness_seconds: float = Field(10, ge=0, le=600, description="how long points may take to arrive")
    max_skew_intervals: int = Field(2, ge=1, description="how far a slot may be from the database's clock")
    heartbeat_url: SecretStr = Field(SecretStr(""), description="called after every good tick")
    allowed_hosts: str = Field(
        "", description="hosts channels may call beyond their vendors', comma separated"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
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

    @field_validator("tenant")
    @classmethod
    def _short_word(cls, tenant: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", tenant):
            raise ValueError("expected lower-case letters, digits and -, at most 63 of them")
        return tenant

    @field_validator("public_url", "write_url", "heartbeat_url")
    @classmethod
    def _web_address(cls, url: str | SecretStr) -> str | SecretStr:
        text = url.get_secret_value() if isinstance(url, SecretStr) else url
        if text and not text.startswith(("http://", "https://")):
            raise ValueError("expected an address that begins with https:// or http://, or nothing")
        return url

    @property
    def hosts(self) -> frozenset[str]:
        """`allowed_hosts` as a set of lower-case host names."""
        return frozenset(host.strip().lower() for host in self.allowed_hosts.split(",") if host.strip())


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
