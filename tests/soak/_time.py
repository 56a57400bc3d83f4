"""Compressed time: what waits by the database's clock is brought nearer, which is the same as letting time pass.

The only part of a run that touches the product's tables, and it moves times only. It may do so while nobody is at
work: a lease that ends then is a dead one's.
"""

from __future__ import annotations

from tests.support.databases import MariaDB

_WAITS = {
    "deliveries": ("next_at", "lease_until", "deadline_at"),
    "outbox": ("next_at",),
    "channel_state": ("next_send_at", "sender_until"),
}


class Time:
    """The waits of one database."""

    def __init__(self, access: MariaDB, database: str) -> None:
        self._access, self._database = access, database

    def slot_passes(self, seconds: int) -> None:
        """The lease of a tick that died is over, and so is what it was publishing. Evaluate may not be at work."""
        self._access.query(
            f"UPDATE {self._database}.tick_lease SET lease_until = lease_until - {seconds * 1000}",
            f"UPDATE {self._database}.outbox SET next_at = next_at - {seconds * 1000} "
            "WHERE published_at IS NULL AND next_at IS NOT NULL",
        )

    def passes(self, milliseconds: int) -> None:
        """Everything that waits does so for this much less. Nobody may be at work."""
        for table, columns in _WAITS.items():
            moved = ", ".join(f"{column} = {column} - {milliseconds}" for column in columns)
            waiting = "" if table == "channel_state" else " WHERE next_at IS NOT NULL"
            self._access.query(f"UPDATE {self._database}.{table} SET {moved}{waiting}")

    def next_due(self) -> int | None:
        """Milliseconds until the next delivery or event is due (0 when one is), None when none is open."""
        clock = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000"
        # An event comes again when both it and one of its deliveries are due.
        found = self._access.query(
            f"SELECT MIN(GREATEST(o.next_at, d.next_at)) - ({clock}), COUNT(*) "
            f"FROM {self._database}.deliveries d JOIN {self._database}.outbox o "
            "ON o.tenant = d.tenant AND o.id = d.notification_id WHERE d.next_at IS NOT NULL"
        )
        ((wait, count),) = found
        return None if not count else max(0, int(str(wait or 0)))

    def open_deliveries(self) -> int:
        """How many are not final."""
        found = self._access.query(
            f"SELECT COUNT(*) FROM {self._database}.deliveries WHERE next_at IS NOT NULL"
        )
        return int(str(found[0][0]))
