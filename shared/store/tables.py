"""Every table, once. Ids and enum words are ASCII; times are BIGINT epoch milliseconds UTC; values are doubles.

JSON is stored as text and never queried inside. Every table begins with `tenant`, and every query is scoped by it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.sql.schema import SchemaItem

metadata = MetaData()

_LONG = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
_BYTES = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


def _table(name: str, *items: SchemaItem) -> Table:
    # Names come from outside and differ in case and accents, so everything compares by code point.
    return Table(
        name,
        metadata,
        Column("tenant", String(64), primary_key=True),
        *items,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


def _id(name: str, length: int = 64, *, primary_key: bool = False) -> Column[str]:
    return Column(name, String(length), nullable=False, primary_key=primary_key)


def _word(name: str, default: str = "") -> Column[str]:
    return Column(name, String(32), nullable=False, default=default, server_default=default)


def _time(name: str, *, nullable: bool = False) -> Column[int]:
    if nullable:
        return Column(name, BigInteger, nullable=True)
    return Column(name, BigInteger, nullable=False, default=0, server_default="0")


def _count(name: str, default: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, default=default, server_default=str(default))


def _flag(name: str, *, default: bool = False) -> Column[bool]:
    return Column(name, Boolean, nullable=False, default=default, server_default="1" if default else "0")


def _text(name: str, length: int = 500) -> Column[str]:
    return Column(name, String(length), nullable=False, default="", server_default="")


def _json(name: str) -> Column[str]:
    return Column(name, _LONG, nullable=False)


revisions = _table("revisions", _time("revision"))
"""One row per tenant: the counter that every writer of monitors, rules and silences bumps in its transaction."""

monitors = _table(
    "monitors",
    _id("id", primary_key=True),
    _text("name", 200),
    _text("source", 64),
    _text("database", 200),
    _text("measurement", 200),
    _json("filter"),
    _json("key"),
    _json("fields"),
    _text("kind", 64),
    _json("labels"),
    _count("version", 1),
    _time("revision"),
    _time("created_at"),
    _time("updated_at"),
    _time("deleted_at", nullable=True),
    Index("monitors_revision", "tenant", "revision"),
    Index("monitors_name", "tenant", "deleted_at", "name"),
    Index("monitors_made", "tenant", "deleted_at", "created_at"),
)

rules = _table(
    "rules",
    _id("id", primary_key=True),
    Column("monitor_id", String(64), nullable=True),
    Column("selector", Text, nullable=True),
    _text("title", 200),
    _text("description", 2000),
    _json("condition"),
    _count("severity", 2),
    Column("channels", Text, nullable=True),
    _count("cooldown_seconds", 300),
    _count("repeat_seconds"),
    _count("group_seconds", 60),
    _json("labels"),
    _text("runbook_url", 1000),
    _flag("enabled", default=True),
    _count("version", 1),
    _time("revision"),
    _time("created_at"),
    _time("updated_at"),
    _time("deleted_at", nullable=True),
    Index("rules_revision", "tenant", "revision"),
    Index("rules_monitor", "tenant", "monitor_id"),
    Index("rules_live", "tenant", "deleted_at", "enabled"),
    Index("rules_title", "tenant", "deleted_at", "title"),
    Index("rules_made", "tenant", "deleted_at", "created_at"),
)

rule_status = _table(
    "rule_status",
    _id("rule_id", primary_key=True),
    Column("seq", BigInteger, nullable=False, default=0, server_default="0"),
    _word("health", "ok"),
    _text("health_reason"),
    _time("health_since"),
    _time("grouped_until"),
    Index("rule_status_health", "tenant", "health"),
)
"""What the evaluator writes about a rule, apart from what people write: notification counter, health, grouping."""

rule_troubles = _table(
    "rule_troubles",
    _id("rule_id", primary_key=True),
    _id("group_id", 24, primary_key=True),
    _word("health", "error"),
    _text("reason"),
)
"""What is wrong with a rule in one of its query groups; only of rules that have several."""

series = _table(
    "series",
    _id("rule_id", primary_key=True),
    _id("series_id", 24, primary_key=True),
    _json("key"),
    _time("first_seen"),
    _time("last_seen"),
)

forgotten = _table(
    "forgotten",
    _id("rule_id", primary_key=True),
    _id("series_id", 24, primary_key=True),
    _json("key"),
    _time("at"),
)
"""Series that people said are gone for good, and when; a row goes when its series sends again."""

states = _table(
    "states",
    _id("rule_id", primary_key=True),
    _id("series_id", 24, primary_key=True),
    _json("key"),
    _word("phase", "ok"),
    _time("since"),
    _time("fired_at"),
    _time("ended_at"),
    _count("level"),
    Column("value", Double, nullable=True),
    _text("text"),
    _time("clean_since"),
    _time("seen_at"),
    _text("reason", 200),
    _id("alert_id"),
    _count("announced"),
    _time("announced_at"),
    _id("announced_alert"),
    _time("cooldown_until"),
    _flag("owes"),
    _word("held_by"),
    _text("changes", 1000),
    _time("flapping_since"),
    _count("acked_level"),
    _time("acked_until"),
    _time("reminded_at"),
    _time("slot"),
    _count("version", 1),
    _flag("active"),
    Index("states_active", "tenant", "active", "rule_id"),
)

transitions = _table(
    "transitions",
    _id("rule_id", primary_key=True),
    _id("series_id", 24, primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    _id("change", 16, primary_key=True),
    _id("alert_id"),
    _count("level"),
    Column("value", Double, nullable=True),
    _text("reason", 200),
    _word("held_by"),
    Index("transitions_alert", "tenant", "alert_id"),
    Index("transitions_slot", "tenant", "slot"),
)

alerts = _table(
    "alerts",
    _id("id", primary_key=True),
    _id("rule_id"),
    _id("series_id", 24),
    # 'open' while the alert is open, its own id afterwards: the unique key allows one open alert per series.
    _id("open_key"),
    _json("key"),
    _id("monitor_id"),
    _text("title", 200),
    _word("state", "firing"),
    _count("severity"),
    Column("value", Double, nullable=True),
    _text("text"),
    _time("started_at"),
    _time("fired_at"),
    _time("resolved_at", nullable=True),
    _text("reason", 200),
    _time("acked_at", nullable=True),
    _text("acked_by", 200),
    _text("ack_note", 1000),
    _time("acked_until", nullable=True),
    _flag("announced"),
    _time("updated_at"),
    UniqueConstraint("tenant", "rule_id", "series_id", "open_key", name="alerts_one_open"),
    Index("alerts_fired", "tenant", "fired_at", "id"),
    Index("alerts_state", "tenant", "state", "fired_at"),
    Index("alerts_rule", "tenant", "rule_id", "fired_at"),
    Index("alerts_severity", "tenant", "severity", "fired_at"),
)

outbox = _table(
    "outbox",
    _id("id", primary_key=True),
    _id("rule_id"),
    Column("seq", BigInteger, nullable=False),
    _word("event"),
    _time("slot"),
    # The attributes of the event as JSON, without `to<kind>`, and its data: sent byte for byte every time.
    _json("attributes"),
    Column("body", _BYTES, nullable=False),
    _time("created_at"),
    _time("published_at", nullable=True),
    _count("attempts"),
    # When it may be published (again); NULL once none of its deliveries is open.
    _time("next_at", nullable=True),
    _text("error"),
    UniqueConstraint("tenant", "rule_id", "seq", name="outbox_seq"),
    Index("outbox_due", "tenant", "next_at"),
    Index("outbox_created", "tenant", "created_at"),
)

notification_alerts = _table(
    "notification_alerts",
    _id("notification_id", primary_key=True),
    _id("alert_id", primary_key=True),
    _word("event"),
    _count("position"),
    Index("notification_alerts_alert", "tenant", "alert_id"),
)

deliveries = _table(
    "deliveries",
    _id("id", primary_key=True),
    _id("notification_id"),
    _id("rule_id"),
    Column("seq", BigInteger, nullable=False),
    _word("event"),
    _count("severity"),
    _word("kind"),
    _id("channel"),
    _text("recipient", 320),
    _word("state", "pending"),
    _count("attempts"),
    # When the row may be tried (again), by the database's clock; NULL exactly when the row is final.
    _time("next_at", nullable=True),
    _time("deadline_at"),
    _text("claim_token", 64),
    _time("lease_until", nullable=True),
    _time("sent_at", nullable=True),
    _time("finished_at", nullable=True),
    _text("digest_id", 64),
    _text("superseded_by", 64),
    _text("fallback_of", 64),
    Column("http_status", Integer, nullable=True),
    _text("provider_code", 100),
    _text("provider_id", 255),
    _text("reason"),
    _text("excerpt", 1024),
    _count("latency_ms"),
    _text("payload_sha256", 64),
    _time("created_at"),
    _time("updated_at"),
    UniqueConstraint("tenant", "notification_id", "channel", "recipient", name="deliveries_once"),
    Index("deliveries_order", "tenant", "rule_id", "channel", "next_at", "seq"),
    Index("deliveries_due", "tenant", "next_at", "kind"),
    Index("deliveries_channel", "tenant", "channel", "next_at"),
    Index("deliveries_claim", "tenant", "claim_token"),
    Index("deliveries_created", "tenant", "created_at", "id"),
    Index("deliveries_finished", "tenant", "finished_at"),
)

channel_state = _table(
    "channel_state",
    _id("channel", primary_key=True),
    _word("health", "ok"),
    _text("reason"),
    _time("since"),
    _time("next_send_at"),
    _text("sender_token", 64),
    _time("sender_until"),
    _text("secret_fingerprint", 64),
    _count("failures"),
)

dead_letters = _table(
    "dead_letters",
    _id("event_id", primary_key=True),
    _id("kind", 32, primary_key=True),
    _json("attributes"),
    Column("body", _BYTES, nullable=False),
    _text("error_dest"),
    Column("error_code", Integer, nullable=True),
    _text("error_data", 1024),
    _count("received", 1),
    _time("first_at"),
    _time("last_at"),
    _time("replayed_at", nullable=True),
    Index("dead_letters_last", "tenant", "last_at"),
)

tick_lease = _table(
    "tick_lease",
    _id("shard", 32, primary_key=True),
    _time("slot"),
    _count("interval_seconds", 30),
    Column("fence", BigInteger, nullable=False, default=0, server_default="0"),
    _text("owner", 128),
    _time("lease_until"),
    _flag("done", default=True),
)

ticks = _table(
    "ticks",
    _id("shard", 32, primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    _time("started_at"),
    _count("interval_ms"),
    _count("lateness_ms"),
    _count("total_ms"),
    _json("stages_ms"),
    _count("rules"),
    _count("series"),
    _count("queries"),
    _count("points"),
    _count("transitions"),
    _count("notifications"),
    _count("skipped"),
    _count("errors"),
    _text("error"),
    Index("ticks_slot", "tenant", "slot"),
)

query_groups = _table(
    "query_groups",
    _id("id", 24, primary_key=True),
    _text("source", 64),
    _text("database", 200),
    _text("measurement", 200),
    _time("slot"),
    _text("error"),
)
"""When each (source, measurement) was last evaluated: a time-boxed tick takes the oldest first."""

silences = _table(
    "silences",
    _id("id", primary_key=True),
    _json("matcher"),
    _time("starts_at"),
    _time("ends_at"),
    Column("weekly", Text, nullable=True),
    _text("reason", 1000),
    _text("created_by", 200),
    _time("revision"),
    _time("created_at"),
    _time("ended_at", nullable=True),
    Index("silences_ends", "tenant", "ends_at"),
)

audit = _table(
    "audit",
    _id("id", primary_key=True),
    _time("at"),
    _text("actor", 200),
    _text("action", 64),
    _text("object", 100),
    Column("before", _LONG, nullable=True),
    Column("after", _LONG, nullable=True),
    _text("tool", 64),
    Index("audit_at", "tenant", "at"),
    Index("audit_object", "tenant", "object"),
)
