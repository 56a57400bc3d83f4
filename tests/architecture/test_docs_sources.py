"""What is said about metric stores is true: their URLs, and Tocsin's own measurements."""

import json

from shared.conditions import canonical
from shared.metrics import VALID_URLS
from shared.model import Monitor
from shared.store import own
from tests.support import docs

PAGE = "docs/sources.md"


def test_every_own_measurement_is_documented_with_its_tags_and_fields() -> None:
    told = {
        docs.code(name)[0]: (set(docs.code(tags)), set(docs.code(fields)))
        for name, tags, fields in docs.rows(docs.section(PAGE, "Tocsin's own numbers"))
    }

    assert told.keys() == own.MEASUREMENTS.keys()
    for name, measurement in own.MEASUREMENTS.items():
        tags, fields = told[name]
        assert set(measurement.tags) <= tags, name
        assert fields == set(measurement.fields), name


def test_every_kind_of_store_is_documented() -> None:
    schemes = {
        docs.code(row[0])[0].partition(":")[0] for row in docs.rows(docs.section(PAGE, "Metric stores"))
    }

    assert {"embedded", "influxql+http", "flux+http"} <= schemes
    assert all(scheme in VALID_URLS for scheme in ("embedded", "influxql+http", "flux+http"))


def test_the_monitor_and_the_condition_that_are_shown_can_be_used() -> None:
    monitor, condition = (json.loads(block) for block in docs.blocks(PAGE, "json"))

    made = Monitor.model_validate({"id": "mon_a", **monitor})
    assert set(made.key) == set(own.MEASUREMENTS[made.measurement].tags)
    assert canonical(condition)["field"] in own.MEASUREMENTS[made.measurement].fields
