"""What the runner's options ask for, and how a person is told that they make no sense."""

from collections.abc import Mapping

import pytest

from knative.local.arguments import options, parse
from knative.local.environment import passed
from knative.local.errors import LocalError
from knative.local.options import Pass
from tests.support.processes import ROOT

CALLER = {
    "TOCSIN_SECRET_OPS_URL": "hush",
    "TOCSIN_DATABASE_URL": "db",
    "OTEL_SERVICE_NAME": "o",
    "HOME": "/me",
}
PASSES = [Pass("TOCSIN_SECRET*", "notify-*"), Pass("TOCSIN_*")]


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        ("notify-slack", {"TOCSIN_SECRET_OPS_URL": "hush", "TOCSIN_DATABASE_URL": "db"}),
        ("evaluate", {"TOCSIN_DATABASE_URL": "db"}),
    ],
)
def test_the_first_pattern_that_knows_a_variable_decides_who_gets_it(
    workload: str, expected: Mapping[str, str]
) -> None:
    assert passed(CALLER, PASSES, workload) == expected


def test_nothing_is_passed_on_that_was_not_asked_for() -> None:
    assert passed(CALLER, [], "notify-slack") == {}


def test_options_say_who_reaches_what_and_what_functions_are_given() -> None:
    given = "--host 0.0.0.0 --public write --port ack=1 --port ack=8080 --pass A_* --pass B=notify-*"

    found = options(parse(given.split()))

    assert found.host == "0.0.0.0"
    assert found.public == {"write"}
    assert found.ports == {"ack": 8080}
    assert found.passes == [Pass("A_*", "*"), Pass("B", "notify-*")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--env", "A"], "--env A: KEY=VALUE is needed"),
        (["--port", "ack"], "--port ack: FUNCTION=PORT is needed"),
        (["--port", "ack=99999"], "--port ack=99999: a port is a number from 1 to 65535"),
        (["--port", "ack=x"], "--port ack=x: a port is a number from 1 to 65535"),
        (["--pass", "=notify-*"], "--pass =notify-*: PATTERN or PATTERN=TO is needed"),
        (["--pass", "A_*="], "--pass A_*=: PATTERN or PATTERN=TO is needed"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_with_what_would(given: list[str], said: str) -> None:
    with pytest.raises(LocalError) as refused:
        options(parse(given))

    assert str(refused.value).startswith(said)


def test_only_loopback_or_every_address_can_be_listened_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--host", "192.0.2.1"])

    assert "choose from 127.0.0.1, 0.0.0.0" in capsys.readouterr().err.replace("'", "")


def test_the_command_of_the_image_gives_only_options_that_exist() -> None:
    script = (ROOT / "knative" / "serve.sh").read_text(encoding="utf-8")
    (command,) = script.replace("\\\n", "").split("exec tocsin serve ")[1:]
    words = command.replace("'", "").replace('"${TOCSIN_STATE_DIR:-/data}"', "/data").split()

    found = options(parse(words[:-1]))

    assert words[-1] == '"$@"'
    assert found.without == {"inbox", "demo-site"}
    assert passed({"TOCSIN_SECRETS_DIR": "/s", **CALLER}, found.passes, "evaluate") == {
        "TOCSIN_DATABASE_URL": "db",
        "OTEL_SERVICE_NAME": "o",
    }
