"""The identity of one series: its key, the id made from the key, and the words people see.

The key is compact canonical JSON `["mon_id",[["tag","value"],…]]`, sorted by tag. Pure text work, no I/O.
"""

import hashlib
import json
from collections.abc import Iterable

Tags = tuple[tuple[str, str], ...]

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def series_key(monitor_id: str, tags: Iterable[tuple[str, str]]) -> str:
    """The key of the series of a monitor with these (tag, value) pairs, in whatever order they come."""
    return _ENCODER.encode([monitor_id, sorted(tags)])


def series_id(key: str) -> str:
    """The first 20 hex digits of the key's sha256: fixed length, ASCII, fit for an index."""
    return hashlib.sha256(key.encode()).hexdigest()[:20]


def parse_series_key(key: str) -> tuple[str, Tags]:
    """Monitor id and (tag, value) pairs of a key; ValueError for text that is no key."""
    monitor_id, pairs = json.loads(key)
    return monitor_id, tuple((tag, value) for tag, value in pairs)


def series_text(key: str, monitor_name: str) -> str:
    """How people see the series: `tag=value, …`, or the monitor's name when the key has no tags."""
    _, pairs = parse_series_key(key)
    return ", ".join(f"{tag}={value}" for tag, value in pairs) or monitor_name
