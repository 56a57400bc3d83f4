"""Shell: sends one batch and records what came of it. Waits for its channel's turn, never for a vendor's pardon."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from pydantic import SecretStr

from shared import telemetry
from shared.channels import ChannelBook, Misconfigured, load_kind
from shared.channels._book import fingerprint
from shared.channels._filled import filled
from shared.channels._http import MaybeSent, NotSent, send
from shared.channels._kind import Call, Kind, Reply, Request
from shared.channels._message import build
from shared.deliver import calls
from shared.deliver.batches import Batch
from shared.deliver.endings import closing, over
from shared.deliver.links import hidden
from shared.deliver.record import Recorder
from shared.deliver.verdicts import Attempt, Verdict, judge, waiting
from shared.deliver.wording import message_of, told_by
from shared.errors import NotFound
from shared.model import Channel, EventKind, Millis, Outcome
from shared.settings import Settings
from shared.store import channel_state, claims, earlier
from shared.store.channel_state import Turn
from shared.store.engine import Store
from shared.telemetry.names import DELIVERY_DELAY

LEASE_MS = 25_000
PATIENCE_MS = 5_000
MOST_EDITS = 5
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
    @property
    def link_keys(self) -> Mapping[str, bytes]: ...
    def clock(self) -> Millis:
        """Epoch milliseconds UTC."""


def is_prompt(kind: Kind) -> bool:
    """Whether rows are marked as sending with the claim: no pace delays them, and a repetition does no harm."""
    return kind.IDEMPOTENT and not kind.SPACING_MS


@dataclass(frozen=True)
class Sending:
    """One claim at work. `ready`: the channels that work, so that only those with a pace need a turn."""

    ports: Ports
    kind: str
    recorder: Recorder
    ready: frozenset[str] = frozenset()

    @property
    def token(self) -> str:
        """Whose rows these are."""
        return self.recorder.token

    def deliver(self, batch: Batch) -> Verdict:
        """Send one batch and record the verdict."""
        ids = {"channel": batch.newest.channel, "channel_kind": self.kind}
        ids["digest_id" if batch.folded else "delivery_id"] = batch.id
        slot = batch.telling.facts.slot
        with (
            telemetry.bound(**ids, slot=slot, alert_ids=told_by(batch).get("alert_ids")),
            telemetry.span("send", **ids, slot=slot, attempt=batch.attempts + 1),
        ):
            return self._deliver(batch)

    def _deliver(self, batch: Batch) -> Verdict:
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
        test = batch.newest.event is EventKind.TEST
        turn = self._turn(found.name, mark, patience_ms, test=test)
        if not turn.go and test:
            return self._conclude(batch, Attempt(Outcome("retry", turn.why)))
        if not turn.go:
            return self._postponed(waiting(batch, turn.wait_ms, turn.why, dead=turn.dead))
        attempt = self._attempt(batch, found, secrets, turn)
        if attempt is None:
            log.warning("another process took over a delivery to %s", found.name)
            return Verdict(())
        self._learn(found.name, attempt.outcome, mark, probed=turn.probe)
        verdict = self._conclude(batch, attempt)
        if attempt.outcome.kind == "delivered":
            self._edit_earlier(batch, found, secrets, attempt.outcome.provider_id)
        return verdict

    def _channel(self, batch: Batch) -> Channel | str:
        name = batch.newest.channel
        try:
            channel = self.ports.channels.get(name)
        except NotFound as error:
            return str(error)
        return channel if channel.kind == self.kind else f"channel {name!r} is of kind {channel.kind} now"

    def _turn(self, channel: str, mark: str, patience_ms: Millis, *, test: bool) -> Turn:
        spacing_ms = load_kind(self.kind).SPACING_MS
        if not spacing_ms and channel in self.ready:
            return Turn(True)
        return self.ports.store.write(
            lambda tx: channel_state.take_turn(
                tx,
                channel,
                self.token,
                spacing_ms=spacing_ms,
                patience_ms=patience_ms,
                lease_ms=LEASE_MS,
                fingerprint=mark,
                probe_now=test,
            )
        )

    def _attempt(
        self, batch: Batch, channel: Channel, secrets: Mapping[str, SecretStr], turn: Turn
    ) -> Attempt | None:
        """The outcome of sending: to where the recipient moved, as plain text when the vendor refused the message."""
        kind, settings = load_kind(self.kind), self.ports.channels.settings(channel)
        may_repeat = batch.may_repeat and not kind.IDEMPOTENT
        message = message_of(batch, channel, self.ports, may_repeat=may_repeat)
        secrets = {**secrets, **hidden(message)}
        recipient = batch.newest.recipient
        request = kind.render(message, channel, settings, recipient)
        if turn.wait_ms:  # a sleep of nothing gives the processor away all the same
            time.sleep(turn.wait_ms / 1000)  # the channel's pace, a few seconds at the most
        try:
            kind.address(request, settings, secrets, self.ports.clock())
        except Misconfigured as error:
            return Attempt(Outcome("rejected", str(error), "channel"))
        ids = [row.id for row in batch.rows]
        if not is_prompt(kind) and not self.ports.store.write(
            lambda tx: claims.mark_sending(tx, self.token, ids, LEASE_MS)
        ):
            return None
        started = time.monotonic()
        tried = batch.newest.attempts
        outcome, told_as = self._send(kind, request, settings, secrets, tried), ""
        if outcome.moved_to:
            told_as, recipient = outcome.reason, outcome.moved_to
            request = kind.render(message, channel, settings, recipient)
            outcome = self._send(kind, request, settings, secrets, tried)
        if outcome.kind == "rejected" and outcome.scope == "payload":
            bare = kind.plain(message, channel, settings, recipient)
            if bare is not None:
                told_as = (
                    f"{told_as} sent as plain text, because of {outcome.reason} {outcome.excerpt}".strip()
                )
                request, outcome = bare, self._send(kind, bare, settings, secrets, tried)
        return Attempt(
            outcome,
            latency_ms=round((time.monotonic() - started) * 1000),
            payload_sha256=calls.fingerprint(request),
            told_as=told_as,
        )

    def _send(
        self,
        kind: Kind,
        request: Request,
        settings: object,
        secrets: Mapping[str, SecretStr],
        attempts: int = 0,
    ) -> Outcome:
        return calls.make(request, lambda one: self._call(kind, one, settings, secrets), attempts)

    def _call(
        self, kind: Kind, request: Request, settings: object, secrets: Mapping[str, SecretStr]
    ) -> Outcome:
        seconds = self.recorder.seconds_left()
        if seconds <= 0:  # the process was stopped for so long that another one may hold the rows by now
            return Outcome("retry", "no time was left")
        try:
            url, headers = kind.address(request, settings, secrets, self.ports.clock())
            method = kind.EDIT_METHOD if request.edits else "POST"
            hidden = tuple(part for one in secrets.values() for part in one.get_secret_value().split())
            reply = self._sent(
                Call(url, headers, filled(request, secrets), request.hosts or kind.HOSTS, hidden, method),
                seconds,
            )
        except NotSent as error:
            return Outcome("retry", str(error))
        except MaybeSent as error:
            return Outcome("unknown", str(error))
        except Misconfigured as error:
            return Outcome("rejected", str(error), "channel")
        return kind.classify(reply)

    def _sent(self, call: Call, seconds: float) -> Reply:
        """The vendor's answer. Its address is the channel's secret, so the span has none of it."""
        with telemetry.span("call vendor", "client") as span:
            reply = send(call, seconds=seconds, allowed=self.ports.channels.hosts, clock=self.ports.clock)
            span.set(status=reply.status)
            return reply

    def _edit_earlier(
        self, batch: Batch, channel: Channel, secrets: Mapping[str, SecretStr], sent: str
    ) -> None:
        """Let earlier messages say that their alerts are over, where the vendor can. Tried once: the news is told."""
        kind, ended = load_kind(self.kind), over(batch.telling)
        if not kind.EDIT_METHOD or not ended or batch.folded:
            return
        settings, recipient = self.ports.channels.settings(channel), batch.newest.recipient
        place = (channel.name, recipient)
        found = self.ports.store.read(
            lambda tx: earlier.closed(tx, batch.newest.rule_id, place, ended, MOST_EDITS)
        )
        for one in found:
            telling = closing(one)
            if telling is None or one.provider_id == sent:
                continue
            message = build(telling, id=batch.newest.id, zone=channel.timezone)
            request = replace(kind.render(message, channel, settings, recipient), edits=one.provider_id)
            outcome = self._send(kind, request, settings, secrets)
            if outcome.kind != "delivered":
                log.warning("an earlier message on %s stays as it is: %s", channel.name, outcome.reason)
            if outcome.retry_after:
                self._rest(channel.name, outcome.retry_after)
                return

    def _learn(self, channel: str, outcome: Outcome, mark: str, *, probed: bool) -> None:
        """Note what the outcome says about the channel, if it says anything new."""
        if outcome.kind == "rejected" and outcome.scope == "channel":
            self.recorder.commit(lambda tx: channel_state.found_dead(tx, channel, outcome.reason, mark))
        elif probed and outcome.kind not in ("unknown", "retry"):
            self.recorder.commit(lambda tx: channel_state.found_alive(tx, channel))
        elif outcome.retry_after:
            self._rest(channel, outcome.retry_after)

    def _rest(self, channel: str, seconds: float) -> None:
        self.recorder.commit(lambda tx: channel_state.rest(tx, channel, round(seconds * 1000)))

    def _postponed(self, verdict: Verdict) -> Verdict:
        self.recorder.record(verdict.settled, {})
        return verdict

    def _conclude(self, batch: Batch, attempt: Attempt) -> Verdict:
        verdict = judge(batch, attempt, idempotent=load_kind(self.kind).IDEMPOTENT)
        self.recorder.record(verdict.settled, told_by(batch))
        if telemetry.recording() and attempt.outcome.kind in ("delivered", "accepted"):
            for one in batch.folded or (batch.telling,):
                delay_ms = max(0, self.ports.clock() - one.facts.slot)
                telemetry.measure(DELIVERY_DELAY, delay_ms / 1000, kind=self.kind)
        return verdict
