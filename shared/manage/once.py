"""Creating a rule so that repeating it is safe: who asks may not have heard the answer, and asks again."""

import hashlib
import json
from typing import Any

from shared.errors import Conflict, InvalidInput
from shared.manage import checks
from shared.manage.drafts import RuleDraft
from shared.manage.ports import Ports
from shared.manage.rules import RuleWritten, drafted, insert
from shared.model import Millis, Rule
from shared.store import audit, managed, revisions, rules
from shared.store.engine import Tx

WITHIN_MS = 60_000
LONGEST_KEY = 200
_OWN = {"id", "version", "created_at", "updated_at"}


def create_rule_once(
    ports: Ports, draft: RuleDraft, *, key: str = "", actor: str, now: Millis
) -> tuple[RuleWritten, bool]:
    """The rule, and whether it was there already: made with the same `key`, or the very same within a minute.

    Raises as `create_rule`, InvalidInput when the key was used for another rule, Conflict when that one was deleted.
    """
    checks.fits("idempotency_key", key, LONGEST_KEY)
    keyed = draft.model_copy(update={"id": _id_of(ports.settings.tenant, key)}) if key else draft

    def work(tx: Tx) -> tuple[RuleWritten, bool]:
        made = drafted(tx, ports, keyed)
        revisions.bump(tx)  # whoever asks the same at the same moment waits here, and finds this rule
        found = _of_key(tx, made.rule, key) if key else _just_made(tx, made.rule, now)
        if found is not None:
            return RuleWritten(found), True
        return RuleWritten(insert(tx, made.rule, actor, now), made.warnings), False

    return ports.store.write(work)


def _id_of(tenant: str, key: str) -> str:
    """The id of the rule that a key makes: the database takes it once."""
    return f"rule_{hashlib.sha256(json.dumps([tenant, key]).encode()).hexdigest()[:12]}"


def _of_key(tx: Tx, wanted: Rule, key: str) -> Rule | None:
    made = audit.first(tx, wanted.id)
    if made is None:
        return None
    if managed.by_id(tx, rules.KIND, wanted.id) is None:
        gone = f"the rule of this idempotency_key, {wanted.id}, was deleted since"
        raise Conflict(f"{gone}; restore it, or take another key")
    if _content(json.loads(made.after or "{}")) != _content(wanted.model_dump(mode="json")):
        raise InvalidInput(
            "idempotency_key", key, f"it was used for another rule, {wanted.id}", "Take another"
        )
    return rules.get(tx, wanted.id)


def _just_made(tx: Tx, wanted: Rule, now: Millis) -> Rule | None:
    for rule_id in rules.ids_titled(tx, wanted.title):
        rule = rules.get(tx, rule_id)
        alike = _content(rule.model_dump(mode="json")) == _content(wanted.model_dump(mode="json"))
        if alike and now - rule.created_at < WITHIN_MS:
            return rule
    return None


def _content(rule: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in rule.items() if name not in _OWN}
