"""The nouns of Tocsin. Frozen values, no I/O, no clock: times are integers, epoch milliseconds UTC.

Values that cross an edge (rows, events, files) are pydantic models; values of the tick's inner loop are slotted
dataclasses, because thousands of them are made per tick.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

Millis = int


class Severity(IntEnum):
    """How bad it is. The number orders them and is the *level* of a reading; 0 means clean."""

    INFO = 1
    WARNING = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def word(self) -> str:
        """The name that people and events use."""
        return self.name.lower()


SEVERITY_WORDS: Mapping[str, Severity] = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "warning": Severity.WARNING,
    "medium": Severity.WARNING,
    "info": Severity.INFO,
    "low": Severity.INFO,
}


def _severity(value: object) -> object:
    return SEVERITY_WORDS.get(value.strip().lower(), value) if isinstance(value, str) else value


SeverityField = Annotated[
    Severity, BeforeValidator(_severity), PlainSerializer(lambda severity: severity.word, when_used="json")
]


class Frozen(BaseModel):
    """Base of the models that people write: unknown keys are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Payload(BaseModel):
    """Base of the models that travel in events: unknown keys are ignored, so that old readers read new events."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Monitor(Frozen):
    """Something that writes points: where they are and which tags tell one series from another."""

    id: str
    name: str = Field(min_length=1, max_length=200)
    source: str = "default"
    database: str = ""
    measurement: str = Field(min_length=1, max_length=200)
    where: dict[str, str | tuple[str, ...]] = {}
    key: tuple[str, ...] = ()
    fields: dict[str, str] = {}
    kind: str = ""
    labels: dict[str, str] = {}
    version: int = 1
    created_at: Millis = 0
    updated_at: Millis = 0


class Selector(Frozen):
    """Chooses monitors by kind and labels; all that are given must match."""

    kind: str = ""
    labels: dict[str, str] = {}


class Rule(Frozen):
    """A condition on one monitor, or on every monitor that a selector matches, and how it is told."""

    id: str
    monitor_id: str | None = None
    selector: Selector | None = None
    title: str = Field(min_length=1, max_length=200)
    description: str = Field("", max_length=2000)
    condition: dict[str, Any]
    severity: SeverityField = Severity.WARNING
    channels: tuple[str, ...] | None = None
    cooldown_seconds: int = Field(300, ge=0, le=7 * 86_400)
    repeat_seconds: int = Field(0, ge=0, le=30 * 86_400)
    group_seconds: int = Field(60, ge=0, le=86_400)
    labels: dict[str, str] = {}
    runbook_url: str = Field("", max_length=1000)
    enabled: bool = True
    version: int = 1
    created_at: Millis = 0
    updated_at: Millis = 0


class Phase(StrEnum):
    """The state of one series."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"


class Health(StrEnum):
    """Whether a rule could be evaluated; apart from the state of its series."""

    OK = "ok"
    NO_DATA = "no_data"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class RuleHealth:
    """Whether a rule could be evaluated, why not, and since which slot."""

    health: Health
    reason: str
    since: Millis


@dataclass(frozen=True, slots=True)
class Reading:
    """What a condition sees for one series in one slot.

    `level` is 0 for clean, else the severity that the value reaches. `recovered` is True when the value is clean
    and also beyond `recovery_value`. `missing` is empty, or why there is nothing to see (then level is 0 and
    recovered False). `value` is None for texts, which stand in `text`. `error` marks data that can't be read (a text
    where a number was expected): nothing is decided on it. `reason` names a breach that is none of the value.
    """

    level: int
    recovered: bool
    value: float | None = None
    text: str = ""
    missing: str = ""
    at: Millis = 0
    error: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ForgottenSeries:
    """A series that somebody said is gone for good: its rule looks at no point of it up to `at`."""

    rule_id: str
    series_id: str
    key: str
    at: Millis


@dataclass(frozen=True, slots=True)
class SeriesState:
    """What is known of one (rule, series) between ticks: one row of table `states`. All times are slots.

    State: `phase`; `since` = first breach of this episode; `fired_at`; `ended_at`; `level` = current severity;
    `clean_since` = first clean reading of an unbroken run while firing (keep-firing clock); `seen_at` = last reading
    that was not missing.
    Telling: `announced` = level that was last committed to the outbox (0: nothing open is announced);
    `announced_at`; `announced_alert`; `cooldown_until`; `owes` = there is something to tell when a hold ends
    (`held_by` says which hold); `changes` = slots of recent announced-worthy changes, newest last;
    `flapping_since`; `acked_level` (0: not acknowledged) and `acked_until` (0: without end); `reminded_at`.
    """

    rule_id: str
    series_id: str
    key: str
    phase: Phase = Phase.OK
    since: Millis = 0
    fired_at: Millis = 0
    ended_at: Millis = 0
    level: int = 0
    value: float | None = None
    text: str = ""
    clean_since: Millis = 0
    seen_at: Millis = 0
    reason: str = ""
    alert_id: str = ""
    announced: int = 0
    announced_at: Millis = 0
    announced_alert: str = ""
    cooldown_until: Millis = 0
    owes: bool = False
    held_by: str = ""
    changes: tuple[Millis, ...] = ()
    flapping_since: Millis = 0
    acked_level: int = 0
    acked_until: Millis = 0
    reminded_at: Millis = 0
    slot: Millis = 0
    version: int = 0

    @property
    def active(self) -> bool:
        """Whether the next tick must look at this row even when the series is clean."""
        return self.phase is not Phase.OK or self.owes or bool(self.flapping_since) or self.announced > 0


