"""Series that people said are gone for good."""

import sqlalchemy as sa

from shared.store.migrations.kit import LONG, create_table

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table."""
    create_table(
        "forgotten",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("rule_id", sa.String(64), nullable=False),
        sa.Column("series_id", sa.String(24), nullable=False),
        sa.Column("key", LONG, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant", "rule_id", "series_id"),
    )
