"""What is told to whom: notifications, deliveries, and what the broker gave up on."""

import sqlalchemy as sa

from shared.store.migrations.kit import BYTES, LONG, create_table

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables."""
    _outbox()
    _notification_alerts()
    _deliveries()
    _channel_state()
    _dead_letters()


def _outbox() -> None:
    create_table(
        "outbox",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("rule_id", sa.String(64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(32), nullable=False, server_default=""),
        sa.Column("slot", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("attributes", LONG, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("published_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(500), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sa.UniqueConstraint("tenant", "rule_id", "seq", name="outbox_seq"),
        sa.Index("outbox_due", "tenant", "next_at"),
    )


def _notification_alerts() -> None:
    create_table(
        "notification_alerts",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("notification_id", sa.String(64), nullable=False),
        sa.Column("alert_id", sa.String(64), nullable=False),
        sa.Column("event", sa.String(32), nullable=False, server_default=""),
        sa.Column("position", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant", "notification_id", "alert_id"),
        sa.Index("notification_alerts_alert", "tenant", "alert_id"),
    )


def _deliveries() -> None:
    create_table(
        "deliveries",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("notification_id", sa.String(64), nullable=False),
        sa.Column("rule_id", sa.String(64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(32), nullable=False, server_default=""),
        sa.Column("severity", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("kind", sa.String(32), nullable=False, server_default=""),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("recipient", sa.String(320), nullable=False, server_default=""),
        sa.Column("state", sa.String(32), nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("deadline_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("claim_token", sa.String(64), nullable=False, server_default=""),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("digest_id", sa.String(64), nullable=False, server_default=""),
        sa.Column("superseded_by", sa.String(64), nullable=False, server_default=""),
        sa.Column("fallback_of", sa.String(64), nullable=False, server_default=""),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("provider_code", sa.String(100), nullable=False, server_default=""),
        sa.Column("provider_id", sa.String(255), nullable=False, server_default=""),
        sa.Column("reason", sa.String(500), nullable=False, server_default=""),
        sa.Column("excerpt", sa.String(1024), nullable=False, server_default=""),
        sa.Column("latency_ms", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("payload_sha256", sa.String(64), nullable=False, server_default=""),
        sa.Column("created_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sa.UniqueConstraint("tenant", "notification_id", "channel", "recipient", name="deliveries_once"),
        sa.Index("deliveries_channel", "tenant", "channel", "next_at"),
        sa.Index("deliveries_claim", "tenant", "claim_token"),
        sa.Index("deliveries_created", "tenant", "created_at", "id"),
        sa.Index("deliveries_due", "tenant", "next_at", "kind"),
        sa.Index("deliveries_order", "tenant", "rule_id", "channel", "next_at", "seq"),
    )


def _channel_state() -> None:
    create_table(
        "channel_state",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("health", sa.String(32), nullable=False, server_default="ok"),
        sa.Column("reason", sa.String(500), nullable=False, server_default=""),
        sa.Column("since", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("next_send_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("sender_token", sa.String(64), nullable=False, server_default=""),
        sa.Column("sender_until", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("secret_fingerprint", sa.String(64), nullable=False, server_default=""),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant", "channel"),
    )


def _dead_letters() -> None:
    create_table(
        "dead_letters",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("attributes", LONG, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("error_dest", sa.String(500), nullable=False, server_default=""),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("error_data", sa.String(1024), nullable=False, server_default=""),
        sa.Column("received", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("first_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("last_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("replayed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "event_id", "kind"),
        sa.Index("dead_letters_last", "tenant", "last_at"),
    )
