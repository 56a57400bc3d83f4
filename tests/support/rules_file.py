"""Rules in a file as tests write and apply it, and whatever people may have stored."""

from typing import Any

from hypothesis import strategies as st
from sqlalchemy import event

from shared import manage
from shared.manage import yaml_text
from shared.model import Monitor, Rule, Selector, Severity
from shared.store.engine import Store
from shared.wiring import Wiring
from tests.support.conditions import whole
from tests.support.rows import NOW, add_monitor, add_rule

_LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20).map(str.strip)
_NAME = _LINE.filter(bool)
_WORDS = st.dictionaries(_NAME, _LINE, max_size=2)


def exported(wiring: Wiring, now: int = NOW) -> str:
    return manage.export_rules(wiring, now=now)


def document(wiring: Wiring) -> Any:
    """The export, read."""
    return yaml_text.read(exported(wiring))


def applied(wiring: Wiring, file: Any, now: int = NOW + 5, **given: Any) -> manage.FilePlan:
    text = file if isinstance(file, str) else yaml_text.write(file)
    return manage.apply_rules(wiring, text, by="Ann", actor="cli:ann", now=now, **given)


def planned(wiring: Wiring, file: Any, now: int = NOW + 5, **given: Any) -> manage.FilePlan:
    return manage.plan_rules(wiring, yaml_text.write(file), now=now, **given)


def said(plan: manage.FilePlan) -> list[tuple[str, str, str]]:
    """A plan in short: how, what, its name."""
    return [(one.how, one.kind, one.name) for one in plan.changes]


def silence(wiring: Wiring, **given: Any) -> manage.SilenceItem:
    """A silence of an hour over everything, unless told otherwise."""
    draft = manage.draft_silence({"at_least": "info", "duration_seconds": 3600, "reason": "Moving", **given})
    return manage.silence_alerts(wiring, draft, by="Bob", actor="test", now=NOW)


def fill(wiring: Wiring, store: Store) -> Wiring:
    """A monitor, two rules on it, and a silence of one of them."""
    add_monitor(store)
    add_rule(store)
    add_rule(store, "rule_low", title="Bitcoin low", severity=Severity.CRITICAL)
    silence(wiring, rules=("rule_btc",), at_least=None)
    return wiring


class Statements:
    """How many statements are run from now on."""

    def __init__(self, store: Store) -> None:
        self.number = 0
        event.listen(store.engine, "before_cursor_execute", self._count)

    def _count(self, *_about: Any) -> None:
        self.number += 1


@st.composite
def everything(draw: st.DrawFn) -> tuple[list[Monitor], list[Rule]]:
    """Monitors of unlike names, and rules, as people may have made them."""
    names = draw(st.lists(_NAME, min_size=1, max_size=3, unique=True))
    made = [
        Monitor(
            id=f"mon_{number}",
            name=name,
            measurement=draw(_NAME),
            where=draw(st.dictionaries(_NAME, st.one_of(_NAME, st.tuples(_NAME, _NAME)), max_size=2)),
            key=tuple(draw(st.lists(_NAME, max_size=2, unique=True))),
            fields=draw(_WORDS),
            kind=draw(_NAME),
            labels=draw(_WORDS),
        )
        for number, name in enumerate(names)
    ]
    titles = draw(st.lists(_NAME, max_size=4))
    return made, [
        Rule(
            id=f"rule_{number}",
            title=title,
            condition=draw(whole()),
            severity=draw(st.sampled_from(Severity)),
            description=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
            channels=draw(st.sampled_from([None, (), ("ops",), ("ops", "gone")])),
            cooldown_seconds=draw(st.integers(0, 600)),
            labels=draw(_WORDS),
            enabled=draw(st.booleans()),
            **draw(
                st.one_of(
                    st.sampled_from([{"monitor_id": one.id} for one in made]),
                    st.builds(
                        lambda kind, labels: {"selector": Selector(kind=kind, labels=labels)}, _LINE, _WORDS
                    ),
                )
            ),
        )
        for number, title in enumerate(titles)
    ]
