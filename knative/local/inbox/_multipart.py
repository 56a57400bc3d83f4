"""Bodies of type multipart/form-data: their fields as text, their files as data URLs for the page.

Read by the standard library's parser of mails, which knows the same format. Must not know any vendor.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from email import message_from_bytes

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif"})


def is_multipart(headers: Mapping[str, str]) -> bool:
    """Whether the request is of that type."""
    return headers.get("content-type", "").startswith("multipart/form-data")


def parts(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """(fields by name, pictures by file name); what is no picture is left out."""
    head = f"content-type: {headers.get('content-type', '')}\r\n\r\n".encode("latin-1", "replace")
    fields, pictures = dict[str, str](), dict[str, str]()
    for part in message_from_bytes(head + body).walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            continue
        if (filename := part.get_filename()) is None:
            fields[name] = content.decode("utf-8", "replace")
        elif part.get_content_type() in _IMAGES:
            encoded = base64.b64encode(content).decode()
            pictures[filename] = f"data:{part.get_content_type()};base64,{encoded}"
    return fields, pictures
