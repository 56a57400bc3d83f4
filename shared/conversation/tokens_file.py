"""Making tokens, and adding their entries to the file that `access` reads; the file holds no token."""

import os
import re
import secrets
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from shared.conversation.access import Entry, Scope, digest, read_entries
from shared.errors import InvalidInput
from shared.model import Millis

PREFIX = "tocsin_"
"""So that people, and programs that look for secrets in code, see what it is."""


def made(
    name: str, scopes: tuple[Scope, ...], tenant: str, expires: Millis | None, now: Millis
) -> tuple[str, Entry]:
    """A new token (256 random bits) and its entry. Raises InvalidInput."""
    if expires is not None and expires <= now:
        raise InvalidInput("--expires", str(_time(expires)), "it must be later than now")
    token = PREFIX + secrets.token_urlsafe(32)
    try:
        entry = Entry(
            id=name,
            sha256=digest(token),
            tenant=tenant,
            scopes=scopes,
            expires=None if expires is None else _time(expires),
        )
    except ValidationError as error:
        field = str(error.errors(include_url=False)[0]["loc"][0])
        valid = {
            "id": ("NAME", name, "expected letters, digits and . _ @ -, at most 63 of them"),
            "tenant": ("--tenant", tenant, "expected lower-case letters, digits and -, at most 63 of them"),
        }
        raise InvalidInput(*valid[field]) from None
    return token, entry


def as_yaml(entry: Entry, indent: str = "  ") -> str:
    """The entry as it stands under `tokens:`."""
    lines = [f"id: {_scalar(entry.id)}", f"sha256: {_scalar(entry.sha256)}"]
    lines += [f"tenant: {_scalar(entry.tenant)}"] if entry.tenant != "default" else []
    lines += [f"scopes: [{', '.join(scope.value for scope in entry.scopes)}]"]
    lines += [f"expires: {entry.expires:%Y-%m-%dT%H:%M:%SZ}"] if entry.expires is not None else []
    return "".join(f"{indent}{'  ' if number else '- '}{line}\n" for number, line in enumerate(lines))


def add(path: Path, entry: Entry) -> None:
    """Add an entry at the end; all else in the file stays as it is written. A new file is for its owner only.

    Raises InvalidInput when the file can't be used, has the id already, or is written in another style.
    """
    path = path.resolve()  # a link stays one
    known = read_entries(path, "--file") if path.exists() and path.stat().st_size else ()
    if any(one.id == entry.id for one in known):
        hint = "Choose another name, or take its entry out of the file first"
        raise InvalidInput("NAME", entry.id, f"{path} has a token of that name", hint)
    before = path.read_text("utf-8") if known else "tokens:\n"
    items = re.findall(r"^( *)- ", before, re.MULTILINE)
    text = before + ("" if before.endswith("\n") else "\n") + as_yaml(entry, items[-1] if items else "  ")
    _replace(path, text, [*known, entry])


def _replace(path: Path, text: str, wanted: list[Entry]) -> None:
    """The old file or the new one, never a part; the new one says what is wanted."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    try:
        file, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise InvalidInput("--file", str(path), f"it can't be written: {error.strerror}") from None
    new = Path(name)
    try:
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        if not _says(new, wanted):
            hint = "Write each token as a list item on lines of its own, or add the entry by hand"
            raise InvalidInput(
                "--file", str(path), "its list is written in a style that can't be added to", hint
            )
        new.chmod(mode)
        new.replace(path)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()


def _says(path: Path, wanted: list[Entry]) -> bool:
    try:
        return list(read_entries(path)) == wanted
    except InvalidInput:
        return False


def _time(moment: Millis) -> datetime:
    return datetime.fromtimestamp(moment // 1000, UTC)


def _scalar(text: str) -> str:
    """Plain where YAML reads it back as the same text: an id such as 007 or no would become something else."""
    import yaml  # `tocsin --help` must not wait for it

    return text if yaml.safe_load(text) == text else f'"{text}"'
