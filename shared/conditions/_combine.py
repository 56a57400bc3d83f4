"""Several conditions on the same series as one: what `all` and `any` share.

Three-valued (Kleene) logic, level by level: a part that can't be told decides nothing as long as another part settles
the matter. When one part sees points of a series and another doesn't, the series is there: the latter sees what it
sees in a series without points (no points counted is 0, absence is a breach, everything else is missing).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializeAsAny, field_validator

from shared.conditions import compiled as compiled_part
from shared.conditions import condition_type, parse, types
from shared.conditions import describe as describe_part
from shared.conditions._cells import UNREADABLE, Cells, Status
from shared.conditions._interface import ConditionType, Measured, Pairs
from shared.conditions._options import OUTER_KEYS, Deciding, timing
from shared.errors import InvalidInput
from shared.model import Frozen
from shared.plan import Compiled, Signature

LEAST, MOST = 2, 8
_FIRST_REASON = 32
"""Statuses of parts that are missing are numbered anew from here, one for each reason."""


class Combination(Deciding):
    """Several conditions on the same monitor and series."""

    conditions: tuple[SerializeAsAny[Frozen], ...] = Field(
        min_length=LEAST,
        max_length=MOST,
        description="the parts: without for_seconds, keep_firing_seconds and no_data, which belong to the whole",
    )

    @field_validator("conditions", mode="before")
    @classmethod
    def _parts(cls, given: object) -> object:
        if not isinstance(given, list | tuple) or not LEAST <= len(given) <= MOST:
            raise InvalidInput(
                "condition.conditions", given, f"it must be a list of {LEAST} to {MOST} conditions"
            )
        return tuple(_part(f"condition.conditions.{n}", part) for n, part in enumerate(given))


def _nests(part: object) -> bool:
    name = part.get("type") if isinstance(part, Mapping) else None
    return name in types() and issubclass(condition_type(str(name)).Params, Combination)


def _part(place: str, given: object) -> Frozen:
    """One part, checked; InvalidInput names its place."""
    if not isinstance(given, Mapping):
        raise InvalidInput(place, given, "it must be an object with a `type`")
    for key in OUTER_KEYS:
        if key in given:
            raise InvalidInput(
                f"{place}.{key}",
                given[key],
                "a condition inside `all` or `any` has none of its own",
                f"Put {key} beside `conditions`, where it counts for the whole",
            )
    inner = given.get("conditions")
    if _nests(given) and isinstance(inner, list | tuple):
        for n, part in enumerate(inner):
            if _nests(part):
                raise InvalidInput(
                    f"{place}.conditions.{n}", part, "`all` and `any` can be nested one level deep only"
                )
    try:
        return parse(given, without=OUTER_KEYS)
    except InvalidInput as error:
        where = place + error.field.removeprefix("condition")
        raise InvalidInput(where, error.value, error.valid, error.hint) from None


def described(condition: Mapping[str, Any], word: str) -> str:
    """`(a > 1 (latest, 5 min)) and (b < 2 (latest, 5 min)) for 2 min`."""
    return f" {word} ".join(f"({describe_part(part)})" for part in condition["conditions"]) + timing(
        condition
    )


def compiled(name: str, condition: Mapping[str, Any], severity: int) -> Compiled:
    """The parts' numbers and texts one after the other; where each begins follows from the signature."""
    parts = [compiled_part(part, severity) for part in condition["conditions"]]
    no_data = condition.get("no_data", "keep")
    return Compiled(
        type=name,
        signature=tuple((part.type, part.signature, len(part.numbers), len(part.texts)) for part in parts),
        numbers=tuple(number for part in parts for number in part.numbers),
        texts=tuple(text for part in parts for text in part.texts),
        asks=tuple(dict.fromkeys(ask for part in parts for ask in part.asks)),
        for_ms=condition.get("for_seconds", 0) * 1000,
        keep_firing_ms=condition.get("keep_firing_seconds", 0) * 1000,
        no_data=no_data,
        expects=no_data == "alert" or any(part.expects for part in parts),
        grace_ms=max(part.grace_ms for part in parts),
    )


# ------------------------------------------------------------------ measuring


class Parts(NamedTuple):
    """What the parts came to, stacked: row k is part k, column i is pair i."""

    level: NDArray[np.int8]
    recovered: NDArray[np.bool_]
    fine: NDArray[np.bool_]


class Verdict(NamedTuple):
    """For each pair: whether it is settled, and if so the level, whether it is recovered, and which part says so."""

    settled: NDArray[np.bool_]
    level: NDArray[np.int8]
    recovered: NDArray[np.bool_]
    part: NDArray[np.int64]


Rule = Callable[[Parts], Verdict]


