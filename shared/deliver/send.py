"""Shell: sends one batch and records what came of it. Waits for its channel's turn, never for a vendor's pardon."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pydantic import SecretStr

from shared.channels import ChannelBook, Misconfigured, load_kind
from shared.channels._book import fingerprint
from shared.channels._http import MaybeSent, NotSent, send
from shared.channels._kind import Call, Kind, Request
from shared.channels._message import Message, build
from shared.deliver.batches import Batch, Settled
from shared.deliver.verdicts import Attempt, Verdict, judge, waiting
from shared.errors import NotFound, Unavailable
from shared.model import Channel, DeliveryState, EventKind, Millis, Outcome
from shared.settings import Settings
from shared.store import channel_state, claims, deliveries, outbox
from shared.store.channel_state import Turn
from shared.store.engine import Store, Tx

T = TypeVar("T")

LEASE_MS = 25_000
PATIENCE_MS = 5_000
PAUSE_SECONDS = 0.5
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
    """One claim at work: `deadline` in monotonic seconds."""

    ports: Ports
    kind: str
    token: str
    deadline: float

    def deliver(self, batch: Batch) -> Verdict:
        """Send one batch and record the verdict."""
        found = self._channel(batch)
        if isinstance(found, str):
            return self._conclude(batch, Attempt(Outcome("retry", found)))
        patience_ms = min(PATIENCE_MS, round((self._seconds_left() - LEAST_SECONDS) * 1000))
        if patience_ms < 0:
            return self._postponed(waiting(batch, 0, "no time was left", quick=True))
        secrets = self.ports.channels.secrets(found)
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

    def _seconds_left(self) -> float:
        return self.deadline - time.monotonic()

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
        seconds = self._seconds_left()
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
            self._commit(lambda tx: channel_state.found_dead(tx, channel, outcome.reason, mark))
        elif probed and outcome.kind not in ("unknown", "retry"):
            self._commit(lambda tx: channel_state.found_alive(tx, channel))
        elif wait_ms:
            self._commit(lambda tx: channel_state.rest(tx, channel, wait_ms))

    def _postponed(self, verdict: Verdict) -> Verdict:
        self.record(verdict.settled, {})
        return verdict

    def _conclude(self, batch: Batch, attempt: Attempt) -> Verdict:
        verdict = judge(batch, attempt, idempotent=load_kind(self.kind).IDEMPOTENT)
        title = batch.telling.facts.rule.title
        alerts = [item.alert.id for item in batch.telling.items]
        self.record(
            verdict.settled, {"title": title, "event": batch.telling.event.value, "alert_ids": alerts}
        )
        return verdict

    def record(self, settled: Sequence[Settled], told: Mapping[str, object]) -> None:
        """Commit results, the fallbacks of what failed for good, and the end of finished notifications; then log."""
        if not settled:
            return
        ids = sorted({one.row.notification_id for one in settled})
        instead = list(self._fallbacks(settled))

        def work(tx: Tx) -> frozenset[str]:
            kept = claims.finish(tx, self.token, [one.result for one in settled])
            deliveries.add_fallbacks(tx, [row for row in instead if row.fallback_of in kept])
            outbox.close_finished(tx, ids)
            return kept

        kept = self._commit(work)
        if len(kept) < len(settled):
            log.warning("%d deliveries were recorded by another process meanwhile", len(settled) - len(kept))
        for one in settled:
            if one.row.id in kept:
                _log(one, told)

    def _commit(self, work: Callable[[Tx], T]) -> T:
        """Write what came of an attempt. It must not be lost, so a database that is away for a moment is waited for."""
        while True:
            try:
                return self.ports.store.write(work)
            except Unavailable:
                if self._seconds_left() < PAUSE_SECONDS:
                    raise
                time.sleep(PAUSE_SECONDS)

    def _fallbacks(self, settled: Iterable[Settled]) -> Iterable[deliveries.NewDelivery]:
        """New rows on the fallback channel for what can't be told here; a fallback has none of its own."""
        book = self.ports.channels
        for row, result in ((one.row, one.result) for one in settled):
            # A superseded row that superseded_by doesn't explain was dropped: its firing may be known there.
            dropped = result.state is DeliveryState.SUPERSEDED and not result.superseded_by
            failed = result.state in (DeliveryState.EXPIRED, DeliveryState.REJECTED)
            if not (failed or dropped) or row.fallback_of or row.event is EventKind.TEST:
                continue
            for place in book.fallback_of(row.channel):
                yield deliveries.NewDelivery(
                    row.notification_id,
                    row.rule_id,
                    row.seq,
                    row.event,
                    row.severity,
                    place.kind,
                    place.channel,
                    place.recipient,
                    fallback_of=row.id,
                )


def _message(batch: Batch, channel: Channel, *, may_repeat: bool) -> Message:
    failed = dict.fromkeys(row.instead_of for row in batch.rows if row.instead_of)
    notes = [f"Told here because it could not be told on {one}" for one in failed]
    return build(batch.telling, id=batch.newest.id, zone=channel.timezone, may_repeat=may_repeat, notes=notes)


def _log(one: Settled, told: Mapping[str, object]) -> None:
    row, result = one.row, one.result
    bad = result.state in (DeliveryState.EXPIRED, DeliveryState.REJECTED)
    what = (
        f'"{told["title"]}" {str(told["event"]).upper()}' if told else f"notification {row.notification_id}"
    )
    to = f"{row.kind} {row.channel}" + (f" {row.recipient}" if row.recipient else "")
    why = f": {result.reason}" if result.reason else ""
    log.log(
        logging.WARNING if bad else logging.INFO,
        "%s %s to %s in %d ms%s",
        result.state.value,
        what,
        to,
        result.latency_ms,
        why,
        extra={
            "event_id": row.notification_id,
            "delivery_id": row.id,
            "rule_id": row.rule_id,
            "alert_ids": told.get("alert_ids", []),
            "channel": row.channel,
            "channel_kind": row.kind,
            "state": result.state.value,
            "attempt": row.attempts + 1 if result.attempts is None else result.attempts,
            "latency_ms": result.latency_ms,
        },
    )
