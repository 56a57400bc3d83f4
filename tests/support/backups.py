"""Backups as docs/operations.md tells people to make them: MariaDB's own programs, and SQLite's own copy."""

import os
import sqlite3
import subprocess
from pathlib import Path

from sqlalchemy.engine import make_url

from tests.support.servers import require

SECONDS = 30


def dump(url: str, file: Path) -> None:
    """`mariadb-dump --single-transaction` of a database that is at work."""
    with file.open("wb") as out:
        _run([require("mariadb-dump"), "--single-transaction", "--quick", *_place(url)], url, stdout=out)


def restore(file: Path, url: str) -> None:
    """Into a database that is there and empty."""
    with file.open("rb") as taken:
        _run([require("mariadb"), *_place(url)], url, stdin=taken)


def copy_sqlite(source: Path, target: Path) -> None:
    """What `sqlite3 FILE ".backup COPY"` does, while others write."""
    with sqlite3.connect(source) as there, sqlite3.connect(target) as here:
        there.backup(here)


def _place(url: str) -> list[str]:
    parts = make_url(url)
    where = ["--protocol=tcp", f"--host={parts.host}", f"--port={parts.port}", f"--user={parts.username}"]
    return ["--no-defaults", *where, "--skip-ssl", str(parts.database)]


def _run(command: list[str], url: str, **streams: object) -> None:
    # Options of the program come after --no-defaults, which has to be the first.
    program, *options = command
    first = [option for option in options if option == "--no-defaults"]
    rest = [option for option in options if option != "--no-defaults"]
    environ = {**os.environ, "MYSQL_PWD": str(make_url(url).password)}
    done = subprocess.run(
        [program, *first, *rest], env=environ, stderr=subprocess.PIPE, timeout=SECONDS, check=False, **streams
    )  # type: ignore[call-overload]  # one of the two streams
    assert done.returncode == 0, done.stderr.decode()
