"""What the evaluator knows: states, transitions, alerts, and its own ticks."""

import sqlalchemy as sa

from shared.store.migrations.kit import LONG, create_table

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables."""
    _rule_status()
    _series()
    _states()
    _transitions()
    _alerts()
    _tick_lease()
    _ticks()
    _query_groups()


def _rule_status() -> None:
    create_table(
        "rule_status",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("rule_id", sa.String(64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("health", sa.String(32), nullable=False, server_default="ok"),
        sa.Column("health_reason", sa.String(500), nullable=False, server_default=""),
        sa.Column("health_since", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("grouped_until", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant", "rule_id"),
    )


def _series() -> None:
    create_table(
        "series",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("rule_id", sa.String(64), nullable=False),
        sa.Column("series_id", sa.String(24), nullable=False),
        sa.Column("key", LONG, nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("last_seen", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant", "rule_id", "series_id"),
    )


def _states() -> None:
    create_table(
        "states",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("rule_id", sa.String(64), nullable=False),
        sa.Column("series_id", sa.String(24), nullable=False),
        sa.Column("key", LONG, nullable=False),
        sa.Column("phase", sa.String(32), nullable=False, server_default="ok"),
        sa.Column("since", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("fired_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("ended_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("level", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("text", sa.String(500), nullable=False, server_default=""),
        sa.Column("clean_since", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("seen_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("reason", sa.String(200), nullable=False, server_default=""),
        sa.Column("alert_id", sa.String(64), nullable=False),
        sa.Column("announced", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("announced_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("announced_alert", sa.String(64), nullable=False),
        sa.Column("cooldown_until", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("owes", sa.Boolean(), nullable=False, server_default="0"),
        sa.Column("held_by", sa.String(32), nullable=False, server_default=""),
        sa.Column("changes", sa.String(1000), nullable=False, server_default=""),
        sa.Column("flapping_since", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("acked_level", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("acked_until", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("reminded_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("slot", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("active", sa.Boolean(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant", "rule_id", "series_id"),
        sa.Index("states_active", "tenant", "active", "rule_id"),
    )


def _transitions() -> None:
    create_table(
        "transitions",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("rule_id", sa.String(64), nullable=False),
        sa.Column("series_id", sa.String(24), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("change", sa.String(16), nullable=False),
        sa.Column("alert_id", sa.String(64), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("reason", sa.String(200), nullable=False, server_default=""),
        sa.Column("held_by", sa.String(32), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("tenant", "rule_id", "series_id", "slot", "change"),
        sa.Index("transitions_alert", "tenant", "alert_id"),
    )


def _alerts() -> None:
    create_table(
        "alerts",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("rule_id", sa.String(64), nullable=False),
        sa.Column("series_id", sa.String(24), nullable=False),
        sa.Column("open_key", sa.String(64), nullable=False),
        sa.Column("key", LONG, nullable=False),
        sa.Column("monitor_id", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False, server_default=""),
        sa.Column("state", sa.String(32), nullable=False, server_default="firing"),
        sa.Column("severity", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("text", sa.String(500), nullable=False, server_default=""),
        sa.Column("started_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("fired_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(200), nullable=False, server_default=""),
        sa.Column("acked_at", sa.BigInteger(), nullable=True),
        sa.Column("acked_by", sa.String(200), nullable=False, server_default=""),
        sa.Column("ack_note", sa.String(1000), nullable=False, server_default=""),
        sa.Column("acked_until", sa.BigInteger(), nullable=True),
        sa.Column("announced", sa.Boolean(), nullable=False, server_default="0"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sa.UniqueConstraint("tenant", "rule_id", "series_id", "open_key", name="alerts_one_open"),
        sa.Index("alerts_fired", "tenant", "fired_at", "id"),
        sa.Index("alerts_rule", "tenant", "rule_id", "fired_at"),
        sa.Index("alerts_state", "tenant", "state", "fired_at"),
    )


def _tick_lease() -> None:
    create_table(
        "tick_lease",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("shard", sa.String(32), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("interval_seconds", sa.Integer(), nullable=False, server_default="30"),
        sa.Column("fence", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("owner", sa.String(128), nullable=False, server_default=""),
        sa.Column("lease_until", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("done", sa.Boolean(), nullable=False, server_default="1"),
        sa.PrimaryKeyConstraint("tenant", "shard"),
    )


def _ticks() -> None:
    create_table(
        "ticks",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("shard", sa.String(32), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("total_ms", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("stages_ms", LONG, nullable=False),
        sa.Column("rules", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("series", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("queries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("points", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("transitions", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("notifications", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("skipped", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("errors", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("error", sa.String(500), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("tenant", "shard", "slot"),
        sa.Index("ticks_slot", "tenant", "slot"),
    )


def _query_groups() -> None:
    create_table(
        "query_groups",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("source", sa.String(64), nullable=False, server_default=""),
        sa.Column("database", sa.String(200), nullable=False, server_default=""),
        sa.Column("measurement", sa.String(200), nullable=False, server_default=""),
        sa.Column("slot", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("error", sa.String(500), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
