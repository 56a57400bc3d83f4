"""What every migration needs: the types whose names differ by database, and table creation that can be repeated.

Never change what is here: old migrations must keep making the tables that they made when they were written.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

LONG: sa.types.TypeEngine[str] = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
BYTES: sa.types.TypeEngine[bytes] = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def create_table(name: str, *items: sa.schema.SchemaItem) -> None:
    """Create a table and its indexes, leaving out what is already there.

    MySQL commits every statement by itself: a migration that was killed half-way starts from its beginning again.
    """
    known = sa.inspect(op.get_bind())
    indexes = [item for item in items if isinstance(item, sa.Index)]
    if not known.has_table(name):
        columns: list[Any] = [item for item in items if not isinstance(item, sa.Index)]
        op.create_table(name, *columns, **_OPTIONS)
        there: set[str | None] = set()
    else:
        there = {index["name"] for index in known.get_indexes(name)}
    for index in indexes:
        if index.name not in there:
            op.create_index(index.name, name, [str(expression) for expression in index.expressions])
