"""How often rules are looked at, and how long points may take: kept with each tick, for whoever looks back."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns, leaving out what is there: MySQL commits each of them by itself. Old ticks have 0: not known."""
    known = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("ticks")}
    for name in ("interval_ms", "lateness_ms"):
        if name not in known:
            op.add_column("ticks", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
