"""What people give for a rule: all of it, or only what is to change."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from shared.errors import InvalidInput
from shared.manage import checks
from shared.model import Frozen, Rule, Selector, Severity


class RuleDraft(Frozen):
    """A rule as people describe it: on one `monitor` (id or name) or on every one that `selector` matches.

    `channels` None means the default channels. Durations are seconds.
    """

    title: str
    condition: dict[str, Any]
    monitor: str | None = None
    selector: Selector | None = None
    severity: str = "warning"
    description: str = ""
    channels: tuple[str, ...] | None = None
    cooldown_seconds: int = 300
    repeat_seconds: int = 0
    group_seconds: int = 60
    labels: dict[str, str] = Field(default_factory=dict)
    runbook_url: str = ""
    enabled: bool = True
    id: str | None = None

    def rule(
        self,
        condition: dict[str, Any],
        severity: Severity,
        channels: tuple[str, ...] | None,
        monitor_id: str | None,
    ) -> Rule:
        """The checked rule. Raises InvalidInput."""
        values = self.model_dump(exclude={"monitor"}) | {
            "id": checks.new_id("rule", self.id),
            "title": checks.one_line("title", self.title),
            "condition": condition,
            "severity": severity,
            "channels": channels,
            "monitor_id": monitor_id,
            "labels": checks.labels_of(self.labels),
            "runbook_url": _web_address(self.runbook_url),
        }
        return checks.checked(Rule, values)


class RuleChanges(Frozen):
    """What to change of a rule. Only keys that are given count: `channels: null` means the default channels."""

    title: str = ""
    condition: dict[str, Any] = Field(default_factory=dict)
    monitor: str | None = None
    selector: Selector | None = None
    severity: str = "warning"
    description: str = ""
    channels: tuple[str, ...] | None = None
    cooldown_seconds: int = 0
    repeat_seconds: int = 0
    group_seconds: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    runbook_url: str = ""
    enabled: bool = True

    def given(self) -> dict[str, Any]:
        """The keys that were given, checked on their own. Raises InvalidInput."""
        given = self.model_dump(include=self.model_fields_set)
        if not given:
            raise InvalidInput("changes", None, f"give at least one of {', '.join(type(self).model_fields)}")
        if given.get("monitor") is not None and given.get("selector") is not None:
            raise InvalidInput("monitor", given["monitor"], "a rule has either a monitor or a selector")
        for key, check in _CHECKS.items():
            if key in given:
                given[key] = check(given[key])
        return given


def draft_rule(given: Mapping[str, Any]) -> RuleDraft:
    """A draft from loose values, such as options or JSON. Raises InvalidInput."""
    return checks.checked(RuleDraft, given)


def changes_of_rule(given: Mapping[str, Any]) -> RuleChanges:
    """Changes from loose values, such as options or JSON. Raises InvalidInput."""
    return checks.checked(RuleChanges, given)


def _web_address(url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise InvalidInput("runbook_url", url, "expected an address that begins with https:// or http://")
    return url


_CHECKS: Mapping[str, Any] = {
    "title": lambda text: checks.one_line("title", text),
    "severity": checks.severity_of,
    "labels": checks.labels_of,
    "runbook_url": _web_address,
}
