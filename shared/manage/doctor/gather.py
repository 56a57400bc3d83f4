"""Everything that `examine` judges, looked at side by side."""

import difflib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from shared.errors import InvalidInput
from shared.manage.doctor import kubectl, probes
from shared.manage.doctor.facts import Access, Gathered, Setup, Trouble
from shared.metrics import SETTING
from shared.settings import DEFAULT_SOURCE, Settings

_PREFIX, _SECRET = "TOCSIN_", "TOCSIN_SECRET_"


def gather(
    ports: probes.Ports,
    environ: Mapping[str, str],
    access: Callable[[], Access],
    namespace: str,
    seconds: float,
) -> Gathered:
    """Look at everything; no look takes longer than `seconds`.

    `access` tells who may use the MCP server: that is known above this package.
    """
    settings = ports.settings
    looks: dict[str, Callable[[], Any]] = {
        "access": access,
        "database": partial(probes.database, ports),
        "redis": partial(probes.redis_server, ports),
        "channels": partial(probes.channels, ports, environ),
        "public_page": partial(probes.public_page, ports),
        "cluster": partial(kubectl.look, namespace, seconds * 0.9),
    }
    for name, source in settings.sources.items():
        setting = SETTING if name == DEFAULT_SOURCE else "TOCSIN_METRICS_SOURCES"
        looks[f"metrics {name}"] = partial(probes.metric_source, ports, source, setting)
    # What each look gives is what `Gathered` says of the field with its name.
    found = cast("dict[str, Any]", probes.side_by_side(looks, seconds))
    sources = {name: found.pop(f"metrics {name}") for name in settings.sources}
    return Gathered(setup=setup(ports, environ), sources=sources, **found)


def setup(ports: probes.Ports, environ: Mapping[str, str]) -> Setup:
    """What was set up, without any value that may be secret."""
    settings = ports.settings
    return Setup(
        given=len(settings.model_fields_set),
        of=len(Settings.model_fields),
        unknown=unknown(environ),
        in_cluster="KUBERNETES_SERVICE_HOST" in environ,
        event_keys=_counted(lambda: ports.keys),
        link_keys=_counted(lambda: ports.link_keys),
        public_url=settings.public_url,
        heartbeat=bool(settings.heartbeat_url.get_secret_value()),
        max_skew_intervals=settings.max_skew_intervals,
    )


def unknown(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like settings and are none: each with the setting that was probably meant, or nothing."""
    known = [name.upper() for name in Settings.model_fields]
    strange = [
        name.removeprefix(_PREFIX)
        for name in environ
        if name.startswith(_PREFIX) and not name.startswith(_SECRET)
    ]
    meant = {name: difflib.get_close_matches(name, known, 1) for name in strange if name not in known}
    return {_PREFIX + name: _PREFIX + close[0] if close else "" for name, close in meant.items()}


def _counted(keys: Callable[[], Mapping[str, bytes]]) -> int | Trouble:
    try:
        return len(keys())
    except InvalidInput as error:
        return Trouble(str(error))
