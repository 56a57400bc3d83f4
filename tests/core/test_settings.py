"""The environment: a wrong variable is named with its value and what would be valid, and a secret is not repeated."""

import pytest

from shared.settings import SettingsError, settings


@pytest.fixture(autouse=True)
def unread() -> None:
    settings.cache_clear()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TENANT", "ACME", "'ACME' is not valid; expected lower-case letters, digits and -"),
        ("LOG_LEVEL", "loud", "'loud' is not valid; expected 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("LATENESS_SECONDS", "soon", "'soon' is not valid; expected a valid number"),
        ("LATENESS_SECONDS", "601", "'601' is not valid; expected less than or equal to 600"),
        (
            "PUBLIC_URL",
            "tocsin.example",
            "'tocsin.example' is not valid; expected an address that begins with",
        ),
        ("HEARTBEAT_URL", "s3cret", "the value is not valid; expected an address that begins with https://"),
        ("DATABASE_URL", "postgres://u:s3cret@db/x", "the value is not valid; valid are sqlite:///FILE and"),
    ],
)
def test_a_wrong_variable_is_named_with_what_would_be_valid(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TOCSIN_{name}", value)

    with pytest.raises(SettingsError) as caught:
        settings()

    assert str(caught.value).startswith(f"TOCSIN_{name}: {said}")
    assert "s3cret" not in str(caught.value)


def test_all_wrong_variables_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_TENANT", "ACME")
    monkeypatch.setenv("TOCSIN_LOG_LEVEL", "loud")

    with pytest.raises(SettingsError) as caught:
        settings()

    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "TOCSIN_TENANT",
        "TOCSIN_LOG_LEVEL",
    ]
