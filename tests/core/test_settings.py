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
        ("METRICS_SOURCES", "s3cret", "the value is not valid; expected a JSON object: "),
        ("METRICS_SOURCES", '["s3cret"]', "the value is not valid; expected a JSON object: "),
        ("METRICS_SOURCES", '{"eu": {"uri": "s3cret"}}', "the value is not valid; expected a JSON object: "),
        ("METRICS_SOURCES", '{"self": "s3cret"}', "the value is not valid; the names of sources are"),
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


def test_further_metric_stores_are_named_with_their_urls_and_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_METRICS_URL", "embedded:///a.db")
    monkeypatch.setenv(
        "TOCSIN_METRICS_SOURCES",
        '{"eu": "embedded:///b.db", "us": {"url": "flux+http://h/b", "token": "s3cret"}}',
    )

    sources = settings().sources

    assert {name: one.url.get_secret_value() for name, one in sources.items()} == {
        "default": "embedded:///a.db",
        "eu": "embedded:///b.db",
        "us": "flux+http://h/b",
    }
    assert sources["us"].token.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(sources) + repr(settings())
