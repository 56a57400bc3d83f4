"""`tocsin tokens …` as people type it; what it writes is what the server reads."""

import asyncio
import stat
from pathlib import Path

import pytest
import yaml

from shared.conversation.access import Scope, Tokens
from shared.conversation.tokens_file import PREFIX
from shared.errors import TokenRefused
from tests.support.cli import Tocsin

NOW = 1_900_000_000_000
DAY = 86_400_000


def known(file: Path, token: str, now: int = NOW) -> tuple[str, str, tuple[Scope, ...]]:
    """What the server makes of a token."""
    found = asyncio.run(Tokens(file).caller(token, now))
    return found.id, found.tenant, found.scopes


def test_a_token_is_printed_once_with_its_entry(tocsin: Tocsin, tmp_path: Path) -> None:
    made = tocsin("tokens", "new", "ann", "--scope", "alerts:act", "--scope", "alerts:read")
    token, _, entry = made.out.partition("\n")
    (tmp_path / "t.yaml").write_text(entry, encoding="utf-8")

    assert made.status == 0
    assert token.startswith(PREFIX)
    assert len(token) >= 50
    assert token not in entry
    assert "shown this once" in made.err
    assert known(tmp_path / "t.yaml", token) == ("ann", "default", (Scope.READ, Scope.ACT))
    assert tocsin("tokens", "new", "ann").out.split()[0] != token


def test_tokens_are_added_to_a_file_that_keeps_all_else(tocsin: Tocsin, tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    first = tocsin("tokens", "new", "ann", "--file", str(file)).out.strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text(file.read_text("utf-8").replace("tokens:", "# Ours.\ntokens:").rstrip(), "utf-8")
    file.chmod(0o640)
    second = tocsin(
        "tokens", "new", "007", "--tenant", "acme", "--scope", "notify:test", "--file", str(file)
    ).out.strip()

    assert known(file, first) == ("ann", "default", tuple(Scope))
    assert known(file, second) == ("007", "acme", (Scope.TEST,))
    assert file.read_text("utf-8").startswith("# Ours.\ntokens:\n  - id: ann\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert first not in file.read_text("utf-8")
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".tokens")] == []


def test_a_token_ends_when_it_should(tocsin: Tocsin, tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    token = tocsin(
        "tokens", "new", "ann", "--expires", "2031-01-01T00:00:00Z", "--file", str(file)
    ).out.strip()
    end = 1_924_992_000_000

    assert known(file, token, end - 1)[0] == "ann"
    with pytest.raises(TokenRefused, match="has expired"):
        known(file, token, end)
    tocsin("tokens", "new", "bob", "--expires", "90d", "--file", str(file))
    (_, bob) = tocsin("tokens", "list", "--file", str(file), "--json").json()
    assert bob["expires"] % 1000 == 0
    assert bob["scopes"] == [scope.value for scope in Scope]


def test_a_list_shows_who_may_do_what_and_no_sum(tocsin: Tocsin, tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    tocsin("tokens", "new", "ann", "--scope", "alerts:read", "--file", str(file))
    old = {"id": "old", "sha256": "0" * 64, "expires": "2020-01-01T00:00:00Z"}
    text = yaml.safe_load(file.read_text("utf-8"))
    file.write_text(yaml.safe_dump({"tokens": [*text["tokens"], old]}), "utf-8")
    shown = tocsin("tokens", "list", "--file", str(file)).out

    assert "alerts:read" in shown
    assert "never" in shown
    assert "(expired)" in shown
    assert "0" * 16 not in shown
    assert "sha256" not in tocsin("tokens", "list", "--file", str(file), "--json").out
    assert tocsin("tokens", "list").status == 2


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("", ["Ann Lee"], "NAME: 'Ann Lee' is not valid; expected letters"),
        ("", ["ann", "--tenant", "Acme"], "--tenant: 'Acme' is not valid"),
        ("", ["ann", "--expires", "soon"], "--expires: 'soon' is not valid"),
        ("", ["ann", "--expires", "2020-01-01T00:00:00Z"], "it must be later than now"),
        ("", ["ann", "--scope", "alerts:reed"], "alerts:reed"),
        ("tokens:\n- {id: ann, sha256: %s}\n" % ("a" * 64), ["ann"], "has a token of that name"),
        ("tokens: [{id: bob, sha256: %s}]\n" % ("a" * 64), ["ann"], "in a style that can't be added to"),
        ("nonsense", ["ann"], "the whole file: "),
    ],
)  # fmt: skip
def test_what_can_not_be_added_changes_nothing(
    tocsin: Tocsin, tmp_path: Path, text: str, given: list[str], said: str
) -> None:
    file = tmp_path / "tokens.yaml"
    file.write_text(text, "utf-8")
    ended = tocsin("tokens", "new", *given, "--file", str(file))

    assert ended.status == 2
    assert said in ended.err
    assert PREFIX not in ended.out
    assert file.read_text("utf-8") == text
    assert [one.name for one in tmp_path.iterdir() if "tokens" in one.name] == ["tokens.yaml"]


def test_a_folder_that_is_not_there_is_named(tocsin: Tocsin, tmp_path: Path) -> None:
    ended = tocsin("tokens", "new", "ann", "--file", str(tmp_path / "no" / "tokens.yaml"))

    assert (ended.status, ended.out) == (2, "")
    assert "it can't be written: No such file or directory" in ended.err
