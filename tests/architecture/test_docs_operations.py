"""The page about running Tocsin is complete: a runbook for each self-alert, every retention setting, every way back."""

import re

from shared.manage import self_alerts
from shared.settings import KEPT, Settings
from tests.support import docs

PAGE = "docs/operations.md"


def test_every_self_alert_has_a_runbook_under_its_slug_and_there_is_no_other() -> None:
    slugs = [rule.id.removeprefix("rule_self_").replace("_", "-") for rule in self_alerts.built_in().rules]
    runbooks = re.findall(r"^### (.+)$", docs.section(PAGE, "Runbooks"), re.MULTILINE)

    assert [heading.lower().replace(" ", "-") for heading in runbooks] == slugs
    assert set(slugs) <= docs.anchors(docs.ROOT / PAGE)


def test_every_runbook_begins_with_a_step_that_looks() -> None:
    for heading in re.findall(r"^### (.+)$", docs.section(PAGE, "Runbooks"), re.MULTILINE):
        first = docs.section(PAGE, heading).partition("\n1. ")[2].partition("\n2. ")[0]

        assert re.search(r"tocsin \w|kubectl ", first), heading


def test_everything_that_goes_after_a_time_is_listed_with_its_days() -> None:
    listed = {
        docs.code(days)[0]: int(days.split()[-1])
        for _what, days, _stays in docs.rows(docs.section(PAGE, "Retention"))
    }

    expected = {what: Settings.model_fields[f"keep_{what}_days"].default for what in KEPT}
    assert listed == {f"TOCSIN_KEEP_{what.upper()}_DAYS": days for what, days in expected.items()}
