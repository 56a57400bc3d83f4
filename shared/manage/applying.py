"""Making what is stored be as a file says: the differences first, then all of them in one transaction, or none.

A file is not what somebody else changed meanwhile: an entry whose version is not the stored one is refused, unless the
last change was made by applying a file, too. Those follow each other as their files do, in git.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, get_args

from shared.errors import Conflict, InvalidInput
from shared.manage import differing, doubting, exporting, rules_file
from shared.manage.differing import FileChange, Kind, Naming, Thing, kind_of
from shared.manage.exporting import Everything
from shared.manage.planning import Wanted, same, wanted_of
from shared.manage.ports import Ports
from shared.manage.rules import field_warnings
from shared.manage.rules_file import shown_time
from shared.model import Millis, Monitor, Rule
from shared.store import audit, managed, monitors, revisions, rules, silences
from shared.store.engine import Tx
from shared.store.silences import SilenceRow

APPLIED = "apply"
"""How an action in the audit ends that was made by applying a file."""


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What a file changes. `problems`: why it changes nothing; `stale`: what was changed since it was exported."""

    changes: tuple[FileChange, ...] = ()
    unchanged: int = 0
    notes: tuple[str, ...] = ()
    problems: tuple[InvalidInput, ...] = ()
    stale: tuple[str, ...] = ()


@dataclass(slots=True)
class _Work:
    """What is to be written, and the plan that says so."""

    before: dict[str, Thing] = field(default_factory=dict)
    after: dict[str, Thing] = field(default_factory=dict)
    removed: dict[str, Thing] = field(default_factory=dict)
    unchanged: int = 0
    notes: list[str] = field(default_factory=list)


def plan_rules(ports: Ports, text: str, *, prune: bool = False, force: bool = False, now: Millis) -> FilePlan:
    """What applying a file would do; nothing is written. Raises InvalidInput when it is no such file."""
    document = rules_file.read(text)
    return ports.store.read(lambda tx: _planned(tx, ports, document, prune, force, now)[1])


def apply_rules(
    ports: Ports,
    text: str,
    *,
    prune: bool = False,
    force: bool = False,
    seen: FilePlan | None = None,
    by: str,
    actor: str,
    now: Millis,
) -> FilePlan:
    """Write what the file says, with its audit rows, in one transaction; with `prune` what it doesn't name is removed.

    `seen` is the plan that somebody agreed to. Raises InvalidInput for the first of its problems, and Conflict when
    something was changed since it was exported, which `force` overwrites, or since `seen` was made.
    """
    document = rules_file.read(text)

    def work(tx: Tx) -> FilePlan:
        revisions.bump(tx)  # from here on nobody else changes any of it
        todo, plan = _planned(tx, ports, document, prune, force, now)
        if plan.problems:
            raise plan.problems[0]
        if plan.stale:
            raise Conflict(f"{plan.stale[0]}; export again, or apply it with --force")
        if seen is not None and plan.changes != seen.changes:
            raise Conflict(
                "something was changed just now, so this would do other things; look at them first"
            )
        _write(tx, todo, by, actor, now)
        return plan

    return ports.store.write(work)


def _planned(
    tx: Tx, ports: Ports, document: rules_file.Document, prune: bool, force: bool, now: Millis
) -> tuple[_Work, FilePlan]:
    known = exporting.stored(tx, now)
    wanted = wanted_of(document, known, lambda: ports.channels, prune=prune, now=now)
    todo = _Work()
    _compare_silences(tx, todo, wanted, known, now)
    stored: dict[str, Monitor | Rule] = {**known.monitors, **known.rules}
    every: list[Monitor | Rule] = [*wanted.monitors.values(), *wanted.rules.values()]
    for one in every:
        there = stored.get(one.id)
        if there is not None and same(one, there):
            todo.unchanged += 1
            continue
        todo.after[one.id] = one
        if there is not None:
            todo.before[one.id] = there
    if prune:
        all_of_it: dict[str, Thing] = {**stored, **known.silences}
        todo.removed = {key: one for key, one in all_of_it.items() if key not in wanted.paths}
    stale = [] if force else _stale(tx, todo, wanted)
    names = Naming(
        {one.id: one.name for one in (*known.monitors.values(), *wanted.monitors.values())},
        {one.id: one.title for one in (*known.rules.values(), *wanted.rules.values())},
    )
    changes = differing.changes(todo.before, todo.after, todo.removed, names)
    todo.notes += _warnings(todo, wanted, known)
    plan = FilePlan(
        tuple(changes),
        todo.unchanged,
        tuple(todo.notes),
        tuple(sorted(wanted.problems, key=_place)),
        tuple(stale),
    )
    return todo, plan


