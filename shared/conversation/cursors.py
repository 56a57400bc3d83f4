"""Cursors that say nothing and fit only the list that gave them: the same tool, the same filters, the same tenant."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping

from shared.errors import InvalidInput

_VERSION = 1


def sealed(cursor: str, tenant: str, tool: str, filters: Mapping[str, object]) -> str | None:
    """A store's cursor as the caller sees it; None on the last page."""
    if not cursor:
        return None
    body = json.dumps([_VERSION, _mark(tenant, tool, filters), cursor], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def opened(given: str | None, tenant: str, tool: str, filters: Mapping[str, object]) -> str:
    """The store's cursor; empty for the first page. Raises InvalidInput for one of another list."""
    if not given:
        return ""
    try:
        body = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
        version, mark, cursor = json.loads(body)
    except (binascii.Error, ValueError, TypeError):
        version, mark, cursor = None, "", ""
    if version != _VERSION or mark != _mark(tenant, tool, filters) or not isinstance(cursor, str):
        raise InvalidInput(
            "cursor", given, "it belongs to another list: keep all other arguments as they were"
        )
    return cursor


def _mark(tenant: str, tool: str, filters: Mapping[str, object]) -> str:
    words = json.dumps([tenant, tool, sorted((name, repr(value)) for name, value in filters.items())])
    return hashlib.sha256(words.encode()).hexdigest()[:16]
