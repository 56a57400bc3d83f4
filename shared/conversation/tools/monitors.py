"""Tools about monitors: where points are, what they look like, and what else could be watched."""

from typing import Annotated

from pydantic import Field

from shared import manage
from shared.conversation import cursors, shapes, times
from shared.conversation.access import Scope
from shared.conversation.arguments import Cursor, Labels, Limit, MonitorId
from shared.conversation.shapes import MonitorOut
from shared.conversation.tooling import Call, Out, tool

_MOST_FOUND = 50
_MOST_FIELDS = 60


class MonitorPage(shapes.Page):
    """Monitors, in the order of their creation."""

    items: list[MonitorOut]


class FieldOut(Out):
    """A field and what it held lately."""

    name: str
    unit: str | None = None
    type: str = Field(description="number, boolean, string, mixed; empty: no points in that time.")
    points: int
    min: float | None = None
    median: float | None = None
    max: float | None = None
    latest: float | None = None
    texts: list[str] | None = Field(None, description="Some of its values, when it holds texts.")


class MonitorStory(Out):
    """A monitor and what it wrote lately."""

    monitor: MonitorOut
    rules: list[str] = Field(description="Titles of the rules on it.")
    looked_back_to: str | None = None
    points: int
    series: int
    last_seen: str | None = None
    fields: list[FieldOut]
    hint: str | None = None


class Found(Out):
    """A measurement that could become a monitor, with the arguments that add_monitor takes."""

    name: str
    measurement: str
    key: list[str]
    fields: dict[str, str]
    kind: str | None = None
    database: str | None = None
    why: str
    watched_by: list[str] | None = Field(None, description="Monitors that read it already.")


class Discovered(Out):
    """What the metric store holds."""

    items: list[Found]
    total: int
    hint: str | None = None


class Added(Out):
    """The new monitor, and what may not be as it was meant."""

    monitor: MonitorOut
    warnings: list[str] | None = None


@tool("List monitors", Scope.READ)
def list_monitors(
    call: Call,
    query: Annotated[str | None, Field(max_length=200, description="Words in name or measurement.")] = None,
    kind: Annotated[
        str | None, Field(max_length=64, description="Only of this kind: website, cpu, disk, …")
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> MonitorPage:
    """What is watched: each monitor says where points are. Use it first when somebody wants a rule, to find monitor_id.
    For what a monitor measures use describe_monitor; for what is not watched yet discover_monitors."""
    filters = {"query": query, "kind": kind}
    page = manage.list_monitors(
        call.ports,
        kind=kind or "",
        words=query or "",
        limit=limit,
        cursor=cursors.opened(cursor, call.tenant, "list_monitors", filters),
    )
    empty = "No monitor matches; leave a filter out, or call discover_monitors."
    return MonitorPage(
        items=[shapes.monitor(one) for one in page.items],
        total=page.total,
        next_cursor=cursors.sealed(page.cursor, call.tenant, "list_monitors", filters),
        hint=None if page.items else empty,
    )


@tool("Describe a monitor", Scope.READ)
def describe_monitor(call: Call, monitor_id: MonitorId) -> MonitorStory:
    """A monitor's fields with their types and what they held lately (min, median, max, latest), how many series it has
    and when it was last seen. Use it before choosing a field and a threshold. To try a threshold use
    preview_alert_rule."""
    found = manage.describe_monitor(call.ports, monitor_id, now=call.now)
    silent = "Nothing was written in that time: check that its writer runs, and its measurement and filter."
    return MonitorStory(
        monitor=shapes.monitor(found.monitor),
        rules=list(found.rules[:_MOST_FOUND]),
        looked_back_to=times.shown(found.since),
        points=found.points,
        series=found.series_count,
        last_seen=times.shown(found.last_at),
        fields=[_field(one) for one in found.fields[:_MOST_FIELDS]],
        hint=f"The metric store did not answer: {found.trouble}"
        if found.trouble
        else None
        if found.points
        else silent,
    )


def _field(one: "manage.FieldSeen") -> FieldOut:
    return FieldOut(
        name=one.name,
        unit=one.unit or None,
        type=one.kind,
        points=one.points,
        min=one.least,
        median=one.median,
        max=one.greatest,
        latest=one.latest,
        texts=list(one.texts) or None,
    )


@tool("Discover what could be watched", Scope.READ)
def discover_monitors(
    call: Call,
    query: Annotated[
        str | None, Field(max_length=200, description="Only measurements with this in the name.")
    ] = None,
    source: Annotated[
        str, Field(max_length=64, description="Metric store; self are Tocsin's own numbers.")
    ] = "default",
    database: Annotated[
        str, Field(max_length=200, description="Database or bucket; empty is the store's own.")
    ] = "",
) -> Discovered:
    """What the metric store holds (Telegraf's measurements too), each as the monitor that it could become. Use it when
    list_monitors has nothing that fits, then add_monitor with what it says."""
    found = manage.discover_monitors(call.ports, source=source, database=database)
    if query:
        found = [one for one in found if query.casefold() in one.proposal.measurement.casefold()]
    items = [
        Found(
            name=one.proposal.name,
            measurement=one.proposal.measurement,
            key=list(one.proposal.key),
            fields=dict(one.proposal.fields),
            kind=one.proposal.kind or None,
            database=one.proposal.database or None,
            why=one.proposal.why,
            watched_by=list(one.covered_by) or None,
        )
        for one in found[:_MOST_FOUND]
    ]
    more = f"The first {_MOST_FOUND} of {len(found)}; narrow them with query."
    empty = "Nothing matches." if query else "The metric store holds no points yet."
    return Discovered(
        items=items, total=len(found), hint=empty if not found else more if len(found) > len(items) else None
    )


@tool("Add a monitor", Scope.WRITE)
def add_monitor(
    call: Call,
    name: Annotated[str, Field(max_length=200, description="What people call it.")],
    measurement: Annotated[str, Field(max_length=200, description="The measurement in the metric store.")],
    key: Annotated[
        list[str] | None,
        Field(
            max_length=20,
            description='Tags that tell one series from another: ["host"]. State is kept for each.',
        ),
    ] = None,
    where: Annotated[
        dict[str, str | list[str]] | None,
        Field(description='Only points with these tags: {"host":"web1"}, or one of several values.'),
    ] = None,
    fields: Annotated[
        dict[str, str] | None,
        Field(description="Fields with their units; the metric store is asked, if left out."),
    ] = None,
    kind: Annotated[str, Field(max_length=64, description="website, cpu, disk, crypto, …")] = "",
    labels: Labels = None,
    source: Annotated[str, Field(max_length=64, description="Metric store.")] = "default",
    database: Annotated[
        str, Field(max_length=200, description="Database or bucket; empty is the store's own.")
    ] = "",
) -> Added:
    """Make a measurement that is written already a monitor, so that rules can be made on it. Use it when list_monitors
    has nothing that fits, with what discover_monitors says. It does not collect anything: something else writes the
    points."""
    made = manage.add_monitor(
        call.ports,
        name=name,
        measurement=measurement,
        key=key or (),
        where=where,
        fields=fields,
        kind=kind,
        labels=labels,
        source=source,
        database=database,
        actor=call.actor,
        now=call.now,
    )
    return Added(monitor=shapes.monitor(made.monitor), warnings=list(made.warnings) or None)
