"""Read only what is new of a window in which nothing but the newest value of each series counts. Pure but for `read`.

The newest value of most series came within the last minute, so that the rest of the window needs no look. A process
remembers which combinations of tags had a value of which field, and when: one that is missing among the new points
may have an older one, and is asked for by name. Values are never remembered, and what nobody remembers is read whole.

One difference to reading everything remains. A series of which nothing was known, whose points come so late that no
read reached back to them, is found by the next whole read: there is one at least once per window.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from shared.columns import SampleQuery, Samples
from shared.model import Millis
from shared.newest import NEVER, Ints, Newest, Texts, matched, tag_texts
from shared.plan import Ask

LEAST_MS = 60_000
"""What is read reaches back at least so far: two ticks, or two points of most writers."""
INTERVALS = 2.5
"""And so many times the time between two points of a series: a point may be late, or be lost."""
LATE_MS = 30_000
"""Points that come up to so long after the tick that should have seen them are seen by the next one in any case."""
NARROWED = 100
"""So many silent combinations are asked for by name; for more of them, the rest of the window is read whole."""

Read = Callable[[SampleQuery], Samples]


@dataclass(frozen=True, slots=True)
class Answer:
    """The points, what to remember of them if that is worth it, and whether they are all that the window has."""

    samples: Samples
    remembered: "Remembered | None"
    whole: bool


def newest_only(asks: Collection[Ask]) -> bool:
    """Whether the newest values of the window answer all of these."""
    return all(ask.aggregation in ("latest", "text") and not ask.before_ms for ask in asks)


def read_recent(remembered: "Remembered | None", query: SampleQuery, read: Read) -> Answer:
    """The newest value of every field and combination of tags, among other points; whatever `read` raises is raised.

    `query` is for the whole window. What is remembered is not changed: the answer has what replaces it.
    """
    begins = remembered.begins(query) if remembered is not None else None
    if remembered is None or begins is None:
        samples = read(query)
        return Answer(samples, _remembered(query, samples), whole=True)
    recent = read(replace(query, start=begins))
    found = Newest.of(query, recent)
    known = remembered.with_these(query, recent, found)
    silent = remembered.silent(found, query.start)
    if not len(silent):
        return Answer(recent, known, whole=False)
    by_name = len(silent) <= NARROWED and bool(query.tags)
    where = remembered.combinations(query.tags, silent) if by_name else query.where
    # Points at its end are not of the future: they were read before.
    older = replace(read(replace(query, stop=begins, where=where)), dropped_future=0)
    samples = Samples.joined([recent, older])
    if by_name:
        known = known.with_these(query, older, Newest.of(query, older))
        return Answer(samples, known, whole=False)
    return Answer(samples, _remembered(query, samples), whole=True)


# ------------------------------------------------------------------ what is remembered


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the reads up to `stop` have shown of one query: the combinations in order of their prints, each with the
    place of its tags' values in `texts`, and the time of each field's newest value.

    The last whole read ended at `swept_at`; in it, points of most series lay `every_ms` apart.
    """

    of: tuple[object, ...]
    stop: Millis
    swept_at: Millis
    every_ms: float
    prints: Ints
    places: Ints
    texts: tuple[Texts, ...]
    times: Mapping[str, Ints]

    def begins(self, query: SampleQuery) -> Millis | None:
        """Where the new points begin; None when the whole window is to be read.

        That is so for another query, a clock that was set back, once per window, when it would save little, and while
        so many are silent that the rest of the window would be read as well.
        """
        window, passed = query.stop - query.start, query.stop - self.stop
        usual = max(LEAST_MS, ceil(INTERVALS * self.every_ms))
        back = max(usual, passed + LATE_MS)
        swept = query.stop - self.swept_at < window
        if self.of != _of(query) or passed < 0 or not swept or 2 * back >= window:
            return None
        silent = np.zeros(len(self.prints), np.bool_)
        for times in self.times.values():
            silent |= (times >= query.start) & (times < self.stop - usual)
        return query.stop - back if np.count_nonzero(silent) <= NARROWED else None

    def silent(self, found: Newest, since: Millis) -> Ints:
        """The combinations that had a value of some field since then, and were not found with one."""
        place, here = matched(self.prints, found.prints)
        silent = np.zeros(len(self.prints), np.bool_)
        for name, times in self.times.items():
            again = np.zeros(len(times), np.bool_)
            again[here] = found.times[name][place[here]] != NEVER
            silent |= (times >= since) & ~again
        return np.flatnonzero(silent)

    def combinations(self, tags: Sequence[str], wanted: Ints) -> tuple[Mapping[str, str], ...]:
        """Their tags, for `SampleQuery.where`."""
        return tuple(
            {tag: texts.at(place) for tag, texts in zip(tags, self.texts, strict=True)}
            for place in self.places[wanted].tolist()
        )

    def with_these(self, query: SampleQuery, samples: Samples, found: Newest) -> "Remembered":
        """These and what was found of the query."""
        place, here = matched(found.prints, self.prints)
        times = {name: own.copy() for name, own in self.times.items()}
        for name, own in times.items():
            np.maximum.at(own, place[here], found.times[name][here])
        known = replace(self, stop=query.stop, times=times)
        return known if here.all() else known._and(query, samples, found, ~here)

    def _and(
        self, query: SampleQuery, samples: Samples, found: Newest, new: NDArray[np.bool_]
    ) -> "Remembered":
        """With these new combinations."""
        texts = tag_texts(query, samples, found.rows[new])
        prints = np.concatenate((self.prints, found.prints[new]))
        places = np.concatenate((self.places, len(self.places) + np.arange(np.count_nonzero(new))))
        order = np.argsort(prints)
        return replace(
            self,
            prints=prints[order],
            places=places[order],
            texts=tuple(own.plus(more) for own, more in zip(self.texts, texts, strict=True)),
            times={
                name: np.concatenate((own, found.times[name][new]))[order] for name, own in self.times.items()
            },
        )


def _remembered(query: SampleQuery, samples: Samples) -> Remembered | None:
    """What a read of the whole window shows; nothing when its series have so few points that less would not be read."""
    least = max((len(samples.tags[tag].values) for tag in query.tags), default=1)
    if len(samples) <= 2 * INTERVALS * least:
        return None
    found = Newest.of(query, samples)
    window = query.stop - query.start
    return Remembered(
        of=_of(query),
        stop=query.stop,
        swept_at=query.stop,
        every_ms=window / max(found.points(samples), 1),
        prints=found.prints,
        places=np.arange(len(found.prints)),
        texts=tag_texts(query, samples, found.rows),
        times=found.times,
    )


def _of(query: SampleQuery) -> tuple[object, ...]:
    """What must be the same for what is remembered to count."""
    window = query.stop - query.start
    return query.measurement, query.database, query.tags, query.fields, query.where, window
