"""A body of several parts, as multipart/form-data (RFC 7578): fields, and one picture. Pure.

Names are our own constants. Written out here, because the libraries that could do it take longer to import than a chart
to draw.
"""

import hashlib
from collections.abc import Mapping


def multipart(fields: Mapping[str, str], name: str, filename: str, png: bytes) -> tuple[bytes, str]:
    """Body and content type. The same parts make the same bytes: the boundary follows from them."""
    parts = [(f'name="{field}"', text.encode("utf-8", "replace")) for field, text in fields.items()]
    parts.append((f'name="{name}"; filename="{filename}"\r\ncontent-type: image/png', png))
    boundary = hashlib.sha256(b"\0".join(content for _, content in parts)).hexdigest()[:40]
    pieces = [
        f"--{boundary}\r\ncontent-disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in parts
    ]
    return b"".join(pieces) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
