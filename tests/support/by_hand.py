"""A process whose events reach the notify function of Slack at once, for what people send by hand."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared import deliver
from shared.errors import Unavailable
from shared.events import of_http
from shared.settings import Settings
from shared.store import audit
from shared.wiring import Wiring
from tests.support.deliveries import channels_file, empty_store
from tests.support.sink import Reply, Request, Sink


def process(
    database_url: str, vendor: Sink, broker: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wiring]:
    """A process whose events reach the notify function of Slack at once."""
    empty_store(database_url).close()
    environ = {
        "TOCSIN_DATABASE_URL": database_url,
        "TOCSIN_CHANNELS_FILE": str(
            channels_file(tmp_path, {"name": "ops", "kind": "slack"}, {"name": "idle", "kind": "webhook"})
        ),
        "TOCSIN_ALLOWED_HOSTS": "127.0.0.1",
        "TOCSIN_SECRET_OPS_URL": f"{vendor.url}/services/ops",
        "K_SINK": broker.url,
    }
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    made = Wiring(Settings(), environ)

    def serve(request: Request) -> Reply:
        if "ce-toslack" in request.headers:
            with_errors(lambda: deliver.run(of_http(dict(request.headers), request.body), "slack", made))
        return Reply(202)

    broker.answer = serve
    yield made
    made.close()


def with_errors(work: Callable[[], None]) -> None:
    """What the function answers is the broker's business."""
    try:
        work()
    except Unavailable:
        return


def actions(wiring: Wiring) -> list[str]:
    """What the audit says was done, in order."""
    return [row.action for row in wiring.store.read(lambda tx: audit.page(tx)).items]
