"""Text messages: who gets one, how it is signed in, what it says in two segments, and what letters become."""

from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from shared.channels import Misconfigured
from shared.channels._combine import combine
from shared.channels._digest import digest
from shared.channels._gsm import cut_gsm, is_foreign, is_gsm, segments, septets, to_gsm
from shared.channels._kind import Request
from shared.channels.sms import Settings, address, plain, recipients, render
from shared.model import Channel
from tests.support.channels import message_of
from tests.support.channels_phones import GSM_7
from tests.support.deliveries import SLOT, alert, notification

CHANNEL = Channel(name="ops", kind="sms")
PHONES = Settings.model_validate({"from": "+14155550100", "to": ["+14155550101", "+4915112345678"]})
ACCOUNT = "AC" + "0" * 32


def text(*told: Any, bare: bool = False, may_repeat: bool = False) -> str:
    made = (plain if bare else render)(
        message_of(*told, may_repeat=may_repeat), CHANNEL, PHONES, "+14155550101"
    )
    return parse_qs(made.body.decode())["Body"][0]


def problem(**settings: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({"from": "+14155550100", "to": ["+14155550101"], **settings})
    return str(refused.value)


def secrets(**given: str) -> dict[str, SecretStr]:
    return {name: SecretStr(value) for name, value in given.items()}


def test_every_number_is_a_recipient() -> None:
    assert recipients(PHONES) == ("+14155550101", "+4915112345678")


def test_what_is_no_number_or_sender_is_refused_by_name() -> None:
    assert "'015112345678' is no number in E.164" in problem(to=["015112345678"])
    assert "4915112345678 is no number" in problem(to=[4915112345678])
    assert "twice" in problem(to=["+14155550101", "+14155550101"])
    assert "'Way too long name' is no sender" in problem(**{"from": "Way too long name"})
    assert "either 'from' or 'messaging_service_sid'" in problem(messaging_service_sid="MG" + "0" * 32)
    assert "either 'from' or 'messaging_service_sid'" in problem(**{"from": ""})


def test_an_api_key_signs_in_before_the_accounts_own_token() -> None:
    request = Request("dlv_1", b"")
    key = secrets(account_sid=ACCOUNT, api_key="SK1", api_secret="s3", auth_token="t0")
    url, headers = address(request, PHONES, key, SLOT)
    assert url == f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert headers["authorization"] == "Basic U0sxOnMz"
    _, headers = address(request, PHONES, secrets(account_sid=ACCOUNT, auth_token="t0"), SLOT)
    assert headers["authorization"].startswith("Basic QUMw")


@pytest.mark.parametrize(
    "given",
    [{}, {"account_sid": "AC1"}, {"account_sid": ACCOUNT}, {"account_sid": ACCOUNT, "api_key": "SK1"}],
    ids=["nothing", "odd account", "no credentials", "half a key"],
)
def test_secrets_that_are_missing_or_odd_are_named(given: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=r"account_sid|api_key|api_secret"):
        address(Request("dlv_1", b""), PHONES, secrets(**given), SLOT)


def test_a_text_says_what_matters_most_and_expires() -> None:
    body = render(message_of(notification()), CHANNEL, PHONES, "+14155550101").body.decode()
    form = {name: values[0] for name, values in parse_qs(body).items()}
    assert form["Body"].splitlines() == [
        "[FIRING] Demo site is down",
        "critical, 0 (threshold 1)",
        "Demo site - url=https://demo-1.example",
        "since 2026-09-21 16:03:30 +02:00",
        "is_up is below 1",
        "https://wiki.example/demo",
    ]
    assert (form["ValidityPeriod"], form["SmartEncoded"], form["From"]) == ("300", "true", "+14155550100")
    assert "StatusCallback" not in form


def test_one_letter_does_not_make_the_text_dearer() -> None:
    said = text(notification(rule={"title": "Größe – “Łódź” 🔥 ≥ 90 °C…"}))
    assert said.startswith('[FIRING] Größe - "Lódz" >= 90 deg C...'.replace("ó", "o"))
    assert set(said) <= GSM_7


def test_a_title_that_gsm_can_not_spell_is_sent_as_it_is_and_shorter() -> None:
    said = text(notification(rule={"title": "Сайт недоступен"}))
    assert said.startswith("[FIRING] Сайт недоступен\n")
    assert "0 (threshold 1)" in said
    assert segments(said) <= 2


def test_a_message_about_many_alerts_counts_them_and_lists_the_worst() -> None:
    many = [alert(number) for number in range(40)]
    said = text(notification(alerts=many))
    assert "40 alerts firing" in said
    assert "- FIRING url=https://demo-0.example 0" in said
    assert segments(said) <= 2


def test_a_repetition_is_marked_and_a_missed_alert_says_when_it_was() -> None:
    assert "[FIRING] (may repeat) Demo site is down" in text(notification(), may_repeat=True)
    assert segments(text(notification(note="n" * 500), bare=True)) == 1


def test_a_link_that_would_take_the_whole_room_is_left_out_whole() -> None:
    said = text(notification(rule={"runbook_url": "https://wiki.example/" + "x" * 200}))
    assert "wiki.example" not in said


def test_a_digest_counts_names_the_worst_and_says_how_to_see_all() -> None:
    tellings = []
    for number in range(200):
        severity = "critical" if number == 150 else "warning"
        rule = {"id": f"rule_{number}", "title": f"Disk {number} is full"}
        told = combine([notification(alerts=[alert(number, severity=severity)], rule=rule)], set())
        assert told is not None
        tellings.append(told)
    made = render(digest(tellings, id="digest_1", zone="UTC"), CHANNEL, PHONES, "+14155550101")
    said = parse_qs(made.body.decode())["Body"][0]
    assert said.startswith(
        "[DIGEST] 200 rules: 200 firing\ncritical\n200 alerts; open rules: 1 critical, 199 warning"
    )
    assert "- FIRING Disk 150 is full" in said
    assert "All: tocsin alerts list" in said
    assert segments(said) <= 2


@pytest.mark.parametrize(
    ("letters", "spelled"),
    [
        ("“a” ‘b’ – — … •", "\"a\" 'b' - - ... -"),
        ("a\u00a0b\u2009c", "a b c"),
        ("éèùìòñüßÉ", "éèùìòñüßÉ"),
        ("áâãłőčž", "aaalocz"),
        ("ΑΒΓΔ αδ", "ABΓΔ AΔ"),
        ("🔥 a 👩‍👩‍👧‍👦 b 🇩🇪", "a b"),
        ("1️⃣", "1"),
        ("日本 x", "?? x"),
        ("^{}[]~|€\\", "^{}[]~|€\\"),
        ("½ µs ≠ → ™", "? us != -> (TM)"),
    ],
    ids=["quotes", "blanks", "kept", "accents", "greek", "emoji", "keycap", "other", "extension", "signs"],
)
def test_letters_become_those_of_the_alphabet(letters: str, spelled: str) -> None:
    assert to_gsm(letters) == spelled


@given(st.text(max_size=300), st.integers(0, 200))
def test_any_text_can_be_spelled_and_cut(letters: str, limit: int) -> None:
    spelled = to_gsm(letters)
    assert set(spelled) <= GSM_7
    assert is_gsm(spelled)
    assert septets(cut_gsm(spelled, limit)) <= limit


def test_segments_are_counted_as_networks_do() -> None:
    assert [segments("x" * count) for count in (160, 161, 306, 307)] == [1, 2, 2, 3]
    assert [segments("€" * count) for count in (80, 81)] == [1, 2]
    assert [segments("й" * count) for count in (70, 71, 134, 135)] == [1, 2, 2, 3]
    assert not is_foreign("Łódź é 日 abc")
    assert is_foreign("日本 a")
