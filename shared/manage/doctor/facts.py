"""What `tocsin doctor` looks at, and what it says: plain values. No I/O, no judgement, and no secret anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shared.model import Millis
from shared.store.listing import TickRow
from shared.store.server import Server


class Verdict(StrEnum):
    """What came of a check. `skipped`: it has no meaning here, or what it needs can't be reached."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `fix` is empty when nothing is to be done."""

    check: str
    verdict: Verdict
    said: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A look that failed, and why, in one sentence without secrets."""

    why: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """There was nothing to look at, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Setup:
    """Settings as names, and yes or no. `unknown`: variables that look like settings and are none, with the closest.

    `in_cluster`: this process is a Pod. Keys are counted; `link_keys` are those that links are really made with.
    """

    given: int
    of: int
    unknown: Mapping[str, str]
    in_cluster: bool
    event_keys: int | Trouble
    link_keys: int | Trouble
    public_url: str
    heartbeat: bool
    max_skew_intervals: int


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use the MCP server: the mode, where its tokens are, and how many there are, expired or soon to be."""

    mode: str
    file: str = ""
    tokens: int | Trouble = 0
    expired: tuple[str, ...] = ()
    expiring: tuple[str, ...] = ()
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the tables say of the work, at the database's time `now`."""

    now: Millis
    rules: int
    rules_in_error: int
    ticks: Sequence[TickRow]
    unpublished: int
    oldest_unpublished_seconds: int
    overdue: Mapping[str, int]
    failing_channels: tuple[str, ...]
    dead_letters: Mapping[str, int]
    self_alerts: tuple[int, int]
    sources: frozenset[str]


@dataclass(frozen=True, slots=True)
class Database:
    """The server, its tables and its clock: `ahead_ms` of this machine's. Without `standing` its tables are too old."""

    shown: str
    server: Server
    latency_ms: float
    ahead_ms: int
    revision: str
    newest: str
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class MetricSource:
    """A metric store that answers; `ahead_ms` of this machine's clock, to the second, where its answers are dated."""

    shown: str
    latency_ms: float
    measurements: int
    ahead_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A Redis that answers."""

    shown: str
    version: str
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Channels:
    """The channels file. `unusable`: channel → why its secrets won't do; None where secrets are not at hand."""

    file: str
    kinds: Mapping[str, str]
    defaults: int
    unusable: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class KnativeObject:
    """One object of the cluster, and why it is not Ready; empty when it is."""

    kind: str
    name: str
    unready: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """The Knative objects of one namespace."""

    namespace: str
    objects: Sequence[KnativeObject]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything that was looked at, side by side."""

    setup: Setup
    access: Access | Trouble
    database: Database | Trouble | Nothing
    redis: RedisServer | Trouble | Nothing
    channels: Channels | Trouble | Nothing
    public_page: int | Trouble | Nothing
    cluster: Cluster | Trouble | Nothing
    sources: Mapping[str, MetricSource | Trouble | Nothing] = field(default_factory=dict)
