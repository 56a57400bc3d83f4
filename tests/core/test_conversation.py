"""The small parts of the conversation: times, cursors, the file of tokens, what no database can hold."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from shared.conversation import cursors, refusals, times
from shared.conversation.access import Caller, Scope, Tokens
from shared.errors import InvalidInput, TokenRefused
from tests.support import docs

NOW = 1_700_000_000_000
SUM = hashlib.sha256(b"sesame").hexdigest()


@pytest.mark.parametrize(
    ("text", "direction", "expected"),
    [
        ("now", -1, NOW),
        ("24h", -1, NOW - 86_400_000),
        ("-24h", -1, NOW - 86_400_000),
        ("+90s", 1, NOW + 90_000),
        ("1.5h", 1, NOW + 5_400_000),
        ("2023-11-14T22:13:20Z", -1, NOW),
        ("2023-11-14T23:13:20.5+01:00", 1, NOW + 500),
        (None, 1, None),
    ],
)
def test_times_are_understood_with_a_zone_or_from_now(
    text: str | None, direction: int, expected: int | None
) -> None:
    assert times.moment("since", text, NOW, direction) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-14T22:13:20",
        "2023-11-14",
        "yesterday",
        "",
        "5",
        "1700000000",
        "9" * 40 + "d",
        "1969-01-01T00:00Z",
    ],
)
def test_times_without_a_zone_or_out_of_the_calendar_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="since"):
        times.moment("since", text, NOW, -1)


@pytest.mark.parametrize(
    ("time", "expected"),
    [(NOW, "2023-11-14T22:13:20Z"), (NOW + 5, "2023-11-14T22:13:20.005Z"), (None, None), (0, None)],
)
def test_times_are_shown_in_utc(time: int | None, expected: str | None) -> None:
    assert times.shown(time) == expected


def test_a_cursor_fits_only_the_list_that_gave_it() -> None:
    filters = {"state": "open", "severity": None}
    sealed = cursors.sealed("170.alert_1", "acme", "list_alerts", filters)

    assert cursors.opened(sealed, "acme", "list_alerts", dict(reversed(filters.items()))) == "170.alert_1"
    assert cursors.opened(None, "acme", "list_alerts", filters) == ""
    assert cursors.sealed("", "acme", "list_alerts", filters) is None
    for tenant, tool, other in (
        ("other", "list_alerts", filters),
        ("acme", "list_deliveries", filters),
        ("acme", "list_alerts", {"state": "open", "severity": "high"}),
    ):
        with pytest.raises(InvalidInput, match="another list"):
            cursors.opened(sealed, tenant, tool, other)


@pytest.mark.parametrize("given", ["x", "é", "bm90aGluZw", "W10", "WzEsMiwzXQ", "e30", "=", "WzEs" * 90])
def test_a_cursor_that_nobody_gave_is_refused(given: str) -> None:
    with pytest.raises(InvalidInput, match="another list"):
        cursors.opened(given, "acme", "list_alerts", {})


def test_plain_values_can_be_stored() -> None:
    assert refusals.unplain({"a": [1, 2.5, True, None, "ü \U0001f514\n"], "b": {"c": {"d": ""}}}) == ""


def tokens(tmp_path: Path, text: str) -> Tokens:
    (tmp_path / "tokens.yaml").write_text(text, encoding="utf-8")
    return Tokens(tmp_path / "tokens.yaml")


def test_a_token_is_known_by_its_sum_and_says_who_its_bearer_is(tmp_path: Path) -> None:
    known = tokens(tmp_path, f"tokens: [{{id: ann, sha256: {SUM}, tenant: acme, scopes: ['alerts:read']}}]")

    found = asyncio.run(known.caller("sesame", NOW))
    assert found == Caller("ann", "ann", "acme", (Scope.READ,))
    with pytest.raises(TokenRefused, match="not known"):
        asyncio.run(known.caller(SUM, NOW))


def test_a_token_without_scopes_may_do_everything_for_ever(tmp_path: Path) -> None:
    found = asyncio.run(tokens(tmp_path, f"tokens: [{{id: ann, sha256: {SUM}}}]").caller("sesame", 10**15))

    assert found.scopes == tuple(Scope)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tokens: [{id: ann, sha256: sesame}]", "tokens.0.sha256"),
        (f"tokens: [{{id: ann, sha256: {SUM}, expires: '2030-01-31T00:00:00'}}]", "timezone"),
        (f"tokens: [{{id: ann, sha256: {SUM}, scopes: [everything]}}]", "alerts:read"),
        (f"tokens: [{{id: ann, sha256: {SUM}, scopes: []}}]", "at least 1"),
        (f"tokens: [{{id: ann, sha256: {SUM}, token: sesame}}]", "tokens.0.token"),
        (f"tokens: [{{id: ann, sha256: {SUM}}}, {{id: bob, sha256: {SUM}}}]", "the same sha256"),
        ("tokens: {", "can't be read"),
        ("[]", "the whole file"),
        ("", "the whole file"),
    ],
)
def test_a_file_of_tokens_that_can_not_be_used_says_why_and_repeats_no_value(
    tmp_path: Path, text: str, why: str
) -> None:
    with pytest.raises(InvalidInput, match="TOCSIN_MCP_TOKENS_FILE") as refused:
        tokens(tmp_path, text)

    assert why in str(refused.value)
    assert "sesame" not in str(refused.value)


def test_the_file_of_tokens_that_the_page_shows_can_be_read(tmp_path: Path) -> None:
    (shown,) = docs.blocks("docs/conversation.md", "yaml")

    assert len(tokens(tmp_path, shown)) == 1