class Change(StrEnum):
    """What happened to one series in one slot (a transition of its state)."""

    PENDING = "pending"
    FIRED = "fired"
    WORSENED = "worsened"
    IMPROVED = "improved"
    RESOLVED = "resolved"
    DROPPED = "dropped"  # pending and clean again before it fired


@dataclass(frozen=True, slots=True)
class Transition:
    """A named step of the state machine, with the reason that people are told."""

    change: Change
    reason: str
    level: int
    value: float | None
    text: str
    at: Millis


class EventKind(StrEnum):
    """What a notification says; the last part of the event type."""

    FIRING = "firing"
    WORSENED = "worsened"
    RESOLVED = "resolved"
    REMINDER = "reminder"
    ACKNOWLEDGED = "acknowledged"
    FLAPPING = "flapping"
    ESCALATED = "escalated"
    TEST = "test"


class AlertFacts(Payload):
    """One alert inside a notification, frozen at the moment of the transition."""

    id: str
    series: str = ""
    series_id: str = ""
    event: EventKind
    severity: SeverityField
    value: float | None = None
    text: str = ""
    started_at: Millis = 0
    fired_at: Millis = 0
    resolved_at: Millis | None = None
    reason: str = ""
    labels: dict[str, str] = {}
    points: tuple[tuple[Millis, float], ...] = ()


class RuleFacts(Payload):
    """The rule as it was when the notification was made."""

    id: str
    title: str
    description: str = ""
    condition: dict[str, Any] = {}
    condition_text: str = ""
    threshold: float | None = None
    runbook_url: str = ""
    labels: dict[str, str] = {}


class MonitorFacts(Payload):
    """The monitor as it was when the notification was made."""

    id: str = ""
    name: str = ""
    measurement: str = ""
    labels: dict[str, str] = {}


class ChannelRef(Payload):
    """A channel by kind and name; never its settings or secrets."""

    kind: str
    name: str


class Notification(Payload):
    """What is to be told about one rule at one moment: the data of one event, enough to render any message."""

    id: str
    tenant: str = "default"
    event: EventKind
    seq: int
    slot: Millis
    severity: SeverityField
    rule: RuleFacts
    monitor: MonitorFacts = MonitorFacts()
    alerts: tuple[AlertFacts, ...] = ()
    alert_count: int = 0
    channels: tuple[ChannelRef, ...] = ()
    note: str = ""


class DeliveryState(StrEnum):
    """Where one delivery stands. A row is open exactly while its `next_at` is set, whatever its state."""

    PENDING = "pending"
    CLAIMED = "claimed"
    SENDING = "sending"
    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    RETRY = "retry"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


class Channel(Frozen):
    """A configured destination. `settings` is checked by its kind; secrets are not part of it."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="lower-case letters, digits, - and _, at most 63"
    )
    kind: str
    settings: dict[str, Any] = {}
    timezone: str = "UTC"
    default: bool = False
    fallback: str = ""
    tenant: str = "default"


OutcomeKind = Literal["delivered", "accepted", "retry", "rejected", "unknown"]
RejectionScope = Literal["payload", "channel", "recipient"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to: a closed set. `retry_after` in seconds; `provider_id` is the vendor's own id.

    `moved_to`: the recipient is reached under this name now.
    """

    kind: OutcomeKind
    reason: str = ""
    scope: RejectionScope = "payload"
    retry_after: float | None = None
    status: int | None = None
    provider_code: str = ""
    provider_id: str = ""
    excerpt: str = ""
    moved_to: str = ""


class MonitorRow(NamedTuple):
    """A monitor as the rule book reads it: JSON columns still as text, so that 100,000 rows load quickly."""

    id: str
    name: str
    source: str
    database: str
    measurement: str
    filter: str
    key: str
    kind: str
    labels: str
    deleted: bool
    created_at: Millis = 0


class RuleRow(NamedTuple):
    """A rule as the rule book reads it: JSON columns still as text."""

    id: str
    monitor_id: str | None
    selector: str | None
    title: str
    description: str
    condition: str
    severity: int
    channels: str | None
    cooldown_seconds: int
    repeat_seconds: int
    group_seconds: int
    labels: str
    runbook_url: str
    enabled: bool
    deleted: bool
    created_at: Millis = 0


@dataclass(frozen=True, slots=True)
class BookRows:
    """Every monitor and rule whose revision is above the one that was asked for, up to `revision`."""

    revision: int
    monitors: Collection[MonitorRow]
    rules: Collection[RuleRow]
