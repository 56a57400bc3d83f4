"""Twilio's Messages: answers as Twilio does, shows the text as a phone would and what it costs.

Parameters, statuses and codes: Twilio's API reference, "Message resource", and its error dictionary. Segments: GSM-7
(3GPP TS 23.038), 160 septets or 153 in each of several; with any other character UCS-2, 70 and 67.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import Any
from urllib.parse import parse_qs

from knative.local.inbox._messages import Incoming, Message, Receipt

KIND = "sms"
LABEL = "SMS"
ROUTES = ("/2010-04-01/Accounts/{account}/Messages.json",)
LONGEST = 1600
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_TWICE = frozenset("^{}\\[~]|€\f")


def receive(request: Incoming) -> Receipt:
    """201 and a queued message; 401 without credentials; 400 with Twilio's code for what is wrong."""
    if not request.headers.get("authorization", "").startswith("Basic "):
        return _refused(401, 20003, "Authenticate")
    form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
    to, body = form.get("To", ""), form.get("Body", "")
    if not body:
        return _refused(400, 21602, "Message body is required.")
    if not form.get("From") and not form.get("MessagingServiceSid"):
        return _refused(400, 21603, "A 'From' phone number is required.")
    if not _NUMBER.fullmatch(to):
        return _refused(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if len(body) > LONGEST:
        return _refused(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    sid = f"SM{uuid.uuid4().hex}"
    answer = {
        "sid": sid,
        "status": "queued",
        "to": to,
        "from": form.get("From"),
        "messaging_service_sid": form.get("MessagingServiceSid"),
        "body": body,
        "num_segments": str(segments(body)),
        "error_code": None,
        "error_message": None,
    }
    headers = {"content-type": "application/json"}
    return Receipt(201, json.dumps(answer).encode(), headers, form, body.splitlines()[0], sid)


def _refused(status: int, code: int, words: str) -> Receipt:
    more = f"https://www.twilio.com/docs/errors/{code}"
    body = {"code": code, "message": words, "more_info": more, "status": status}
    return Receipt(status, json.dumps(body).encode(), {"content-type": "application/json"})


def is_gsm(text: str) -> bool:
    """Whether a text needs no character outside of GSM-7."""
    return all(char in _GSM or char in _TWICE for char in text)


def segments(text: str) -> int:
    """How many texts Twilio charges for."""
    gsm = is_gsm(text)
    length = len(text) + sum(c in _TWICE for c in text) if gsm else len(text.encode("utf-16-le")) // 2
    one, part = (160, 153) if gsm else (70, 67)
    return 1 if length <= one else -(-length // part)


def view(message: Message) -> dict[str, Any]:
    """The text, who it is from and to, and what it costs."""
    form: dict[str, str] = message.content
    text = form["Body"]
    return {
        "text": text,
        "sender": form.get("From") or form.get("MessagingServiceSid", ""),
        "to": form["To"],
        "segments": segments(text),
        "alphabet": "GSM-7" if is_gsm(text) else "UCS-2",
        "valid": form.get("ValidityPeriod", ""),
    }
