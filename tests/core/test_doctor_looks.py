"""The doctor looks at everything side by side, knows what is no setting, and advises only what exists."""

import re
import threading
from collections.abc import Mapping
from typing import Any

import typer.main

from shared.cli import app
from shared.errors import Unavailable
from shared.manage.doctor.facts import Trouble
from shared.manage.doctor.gather import unknown
from shared.manage.doctor.probes import side_by_side
from shared.manage.doctor.work import RUNBOOK
from shared.settings import Settings
from tests.support import docs


def test_every_page_command_and_setting_that_a_fix_names_exists() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (docs.ROOT / "shared/manage/doctor").glob("*.py")]
    text = "\n".join([*texts, f"{RUNBOOK}#"]).replace("{RUNBOOK}", RUNBOOK)
    commands = typer.main.get_command(app)

    for page, anchor in re.findall(r"(docs/[a-z]+\.md)(?:#([a-z-]+))?", text):
        assert (docs.ROOT / page).exists()
        assert not anchor or anchor in docs.anchors(docs.ROOT / page), f"{page}#{anchor}"
    for words in re.findall(r"`tocsin ([a-z -]+)`", text):
        found: Any = commands
        for word in words.split():
            assert word in getattr(found, "commands", {}), f"tocsin {words}"
            found = found.commands[word]
    for name in re.findall(r"\bTOCSIN_[A-Z_]*[A-Z]\b", text):
        assert name.removeprefix("TOCSIN_").lower() in Settings.model_fields or name == "TOCSIN_SECRET", name


def test_a_look_that_hangs_or_fails_holds_up_no_other() -> None:
    end = threading.Event()

    def fails() -> str:
        raise Unavailable("the database", "mysql+pymysql://u:hush@h/d", "refused", "TOCSIN_DATABASE_URL")

    looks: Mapping[str, Any] = {"hangs": lambda: end.wait(30), "fails": fails, "works": lambda: "seen"}
    found = side_by_side(looks, 0.2)
    end.set()

    assert found["works"] == "seen"
    assert found["hangs"] == Trouble("there was no answer within 0.2 s")
    assert isinstance(found["fails"], Trouble)
    assert "refused" in found["fails"].why
    assert "hush" not in found["fails"].why


def test_variables_that_only_look_like_settings_are_found() -> None:
    environ = {
        "TOCSIN_DATABSE_URL": "x",
        "TOCSIN_TENANT": "t",
        "TOCSIN_SECRET_OPS_URL": "s",
        "HOME": "/",
        "TOCSIN_ZZ": "",
    }

    assert unknown(environ) == {"TOCSIN_DATABSE_URL": "TOCSIN_DATABASE_URL", "TOCSIN_ZZ": ""}
