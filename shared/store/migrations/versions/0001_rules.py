"""What people manage: monitors, rules, silences, and who changed them."""

import sqlalchemy as sa

from shared.store.migrations.kit import LONG, create_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    _revisions()
    _monitors()
    _rules()
    _silences()
    _audit()


def _revisions() -> None:
    create_table(
        "revisions",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant"),
    )


def _monitors() -> None:
    create_table(
        "monitors",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False, server_default=""),
        sa.Column("source", sa.String(64), nullable=False, server_default=""),
        sa.Column("database", sa.String(200), nullable=False, server_default=""),
        sa.Column("measurement", sa.String(200), nullable=False, server_default=""),
        sa.Column("filter", LONG, nullable=False),
        sa.Column("key", LONG, nullable=False),
        sa.Column("fields", LONG, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False, server_default=""),
        sa.Column("labels", LONG, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sa.Index("monitors_revision", "tenant", "revision"),
    )


def _rules() -> None:
    create_table(
        "rules",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("monitor_id", sa.String(64), nullable=True),
        sa.Column("selector", sa.Text(), nullable=True),
        sa.Column("title", sa.String(200), nullable=False, server_default=""),
        sa.Column("description", sa.String(2000), nullable=False, server_default=""),
        sa.Column("condition", LONG, nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False, server_default="2"),
        sa.Column("channels", sa.Text(), nullable=True),
        sa.Column("cooldown_seconds", sa.Integer(), nullable=False, server_default="300"),
        sa.Column("repeat_seconds", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("group_seconds", sa.Integer(), nullable=False, server_default="60"),
        sa.Column("labels", LONG, nullable=False),
        sa.Column("runbook_url", sa.String(1000), nullable=False, server_default=""),
        sa.Column("enabled", sa.Boolean(), nullable=False, server_default="1"),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sa.Index("rules_monitor", "tenant", "monitor_id"),
        sa.Index("rules_revision", "tenant", "revision"),
    )


def _silences() -> None:
    create_table(
        "silences",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("matcher", LONG, nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("ends_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("weekly", sa.Text(), nullable=True),
        sa.Column("reason", sa.String(1000), nullable=False, server_default=""),
        sa.Column("created_by", sa.String(200), nullable=False, server_default=""),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("created_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sa.Index("silences_ends", "tenant", "ends_at"),
    )


def _audit() -> None:
    create_table(
        "audit",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("actor", sa.String(200), nullable=False, server_default=""),
        sa.Column("action", sa.String(64), nullable=False, server_default=""),
        sa.Column("object", sa.String(100), nullable=False, server_default=""),
        sa.Column("before", LONG, nullable=True),
        sa.Column("after", LONG, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sa.Index("audit_at", "tenant", "at"),
        sa.Index("audit_object", "tenant", "object"),
    )
