"""The documentation is true: every name in it exists, and every name that exists is in it."""

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from shared.channels import load_book, load_kind
from shared.conditions import canonical, condition_type
from shared.manage import draft_rule
from shared.manage.drafts import RuleDraft
from shared.model import Channel
from shared.settings import Settings
from tests.support import docs, manifests
from tests.support.docs import ROOT


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def condition_types() -> set[str]:
    return {path.stem for path in (ROOT / "shared" / "conditions").glob("[!_]*.py")}


# ------------------------------------------------------------------ keys and their defaults


def defaults(model: type[BaseModel]) -> dict[str, str]:
    """Every key of a model as people write it, and its default as a page shows it; empty for none."""
    found = {}
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if default is PydanticUndefined or default is None:
            text = ""
        elif isinstance(default, SecretStr):
            text = default.get_secret_value()
        else:
            text = {"True": "true", "False": "false", "()": "[]"}.get(str(default), str(default))
        found[field.alias or name] = text
    return found


def documented(page: str, heading: str) -> dict[str, str]:
    """Every key in a section's tables, and its default."""
    table = docs.rows(docs.section(page, heading))
    return {cells[0].replace("`", ""): (docs.code(cells[1]) or [""])[0] for cells in table}


def test_every_setting_is_documented_with_its_default_and_every_documented_one_exists() -> None:
    expected = {f"TOCSIN_{name.upper()}": default for name, default in defaults(Settings).items()}

    assert documented("docs/configuration.md", "Settings") == expected


def test_every_key_of_a_channel_is_documented_with_its_default() -> None:
    assert documented("docs/configuration.md", "Channels") == defaults(Channel)


@pytest.mark.parametrize("kind", sorted(manifests.channel_kinds()))
def test_every_setting_and_secret_of_a_kind_is_documented_with_its_default(kind: str) -> None:
    module = load_kind(kind)

    assert documented(f"docs/channels/{kind}.md", "Settings") == (
        defaults(module.Settings) | {f"secret {name}": "" for name in module.SECRETS}
    )


def test_every_key_of_a_rule_is_documented_with_its_default() -> None:
    table = docs.rows(docs.section("docs/rules.md", "Rules").partition("\n## ")[0])

    assert {docs.code(key)[0]: (docs.code(default) or [""])[0] for key, default, _ in table} == defaults(
        RuleDraft
    )


@pytest.mark.parametrize("name", sorted(condition_types()))
def test_every_key_of_a_condition_is_documented_with_its_default(name: str) -> None:
    assert documented("docs/conditions.md", f"`{name}`") == defaults(condition_type(name).Params)


def test_the_rule_that_is_shown_can_be_stored() -> None:
    (shown,) = docs.blocks("docs/rules.md", "json")

    draft = draft_rule(json.loads(shown))

    assert canonical(draft.condition) == draft.condition


def test_the_channels_file_that_is_shown_can_be_read(tmp_path: Path) -> None:
    (shown,) = docs.blocks("docs/configuration.md", "yaml")
    (tmp_path / "channels.yaml").write_text(shown, encoding="utf-8")

    book = load_book(tmp_path / "channels.yaml", None, {}, "default", frozenset())

    assert [channel.name for channel in book.channels] == ["ops-slack", "on-call"]


def test_every_secret_is_documented_with_who_sees_it() -> None:
    base = manifests.rendered("base")
    seen: dict[str, set[str]] = {}
    for name, workload in manifests.workloads(base).items():
        for secret in manifests.secrets_of(workload):
            seen.setdefault(secret, set()).add(name)
    notify = {name for name in manifests.of_kind(base, "Service") if name.startswith("notify-")}

    listed = {}
    for secret, _keys, who in docs.rows(docs.section("docs/configuration.md", "Secrets")):
        names = set(who.replace("the Job ", "").split(", "))
        listed[docs.code(secret)[0]] = names - {"every notify function"} | (
            notify if "every notify function" in names else set()
        )

    assert listed == seen


def test_every_setting_that_any_page_names_exists() -> None:
    known = {f"TOCSIN_{name.upper()}" for name in Settings.model_fields}
    for page in docs.pages():
        named = set(re.findall(r"\bTOCSIN_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8")))

        assert {name for name in named if not name.startswith("TOCSIN_SECRET_")} <= known, page


# ------------------------------------------------------------------ make, kinds, types, functions


def test_every_make_target_is_in_the_readme_and_every_one_there_exists() -> None:
    listed = {
        docs.code(target)[0].removeprefix("make ")
        for target, _what in docs.rows(docs.section("README.md", "Make targets"))
    }

    assert listed == make_targets()


def test_every_make_target_that_any_page_names_exists() -> None:
    used = set(docs.make_targets_used())

    assert ("README.md", "run") in used
    assert {(page, target) for page, target in used if target not in make_targets()} == set()


def test_every_channel_kind_is_listed_with_its_secrets_and_has_a_page_with_a_picture() -> None:
    table = docs.rows(docs.section("docs/configuration.md", "Channel kinds"))
    listed = {docs.code(kind)[0]: set(docs.code(secrets)) for kind, _told, secrets, _page in table}

    assert listed == {kind: set(load_kind(kind).SECRETS) for kind in manifests.channel_kinds()}
    assert {page.stem for page in (ROOT / "docs" / "channels").glob("*.md")} == set(listed)
    pictured = {page.stem for page, target in docs.links() if target == f"{page.stem}.png"}
    assert pictured == set(listed)


@pytest.mark.parametrize("kind", sorted(manifests.channel_kinds()))
def test_the_channel_that_a_kinds_page_shows_can_be_read(kind: str, tmp_path: Path) -> None:
    (shown,) = docs.blocks(f"docs/channels/{kind}.md", "yaml")
    (tmp_path / "channels.yaml").write_text(shown, encoding="utf-8")

    book = load_book(tmp_path / "channels.yaml", None, {}, "default", frozenset())

    assert {channel.kind for channel in book.channels} == {kind}


def test_every_condition_type_is_documented_and_every_documented_one_exists() -> None:
    listed = re.findall(r"^### `(\w+)`", docs.section("docs/conditions.md", "Types"), re.MULTILINE)

    assert sorted(listed) == sorted(condition_types())


def test_every_function_is_in_the_map_and_every_one_there_exists() -> None:
    mapped = {
        docs.code(name)[0] for name, *_ in docs.rows(docs.section("docs/architecture.md", "The functions"))
    }

    assert mapped == {path.parent.name for path in (ROOT / "functions").glob("*/main.py")}


def test_every_module_is_in_the_map_and_every_one_there_exists() -> None:
    mapped = {
        name
        for cell, *_ in docs.rows(docs.section("docs/architecture.md", "The map"))
        for name in docs.code(cell)
    }
    modules = {f"shared/{path.name}" for path in (ROOT / "shared").glob("[!_]*.py")}
    modules |= {f"shared/{path.parent.name}/" for path in (ROOT / "shared").glob("*/__init__.py")}

    assert {name for name in mapped if name.startswith("shared/")} == modules
    assert {name for name in mapped if not (ROOT / name).exists()} == set()


# ------------------------------------------------------------------ links


def test_every_local_link_leads_somewhere() -> None:
    broken = []
    for page, target in docs.links():
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in docs.anchors(there)):
            broken.append((page.name, target))

    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        targets = [target.partition("#")[0] for source, target in docs.links() if source == page]
        found = {(page.parent / target).resolve() for target in targets if target.endswith(".md")}
        waiting += found - reached

    assert set(docs.pages()) <= reached
