"""Loaded by Python at the start of every process that the tests start: puts it under the socket guard."""

from tests.support.guard import install

install()
