"""Indexes for Tocsin's own numbers: rules in use and in trouble, and deliveries that came to an end lately."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the indexes, leaving out what is there: MySQL commits each of them by itself."""
    _index("rules_live", "rules", ["tenant", "deleted_at", "enabled"])
    _index("rule_status_health", "rule_status", ["tenant", "health"])
    _index("deliveries_finished", "deliveries", ["tenant", "finished_at"])


def _index(name: str, table: str, columns: list[str]) -> None:
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
