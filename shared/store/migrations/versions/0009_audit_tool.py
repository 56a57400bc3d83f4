"""By what something was changed: the tool or the command, kept with who changed it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column, leaving out what is there. Old rows have an empty one: not known."""
    known = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("audit")}
    if "tool" not in known:
        op.add_column("audit", sa.Column("tool", sa.String(64), nullable=False, server_default=""))
