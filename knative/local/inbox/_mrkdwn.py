"""Slack's mrkdwn as HTML, near enough to judge a message by.

Must escape everything but the few tags that it writes itself. Mentions (`<!channel>`) are shown as Slack would raise
them, so that an alert which pages a whole channel by accident is seen.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_TOKENS = re.compile(r"```(?P<block>.+?)```|`(?P<code>[^`\n]+)`|<(?P<angle>[^<>\n]+)>", re.DOTALL)
_STYLES = (
    (re.compile(r"(?<![\w*])\*(?! )([^*\n]+?)(?<! )\*(?![\w*])"), r"<b>\1</b>"),
    (re.compile(r"(?<![\w_])_(?! )([^_\n]+?)(?<! )_(?![\w_])"), r"<i>\1</i>"),
    (re.compile(r"(?<![\w~])~(?! )([^~\n]+?)(?<! )~(?![\w~])"), r"<s>\1</s>"),
)
_EMOJI = {
    "rotating_light": "🚨",
    "warning": "⚠️",
    "white_check_mark": "✅",
    "bell": "🔔",
    "no_bell": "🔕",
    "red_circle": "🔴",
    "large_orange_circle": "🟠",
    "large_yellow_circle": "🟡",
    "large_green_circle": "🟢",
    "large_blue_circle": "🔵",
    "information_source": "ℹ️",
    "hourglass": "⌛",
    "chart_with_upwards_trend": "📈",
    "book": "📖",
    "eyes": "👀",
    "x": "❌",
}
_EMOJI_NAME = re.compile(r":([a-z0-9_+-]+):")
_LINK = re.compile(r"(https?://|mailto:)[^\s]+")


def unescape(text: str) -> str:
    """Plain text from Slack's three escapes."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def emoji(text: str) -> str:
    """`:name:` as its character, for the names that alerts use."""
    return _EMOJI_NAME.sub(lambda m: _EMOJI.get(m[1], m[0]), text)


def mrkdwn(text: str) -> Markup:
    """Mrkdwn as safe HTML."""
    parts: list[str] = []
    position = 0
    for match in _TOKENS.finditer(text):
        parts.append(_plain(text[position : match.start()]))
        if match["block"] is not None:
            parts.append(f"<pre>{_escaped(match['block'].strip(chr(10)))}</pre>")
        elif match["code"] is not None:
            parts.append(f"<code>{_escaped(match['code'])}</code>")
        else:
            parts.append(_angle(match["angle"]))
        position = match.end()
    parts.append(_plain(text[position:]))
    return Markup("".join(parts))


def plain_text(text: str) -> Markup:
    """A plain_text object (headers, buttons): escapes and emoji only."""
    return Markup(_escaped(emoji(text)))


def _escaped(text: str) -> str:
    return str(escape(unescape(text)))


def _plain(text: str) -> str:
    lines = []
    for line in emoji(text).split("\n"):
        quoted = line.startswith((">", "&gt;"))
        html = _escaped(line.removeprefix(">").removeprefix("&gt;").lstrip() if quoted else line)
        for pattern, replacement in _STYLES:
            html = pattern.sub(replacement, html)
        lines.append(f"<q>{html}</q>" if quoted else html)
    return "<br>".join(lines)


def _angle(inner: str) -> str:
    target, bar, label = inner.partition("|")
    if target.startswith("!date^"):
        return f"<time>{_escaped(label or target)}</time>"
    if target.startswith(("!", "@", "#")):
        shown = label or target.lstrip("!").removeprefix("subteam^")
        return (
            f'<span class="mention">{_escaped(shown if shown.startswith(("@", "#")) else f"@{shown}")}</span>'
        )
    if _LINK.fullmatch(unescape(target)):
        href = escape(unescape(target))
        return f'<a href="{href}" rel="noreferrer noopener" target="_blank">{_escaped(label or target)}</a>'
    return _escaped(f"<{inner}>") if bar else _escaped(f"<{target}>")
