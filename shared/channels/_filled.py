"""Puts secrets into a body where a vendor wants them there, at the last moment before it is sent. Pure.

A rendered message holds no secret, so that it may be logged, hashed and compared.
"""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from pydantic import SecretStr

from shared.channels._kind import Request, needed

FORM = "application/x-www-form-urlencoded"


def filled(request: Request, secrets: Mapping[str, SecretStr]) -> bytes:
    """The body with the secrets in `request.fill` as fields of a JSON object or of a form.

    Raises Misconfigured when one of them is missing.
    """
    if not request.fill:
        return request.body
    fields = {name: needed(secrets, name) for name in request.fill}
    if request.headers.get("content-type") == FORM:
        return urlencode(fields).encode() + b"&" + request.body
    document = {**json.loads(request.body), **fields}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