def _place(problem: InvalidInput) -> tuple[str, int]:
    """Problems are told in the order of the file."""
    section, _, rest = problem.field.partition("[")
    return section, int(rest.partition("]")[0])


def _compare_silences(tx: Tx, todo: _Work, wanted: Wanted, known: Everything, now: Millis) -> None:
    """Those that are over stay over: a file that still names them is only behind."""
    over = {
        one.id: one
        for one in silences.some(tx, [key for key in wanted.silences if key not in known.silences])
    }
    for key, row in wanted.silences.items():
        there = known.silences.get(key)
        if key in over or (there is None and row.ends_at <= now):
            todo.notes.append(f"{wanted.paths[key]} is over already: take it out of the file")
        elif there == row:
            todo.unchanged += 1
        else:
            todo.after[key] = row
            if there is not None:
                todo.before[key] = there


# ------------------------------------------------------------------ what changed meanwhile


def _stale(tx: Tx, todo: _Work, wanted: Wanted) -> list[str]:
    """What would be overwritten unseen, in words."""
    changed = {
        key: one
        for key, one in todo.before.items()
        if not isinstance(one, SilenceRow) and wanted.versions.get(key, one.version) != one.version
    }
    new = [key for key in todo.after if key not in todo.before]
    gone = managed.deleted_ones(tx, monitors.KIND, [key for key in new if key in wanted.monitors])
    gone |= managed.deleted_ones(tx, rules.KIND, [key for key in new if key in wanted.rules])
    last = audit.changes_at(tx, {**{key: one.updated_at for key, one in changed.items()}, **gone})
    found = []
    for key in (*changed, *gone):
        row = last.get(key)
        if row is not None and row.action.endswith(APPLIED):
            continue
        by = f", by {row.actor} at {shown_time(row.at)}" if row else ""
        how = "deleted" if key in gone else "changed"
        stands = (
            f": version {wanted.versions[key]} in the file, {changed[key].version} stored"
            if key in changed
            else ""
        )
        found.append(f"{wanted.paths[key]} ({key}) was {how} since the file was exported{by}{stands}")
    return found


def _warnings(todo: _Work, wanted: Wanted, known: Everything) -> list[str]:
    """What may not be as it was meant, of the rules that are written."""
    every = {**known.monitors, **wanted.monitors}
    found = []
    for key, rule in todo.after.items():
        monitor = every.get(rule.monitor_id or "") if isinstance(rule, Rule) else None
        if isinstance(rule, Rule) and monitor is not None:
            said: Sequence[str] = [*field_warnings(rule, monitor), *doubting.warnings(rule, monitor)]
            found += [f"{wanted.paths[key]}: {text}" for text in said]
    return found


# ------------------------------------------------------------------ writing


def _write(tx: Tx, todo: _Work, by: str, actor: str, now: Millis) -> None:
    new_monitors = [one for one in todo.after.values() if isinstance(one, Monitor)]
    new_rules = [one for one in todo.after.values() if isinstance(one, Rule)]
    new_silences = [
        replace(one, created_by=one.created_by or by)
        for one in todo.after.values()
        if isinstance(one, SilenceRow)
    ]
    ended = [replace(one, ended_at=now) for one in todo.removed.values() if isinstance(one, SilenceRow)]
    stored: list[Thing] = [
        *(monitors.put(tx, new_monitors, now) if new_monitors else ()),
        *(rules.put(tx, new_rules, now) if new_rules else ()),
        *new_silences,
    ]
    if new_silences or ended:
        silences.put(tx, [*new_silences, *ended])
    for kind, model in ((rules.KIND, Rule), (monitors.KIND, Monitor)):
        gone = [key for key, one in todo.removed.items() if isinstance(one, model)]
        if gone:
            managed.remove(tx, kind, gone, now)
    for kind in get_args(Kind):
        written = [
            (one.id, _plain(todo.before.get(one.id)), _plain(one)) for one in stored if kind_of(one) == kind
        ]
        removed = [(key, _plain(one), None) for key, one in todo.removed.items() if kind_of(one) == kind]
        audit.record_many(tx, now, actor, f"{kind}.{APPLIED}", written)
        audit.record_many(tx, now, actor, f"{kind}.remove_by_{APPLIED}", removed)


def _plain(one: Thing | None) -> Any:
    if one is None:
        return None
    return asdict(one) if isinstance(one, SilenceRow) else one.model_dump(mode="json")
