"""The markdown of chat services as HTML, near enough to judge a message by.

Must escape everything but the few tags that it writes itself. A mention is shown as the vendor would raise it, so
that an alert which rings everybody's phone by accident is seen.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_TOKENS = re.compile(
    r"\\(?P<escaped>[^0-9A-Za-z\s])"
    r"|\[(?P<label>(?:\\.|[^\]\\\n])+)\]\((?P<href>https?://[^\s()]+)\)"
    r"|`(?P<code>[^`\n]+)`"
    r"|\*\*(?P<bold>(?:\\.|[^\\\n])+?)\*\*"
    r"|(?<![\w*])(?P<mark>[*_])(?P<italic>(?:\\.|[^\\\n*_])+)(?P=mark)(?![\w*])"
    r"|~~(?P<struck>(?:\\.|[^\\\n])+?)~~"
    r"|(?P<url>https?://[^\s<]+)"
    r"|(?P<mention>@everyone|@here|<[@#][!&]?\d+>)"
)


def markdown(text: str, *, mentions: bool = True) -> Markup:
    """Markdown as safe HTML; a line break stays one. `mentions`: whether the message lets them through."""
    parts: list[str] = []
    position = 0
    for match in _TOKENS.finditer(text):
        parts.append(_plain(text[position : match.start()]))
        parts.append(_token(match, mentions))
        position = match.end()
    parts.append(_plain(text[position:]))
    return Markup("".join(parts))


def _plain(text: str) -> str:
    return str(escape(text)).replace("\n", "<br>")


def _token(match: re.Match[str], mentions: bool) -> str:
    if match["escaped"]:
        return str(escape(match["escaped"]))
    if match["label"]:
        return _link(match["href"], str(markdown(match["label"], mentions=mentions)))
    if match["code"]:
        return f"<code>{escape(match['code'])}</code>"
    for group, tag in (("bold", "b"), ("italic", "i"), ("struck", "s")):
        if match[group]:
            return f"<{tag}>{markdown(match[group], mentions=mentions)}</{tag}>"
    if match["url"]:
        return _link(match["url"], str(escape(match["url"])))
    return (
        f'<span class="mention">{escape(match["mention"])}</span>' if mentions else _plain(match["mention"])
    )


def _link(href: str, label: str) -> str:
    return f'<a href="{escape(href)}" rel="noreferrer noopener" target="_blank">{label}</a>'
