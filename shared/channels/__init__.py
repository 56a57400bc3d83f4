"""Channels: where people are told. One file per kind (its name is the kind), one YAML file with the configured ones.

Importing this package loads no HTTP client, no vendor library and no kind.
"""

from shared.channels._book import ChannelBook, Destination, load_book
from shared.channels._kind import Misconfigured, kinds, load_kind

__all__ = ["ChannelBook", "Destination", "Misconfigured", "kinds", "load_book", "load_kind"]
