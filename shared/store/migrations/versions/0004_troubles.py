"""What is wrong with a rule in one of several query groups, so that shards agree on its health."""

import sqlalchemy as sa

from shared.store.migrations.kit import create_table

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table."""
    create_table(
        "rule_troubles",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("rule_id", sa.String(64), nullable=False),
        sa.Column("group_id", sa.String(24), nullable=False),
        sa.Column("health", sa.String(32), nullable=False, server_default="error"),
        sa.Column("reason", sa.String(500), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("tenant", "rule_id", "group_id"),
    )
