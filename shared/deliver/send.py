"""Shell: sends one batch and records what came of it. Waits for its channel's turn, never for a vendor's pardon."""

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from shared.channels import ChannelBook, Misconfigured, load_kind
from shared.channels._book import fingerprint
from shared.channels._http import MaybeSent, NotSent, send
from shared.channels._kind import Call, Kind, Request
from shared.channels._message import Message, build
from shared.deliver.batches import Batch
from shared.deliver.record import Recorder
from shared.deliver.verdicts import Attempt, Verdict, judge, waiting
from shared.errors import NotFound
from shared.model import Channel, Millis, Outcome
from shared.settings import Settings
from shared.store import channel_state, claims
from shared.store.channel_state import Turn
from shared.store.engine import Store, Tx

LEASE_MS = 25_000
PATIENCE_MS = 5_000
LEAST_SECONDS = 4.0
"""An attempt that has less time than this is left for the next event."""

log = logging.getLogger("tocsin.deliver")


class Ports(Protocol):
    """What delivering needs of the wiring."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...
    @property
    def channels(self) -> ChannelBook: ...
    @property
    def keys(self) -> Mapping[str, bytes]: ...
    def clock(self) -> Millis:
        """Epoch milliseconds UTC."""


@dataclass(frozen=True)
class Sending:
    """One claim at work."""

    ports: Ports
    kind: str
    recorder: Recorder

    @property
    def token(self) -> str:
        """Whose rows these are."""
        return self.recorder.token

    def deliver(self, batch: Batch) -> Verdict:
        """Send one batch and record the verdict."""
        found = self._channel(batch)
        if isinstance(found, str):
            return self._conclude(batch, Attempt(Outcome("retry", found)))
        patience_ms = min(PATIENCE_MS, round((self.recorder.seconds_left() - LEAST_SECONDS) * 1000))
        if patience_ms < 0:
            return self._postponed(waiting(batch, 0, "no time was left", quick=True))
        try:
            secrets = self.ports.channels.secrets(found)
        except Misconfigured as error:
            return self._conclude(batch, Attempt(Outcome("rejected", str(error), "channel")))
        mark = fingerprint(secrets)
        turn = self.ports.store.write(lambda tx: self._turn(tx, found.name, mark, patience_ms))
        if not turn.go:
            return self._postponed(waiting(batch, turn.wait_ms, turn.why))
        attempt = self._attempt(batch, found, secrets, turn)
        if attempt is None:
            log.warning("another process took over a delivery to %s", found.name)
            return Verdict(())
        self._learn(found.name, attempt.outcome, mark, probed=turn.probe)
        return self._conclude(batch, attempt)

    def _channel(self, batch: Batch) -> Channel | str:
        name = batch.newest.channel
        try:
            channel = self.ports.channels.get(name)
        except NotFound as error:
            return str(error)
        return channel if channel.kind == self.kind else f"channel {name!r} is of kind {channel.kind} now"

    def _turn(self, tx: Tx, channel: str, mark: str, patience_ms: Millis) -> Turn:
        return channel_state.take_turn(
            tx,
            channel,
            self.token,
            spacing_ms=load_kind(self.kind).SPACING_MS,
            patience_ms=patience_ms,
            lease_ms=LEASE_MS,
            fingerprint=mark,
        )

    def _attempt(
        self, batch: Batch, channel: Channel, secrets: Mapping[str, SecretStr], turn: Turn
    ) -> Attempt | None:
        """The outcome of sending, as plain text when the vendor refused the rendered message."""
        kind, settings = load_kind(self.kind), self.ports.channels.settings(channel)
        message = _message(batch, channel, may_repeat=batch.may_repeat and not kind.IDEMPOTENT)
        recipient = batch.newest.recipient
        request = kind.render(message, channel, settings, recipient)
        time.sleep(turn.wait_ms / 1000)  # the channel's pace, a few seconds at the most
        try:
            kind.address(request, settings, secrets, self.ports.clock())
        except Misconfigured as error:
            return Attempt(Outcome("rejected", str(error), "channel"))
        ids = [row.id for row in batch.rows]
        if not self.ports.store.write(lambda tx: claims.mark_sending(tx, self.token, ids, LEASE_MS)):
            return None
        started = time.monotonic()
        outcome, told_as = self._send(kind, request, settings, secrets), ""
        if outcome.kind == "rejected" and outcome.scope == "payload":
            bare = kind.plain(message, channel, settings, recipient)
            if bare is not None:
                told_as = f"sent as plain text, because of {outcome.reason} {outcome.excerpt}".strip()
                request, outcome = bare, self._send(kind, bare, settings, secrets)
        return Attempt(
            outcome,
            latency_ms=round((time.monotonic() - started) * 1000),
            payload_sha256=hashlib.sha256(request.body).hexdigest(),
            told_as=told_as,
        )

    def _send(
        self, kind: Kind, request: Request, settings: object, secrets: Mapping[str, SecretStr]
    ) -> Outcome:
        seconds = self.recorder.seconds_left()
        if seconds <= 0:  # the process was stopped for so long that another one may hold the rows by now
            return Outcome("retry", "no time was left")
        try:
            url, headers = kind.address(request, settings, secrets, self.ports.clock())
            hidden = tuple(part for one in secrets.values() for part in one.get_secret_value().split())
            reply = send(
                Call(url, headers, request.body, kind.HOSTS, hidden),
                seconds=seconds,
                allowed=self.ports.channels.hosts,
                clock=self.ports.clock,
            )
        except NotSent as error:
            return Outcome("retry", str(error))
        except MaybeSent as error:
            return Outcome("unknown", str(error))
        except Misconfigured as error:
            return Outcome("rejected", str(error), "channel")
        return kind.classify(reply)

    def _learn(self, channel: str, outcome: Outcome, mark: str, *, probed: bool) -> None:
        """Note what the outcome says about the channel, if it says anything new."""
        wait_ms = round((outcome.retry_after or 0) * 1000)
        if outcome.kind == "rejected" and outcome.scope == "channel":
            self.recorder.commit(lambda tx: channel_state.found_dead(tx, channel, outcome.reason, mark))
        elif probed and outcome.kind not in ("unknown", "retry"):
            self.recorder.commit(lambda tx: channel_state.found_alive(tx, channel))
        elif wait_ms:
            self.recorder.commit(lambda tx: channel_state.rest(tx, channel, wait_ms))

    def _postponed(self, verdict: Verdict) -> Verdict:
        self.recorder.record(verdict.settled, {})
        return verdict

    def _conclude(self, batch: Batch, attempt: Attempt) -> Verdict:
        verdict = judge(batch, attempt, idempotent=load_kind(self.kind).IDEMPOTENT)
        title = batch.telling.facts.rule.title
        alerts = [item.alert.id for item in batch.telling.items]
        self.recorder.record(
            verdict.settled, {"title": title, "event": batch.telling.event.value, "alert_ids": alerts}
        )
        return verdict


def _message(batch: Batch, channel: Channel, *, may_repeat: bool) -> Message:
    failed = dict.fromkeys(row.instead_of for row in batch.rows if row.instead_of)
    notes = [f"Told here because it could not be told on {one}" for one in failed]
    return build(batch.telling, id=batch.newest.id, zone=channel.timezone, may_repeat=may_repeat, notes=notes)
