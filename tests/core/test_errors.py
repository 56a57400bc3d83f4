"""Texts of errors: what is wrong, and nothing that is secret."""

import pytest

from shared.errors import InvalidInput, redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql+pymysql://u:s3cret@db:3306/x?ssl=1", "mysql+pymysql://u:***@db:3306/x"),
        ("redis://:s3cret@cache/0", "redis://:***@cache/0"),
        ("https://hooks.example/path?token=s3cret#s3cret", "https://hooks.example/path"),
        ("sqlite:///tocsin.db", "sqlite:///tocsin.db"),
        ("sqlite:////var/lib/tocsin.db", "sqlite:////var/lib/tocsin.db"),
        ("tocsin.db", "tocsin.db"),
        ("", ""),
        ("http://[broken", "<unreadable URL>"),
    ],
)
def test_a_url_is_shown_without_its_secrets_and_otherwise_as_it_was_given(url: str, shown: str) -> None:
    assert redact_url(url) == shown


def test_a_wrong_value_and_a_missing_one_are_told_apart() -> None:
    assert str(InvalidInput("size", 0, "expected 1 to 9", "See the docs")) == (
        "size: 0 is not valid; expected 1 to 9. See the docs"
    )
    assert str(InvalidInput("size", None, "expected 1 to 9")) == "size is missing; expected 1 to 9"
