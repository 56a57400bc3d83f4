"""Judges what was set up: settings, channels and their secrets, keys, addresses, who may use the MCP server. Pure."""

import ipaddress
from urllib.parse import urlsplit

from shared.manage.doctor.facts import Access, Channels, Finding, Nothing, Setup, Trouble, Verdict

OK, WARN, FAIL, SKIPPED = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.SKIPPED
_INSIDE = (".local", ".internal", ".svc", ".localhost")


def settings(seen: Setup) -> list[Finding]:
    """Whether they are valid, and whether any variable only looks like one."""
    said = f"valid; {seen.given} of {seen.of} are given"
    if not seen.unknown:
        return [Finding("settings", OK, said)]
    named = ", ".join(sorted(seen.unknown))
    meant = ", ".join(sorted({name for name in seen.unknown.values() if name}))
    fix = f"Did you mean {meant}?" if meant else "Remove them: they do nothing"
    return [Finding("settings", WARN, f"{said}; no setting is called {named}", fix)]


def channels(seen: Channels | Trouble | Nothing) -> list[Finding]:
    """The channels file, and the secrets as far as they are at hand."""
    if isinstance(seen, Nothing):
        return [
            Finding(
                "channels", WARN, seen.why, "Name a file in TOCSIN_CHANNELS_FILE: nobody is told until then"
            )
        ]
    if isinstance(seen, Trouble):
        return [Finding("channels", FAIL, seen.why, "Correct the file: docs/configuration.md#channels")]
    named = ", ".join(f"{name} ({kind})" for name, kind in seen.kinds.items())
    if not seen.kinds:
        return [Finding("channels", WARN, f"{seen.file} holds none", "Add one: nobody is told until then")]
    if not seen.defaults:
        fix = "Mark one `default: true`, or name channels in every rule: rules that name none tell nobody"
        return [Finding("channels", WARN, f"{named}; none is a default one", fix), *_secrets(seen)]
    return [Finding("channels", OK, named), *_secrets(seen)]


def _secrets(seen: Channels) -> list[Finding]:
    if seen.unusable is None:
        said = "not at hand here: only the notify functions have them"
        return [Finding("secrets", SKIPPED, said)]
    if not seen.unusable:
        return [Finding("secrets", OK, f"every one of {len(seen.kinds)} channels has what it needs")]
    return [
        Finding("secrets", FAIL, f"{name}: {why}", "Put it where docs/configuration.md#secrets says")
        for name, why in seen.unusable.items()
    ]


def keys(seen: Setup) -> list[Finding]:
    """The keys that sign events."""
    if isinstance(seen.event_keys, Trouble):
        return [Finding("event keys", FAIL, seen.event_keys.why, "Correct TOCSIN_EVENT_KEYS")]
    if not seen.event_keys:
        fix = "Set TOCSIN_EVENT_KEYS: docs/configuration.md#secrets has the command"
        return [Finding("event keys", WARN, "none: whoever reaches a notify function can make it tell", fix)]
    said = "1, which signs" if seen.event_keys == 1 else f"{seen.event_keys}: the first signs, all verify"
    return [Finding("event keys", OK, said)]


def public_url(seen: Setup, page: int | Trouble | Nothing) -> list[Finding]:
    """The address in acknowledge links: whether people's phones can follow it."""
    if isinstance(seen.link_keys, Trouble):
        return [Finding("public URL", FAIL, seen.link_keys.why, "Correct TOCSIN_LINK_KEYS")]
    if not seen.public_url:
        fix = "Set TOCSIN_PUBLIC_URL to where people reach the function ack"
        return [
            Finding(
                "public URL", WARN, "not set: messages carry no acknowledge links and no charts by link", fix
            )
        ]
    url = urlsplit(seen.public_url)
    if not seen.link_keys:
        fix = "Set TOCSIN_LINK_KEYS or TOCSIN_EVENT_KEYS"
        return [
            Finding(
                "public URL", WARN, f"{seen.public_url}, and no key to sign links with: there are none", fix
            )
        ]
    if _is_inside(url.hostname or ""):
        fix = "Set TOCSIN_PUBLIC_URL to an address that works on a phone"
        return [Finding("public URL", WARN, f"{seen.public_url} leads nowhere outside of this network", fix)]
    if url.scheme != "https":
        return [
            Finding(
                "public URL",
                WARN,
                f"{seen.public_url} is not encrypted",
                "Put TLS before ack, and use https://",
            )
        ]
    if isinstance(page, Trouble):
        return [
            Finding(
                "public URL", WARN, page.why, "Publish the function ack there; it may still work from outside"
            )
        ]
    return [Finding("public URL", OK, f"{seen.public_url} answers")]


def access(seen: Access | Trouble, *, in_cluster: bool) -> list[Finding]:
    """Who may use the MCP server."""
    if isinstance(seen, Trouble):
        return [Finding("MCP access", FAIL, seen.why, "Correct it: docs/conversation.md#who-may-use-it")]
    if seen.mode == "none":
        if in_cluster:
            fix = "Set TOCSIN_MCP_AUTH=tokens: the server refuses to start like this"
            return [Finding("MCP access", FAIL, "everybody, and the server is not on loopback", fix)]
        return [Finding("MCP access", OK, "everybody on this machine, nobody else")]
    if seen.mode != "tokens":
        return [Finding("MCP access", OK, f"whoever has an access token of {seen.issuer}")]
    return [_tokens(seen)]


def _tokens(seen: Access) -> Finding:
    if isinstance(seen.tokens, Trouble):
        return Finding(
            "MCP access", FAIL, seen.tokens.why, "Correct the file: docs/conversation.md#who-may-use-it"
        )
    if not seen.file:
        said = "nobody: no TOCSIN_MCP_TOKENS_FILE is named here"
        return Finding("MCP access", WARN, said, "Make a token with `tocsin tokens new`, and name its file")
    if not seen.tokens:
        return Finding(
            "MCP access", WARN, f"nobody: {seen.file} holds no token", "Make one with `tocsin tokens new`"
        )
    said = f"{seen.tokens} token{'' if seen.tokens == 1 else 's'} in {seen.file}"
    if seen.expired:
        fix = "Take them out, or make new ones with `tocsin tokens new`"
        return Finding("MCP access", WARN, f"{said}; expired: {', '.join(seen.expired)}", fix)
    if seen.expiring:
        fix = "Make new ones with `tocsin tokens new` in time"
        return Finding(
            "MCP access", WARN, f"{said}; expire within two weeks: {', '.join(seen.expiring)}", fix
        )
    return Finding("MCP access", OK, said)


def heartbeat(seen: Setup) -> list[Finding]:
    """Whether somebody hears when Tocsin itself stops."""
    if seen.heartbeat:
        return [Finding("heartbeat", OK, "called after every good tick")]
    fix = "Point TOCSIN_HEARTBEAT_URL at a dead man's switch"
    return [Finding("heartbeat", WARN, "not set: nobody hears when Tocsin itself stops", fix)]


def _is_inside(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith(_INSIDE)
    return not address.is_global
