"""A person opens the acknowledge link of a message: GET shows a page, POST acknowledges. Vendors fetch charts here.

Nothing else is public.
"""

import flask
from flask.typing import ResponseReturnValue

from shared import ack_page, function
from shared.wiring import Wiring


@function.http
def ack(request: flask.Request, wiring: Wiring) -> ResponseReturnValue:
    """Show or act; the answer is a page, whatever happens."""
    asked = ack_page.Request(
        method=request.method, path=request.path, length=request.content_length, stream=request.stream
    )
    answer = ack_page.answer(asked, wiring, wiring.clock())
    return answer.body, answer.status, dict(answer.headers)
