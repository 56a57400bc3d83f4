"""Events: their keys and signatures. What they carry on the wire is tested where they travel."""

import pytest

from shared.events import BadSignature, Event, parse_keys, sign, verify

FIRST, SECOND = "one:MDEyMzQ1Njc4OWFiY2RlZg==", "two:ZmVkY2JhOTg3NjU0MzIxMA=="
EVENT = Event({"id": "1", "type": "t", "source": "s", "subject": "rule_1"}, b"{}")


def test_the_first_key_signs_and_all_of_them_verify() -> None:
    old = sign(EVENT, parse_keys(SECOND))
    verify(old, parse_keys(f"{FIRST}, {SECOND}"))
    assert sign(EVENT, parse_keys(f"{FIRST},{SECOND}")).attributes["tocsinsig"].startswith("v1,one,")
    with pytest.raises(BadSignature, match="no signature by a known key"):
        verify(old, parse_keys(FIRST))


@pytest.mark.parametrize("name", ["id", "type", "source", "subject"])
def test_what_is_signed_cannot_be_changed(name: str) -> None:
    keys = parse_keys(FIRST)
    signed = sign(EVENT, keys)
    with pytest.raises(BadSignature, match="wrong signature"):
        verify(Event({**signed.attributes, name: "forged"}, EVENT.body), keys)
    with pytest.raises(BadSignature, match="wrong signature"):
        verify(Event(signed.attributes, b"{ }"), keys)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("c2VjcmV0LXNlY3JldC1zZWNyZXQ=", "key number 1 has no id"),
        (f"{FIRST},:c2VjcmV0LXNlY3JldC1zZWNyZXQ=", "key number 2 has no id"),
        ("one:c2VjcmV0LXNlY3JldA-", "key 'one' is not valid base64"),
        ("one:c2VjcmV0", "key 'one' is shorter than 16 bytes"),
    ],
)
def test_a_wrong_key_is_named_and_never_shown(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        parse_keys(text)
    assert "c2VjcmV0" not in str(error.value)
