"""A wiring as the command line makes it: real adapters on files in one folder, with two channels and some points."""

from pathlib import Path

from pydantic import SecretStr

from shared.settings import Settings
from shared.wiring import Wiring

CHANNELS = """
channels:
  - {name: ops, kind: slack, default: true}
  - {name: team, kind: slack}
"""


def wiring(folder: Path, channels: str | None = CHANNELS) -> Wiring:
    """Everything in `folder`; without `channels` none are configured."""
    file = None
    if channels is not None:
        file = folder / "channels.yaml"
        file.write_text(channels, encoding="utf-8")
    return Wiring(Settings(state_dir=folder, channels_file=file, redis_url=SecretStr("")), {})
