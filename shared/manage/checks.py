"""Checking what people give: the one place where a validation error becomes InvalidInput, and where ids are made.

Pure but for the random part of an id.
"""

import difflib
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from shared.errors import InvalidInput
from shared.model import SEVERITY_WORDS, Severity

M = TypeVar("M", bound=BaseModel)

_LABELS = 50
_LABEL_LENGTH = 200


def new_id(prefix: str, given: str | None) -> str:
    """A new short id `<prefix>_…`, or the given one if it can be used."""
    if given is None:
        return f"{prefix}_{secrets.token_hex(5)}"
    if not re.fullmatch(rf"{prefix}_[a-z0-9][a-z0-9_-]*", given) or len(given) > 64:
        raise InvalidInput(
            "id", given, f"expected {prefix}_ and then a-z, 0-9, _ or -, at most 64 characters in all"
        )
    return given


def checked(model: type[M], values: Mapping[str, Any]) -> M:
    """The values as a model; InvalidInput that names the first wrong one."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        # A key that doesn't exist comes first: it may be the reason why another one is missing.
        problem = min(problems, key=lambda one: one["type"] != "extra_forbidden")
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        names = _keys_at(model, problem["loc"][:-1])
        word = str(problem["loc"][-1])
        raise InvalidInput(
            path, problem["input"], f"there is no such key; valid are {', '.join(names)}", meant(word, names)
        )
    if problem["type"] == "missing":
        raise InvalidInput(path, None, "it is required")
    raise InvalidInput(path, problem["input"], _lower(problem["msg"]))


def _keys_at(model: type[BaseModel], place: Iterable[int | str]) -> list[str]:
    """The keys of the innermost model on the way to this place."""
    for key in place:
        about = model.model_fields.get(str(key))
        within = () if about is None else (about.annotation, *get_args(about.annotation))
        inner = [one for one in within if isinstance(one, type) and issubclass(one, BaseModel)]
        model = inner[0] if inner else model
    return list(model.model_fields)


def one_line(field: str, text: str) -> str:
    """A name without blanks around it; InvalidInput when it is empty or has line breaks or control characters."""
    stripped = text.strip()
    if not stripped or any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in stripped):
        raise InvalidInput(field, text, "expected one line of text")
    return stripped


def severity_of(word: str | Severity) -> Severity:
    """A severity by its name or alias."""
    if isinstance(word, Severity):
        return word
    found = SEVERITY_WORDS.get(word.strip().lower())
    if found is None:
        valid = ", ".join(SEVERITY_WORDS)
        raise InvalidInput("severity", word, f"valid are {valid}", meant(word, SEVERITY_WORDS))
    return found


def labels_of(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels of a size that fits into every message."""
    if len(labels) > _LABELS:
        raise InvalidInput("labels", f"{len(labels)} labels", f"at most {_LABELS} are possible")
    for name, value in labels.items():
        if not name.strip() or max(len(name), len(value)) > _LABEL_LENGTH:
            raise InvalidInput(
                f"labels.{name}", value, f"names and values have 1 to {_LABEL_LENGTH} characters"
            )
    return dict(labels)


def fits(field: str, text: str, length: int) -> str:
    """The text, if it is not longer than its column."""
    if len(text) > length:
        raise InvalidInput(field, text, f"at most {length} characters are possible")
    return text


def meant(word: str, names: Iterable[str]) -> str:
    """A hint with the name that comes closest; empty if none does."""
    known = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), known, n=1, cutoff=0.5)
    return f"Did you mean {known[close[0]]!r}?" if close else ""


def _lower(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
