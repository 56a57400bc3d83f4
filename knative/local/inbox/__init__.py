"""The inbox: plays every vendor that Tocsin sends to, and shows each message as that vendor would show it.

One file per vendor, found by looking into this folder; files that begin with an underscore are the inbox's own.
A vendor file has `KIND`, `LABEL`, `ROUTES`, `receive(request) -> Receipt`, `view(message) -> dict`, and beside it
`templates/<file name>.html`. Must not run anything that a message says: all of it is hostile text.
"""