def measure(rule: Rule, signature: Signature, pairs: Pairs, cells: Cells) -> Measured:
    """All pairs of one signature; ABSENT where no part sees a point of the series."""
    parts = list(_split(signature, pairs))
    made = [module.measure(inner, part, cells) for module, inner, part in parts]
    here = np.logical_or.reduce([one.status != Status.ABSENT for one in made])
    whole = _combined(rule, [_filled(*part, one, here) for part, one in zip(parts, made, strict=True)])
    return replace(whole, status=np.where(here, whole.status, Status.ABSENT).astype(np.int16))


def vacant(rule: Rule, signature: Signature, pairs: Pairs) -> Measured:
    """A series without points: what the parts see in such a one."""
    return _combined(rule, [module.vacant(inner, part) for module, inner, part in _split(signature, pairs)])


def _split(signature: Signature, pairs: Pairs) -> Iterator[tuple[ConditionType, Signature, Pairs]]:
    number = text = 0
    for name, inner, numbers, texts in cast("tuple[tuple[str, Signature, int, int], ...]", signature):
        own = [row[text : text + texts] for row in pairs.texts] if texts else ()
        part = replace(pairs, numbers=pairs.numbers[:, number : number + numbers], texts=own)
        yield condition_type(name), inner, part
        number, text = number + numbers, text + texts


def _filled(
    module: ConditionType, signature: Signature, pairs: Pairs, made: Measured, here: NDArray[np.bool_]
) -> Measured:
    """With what the part sees in a series without points, where the series is there by another part's points."""
    holes = here & (made.status == Status.ABSENT)
    if not holes.any():
        return made
    filling = module.vacant(signature, pairs.only(holes))
    # A combination numbers its reasons anew each time: those of the filling get numbers that `made` doesn't use.
    shift = max((_FIRST_REASON, *made.reasons)) + 1
    filled = replace(
        made,
        level=made.level.copy(),
        recovered=made.recovered.copy(),
        value=made.value.copy(),
        status=made.status.astype(np.int16),
        reasons={**made.reasons, **{code + shift: reason for code, reason in filling.reasons.items()}},
    )
    for column in ("level", "recovered", "value"):
        getattr(filled, column)[holes] = getattr(filling, column)
    filled.status[holes] = np.where(filling.status == Status.FINE, Status.FINE, filling.status + shift)
    return filled


def _combined(rule: Rule, made: Sequence[Measured]) -> Measured:
    status = np.stack([one.status for one in made]).astype(np.int16)
    fine, unreadable = status == Status.FINE, np.isin(status, UNREADABLE)
    verdict = rule(
        Parts(np.stack([one.level for one in made]), np.stack([one.recovered for one in made]), fine)
    )
    # Unless it is settled, a part that can't be read comes before one that is missing.
    open_part = np.where(unreadable.any(0), unreadable.argmax(0), (~fine).argmax(0))
    part = np.where(verdict.settled, verdict.part, open_part)
    everyone = np.arange(len(part))
    status, reasons = _worded(made, status, part, verdict.settled)
    at = np.stack([one.at for one in made])
    codes, texts = _texts(made)
    return Measured(
        level=np.where(verdict.settled, verdict.level, 0).astype(np.int8),
        recovered=verdict.recovered & verdict.settled,
        value=np.where(verdict.settled, np.stack([one.value for one in made])[part, everyone], np.nan),
        code=np.where(verdict.settled, codes[part, everyone], -1).astype(np.int32),
        at=np.where(verdict.settled, at[part, everyone], at.max(0)),
        status=status,
        reasons=reasons,
        texts=texts,
    )


def _worded(
    made: Sequence[Measured], status: NDArray[np.int16], part: NDArray[np.int64], settled: NDArray[np.bool_]
) -> tuple[NDArray[np.int16], dict[int, str]]:
    """The status of the whole, and what it means: that of the part which leaves it open."""
    whole = np.zeros(len(part), np.int16)
    numbers: dict[str, int] = {}
    troubles: dict[int, dict[str, None]] = {}
    for k, one in enumerate(made):
        mine = ~settled & (part == k)
        for code in np.unique(status[k][mine]).tolist():
            reason = one.reasons.get(code, "")
            if code in UNREADABLE:
                troubles.setdefault(code, {})[reason] = None
                number = code
            else:
                number = numbers.setdefault(reason, _FIRST_REASON + len(numbers))
            whole[mine & (status[k] == code)] = number
    reasons = {code: "; or ".join(words) for code, words in troubles.items()}
    return whole, reasons | {number: reason for reason, number in numbers.items()}


def _texts(made: Sequence[Measured]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    texts: tuple[str, ...] = ()
    codes = []
    for one in made:
        codes.append(np.where(one.code >= 0, one.code + len(texts), -1).astype(np.int32))
        texts += one.texts
    return np.stack(codes), texts
