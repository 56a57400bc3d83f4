"""Verbs on `forgotten`: series that people said are gone for good, until they send again. What follows is decided
elsewhere."""

from collections.abc import Sequence

from sqlalchemy import delete, select, tuple_

from shared.model import ForgottenSeries, Millis
from shared.series import series_id
from shared.store.engine import Tx
from shared.store.states import SeriesRef
from shared.store.tables import forgotten, series

_COLUMNS = [forgotten.c[name] for name in ForgottenSeries.__slots__]
_IN_LIST = 400


def forget(tx: Tx, rule_id: str, key: str, now: Millis) -> None:
    """The rule expects this series no more: its row in `series` goes."""
    name = series_id(key)
    tx.upsert(forgotten, [{"rule_id": rule_id, "series_id": name, "key": key, "at": now}])
    tx.conn.execute(
        delete(series).where(
            series.c.tenant == tx.tenant, series.c.rule_id == rule_id, series.c.series_id == name
        )
    )


def all_of_them(tx: Tx) -> list[ForgottenSeries]:
    """Every series that is forgotten: as many as people have called by name."""
    query = select(*_COLUMNS).where(forgotten.c.tenant == tx.tenant)
    return [ForgottenSeries(*row) for row in tx.conn.execute(query)]


def sent_again(tx: Tx, refs: Sequence[SeriesRef]) -> None:
    """These series are like any others again."""
    for start in range(0, len(refs), _IN_LIST):
        some = tuple_(forgotten.c.rule_id, forgotten.c.series_id).in_(refs[start : start + _IN_LIST])
        tx.conn.execute(delete(forgotten).where(forgotten.c.tenant == tx.tenant, some))
