"""Text messages as phone networks count them: the GSM-7 alphabet, septets and segments. Pure.

3GPP TS 23.038: one text has 160 septets, each part of a longer one 153; some characters cost two. One character
outside of the alphabet makes the whole text UCS-2, where a text has 70 units and a part 67.
"""

import unicodedata

from shared.channels._text import clusters, utf16

ONE, PART, ONE_WIDE, PART_WIDE = 160, 153, 70, 67
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_TWICE = frozenset("^{}\\[~]|€")
_ELLIPSIS = "..."
_SPELLED = {
    **dict.fromkeys("‘’‚‛′`´ʼ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−·•‣▪", "-"),
    "…": "...", "×": "x", "÷": "/", "→": "->", "←": "<-", "⇒": "=>", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~",
    "°": " deg ", "µ": "u", "μ": "u", "©": "(c)", "®": "(R)", "™": "(TM)", "ð": "d", "Ð": "D", "þ": "th",
    "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "œ": "oe", "Œ": "OE", "Þ": "Th", "ç": "c", "ẞ": "SS",
    "‹": "<", "›": ">", "₽": "RUB", "₹": "INR", "₺": "TRY", "¢": "c", "∞": "inf", "Ω": "Ω", "∆": "Δ",
}  # fmt: skip
_GREEK = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True))
"""Greek capitals that look like Latin ones: the alphabet has only the others, and no small letters."""


def septets(text: str) -> int:
    """What a text of the alphabet costs."""
    return len(text) + sum(char in _TWICE for char in text)


def is_gsm(text: str) -> bool:
    """Whether every character is of the alphabet."""
    return all(char in _BASIC or char in _TWICE for char in text)


def segments(text: str) -> int:
    """How many texts are paid for."""
    count, one, part = (septets(text), ONE, PART) if is_gsm(text) else (utf16(text), ONE_WIDE, PART_WIDE)
    return 1 if count <= one else -(-count // part)


def to_gsm(text: str) -> str:
    """The text in the alphabet: accents and typography are spelled plainly, pictures go, other letters become `?`."""
    return " ".join("".join(_spelled(cluster) for cluster in clusters(text)).split())


def is_foreign(text: str) -> bool:
    """Whether most letters of the text would be lost in the alphabet, so that nobody could read it."""
    letters = [char for char in text if char.isalpha()]
    return sum(not is_gsm(_letter(char)) for char in letters) * 2 > len(letters)


def cut_gsm(text: str, limit: int) -> str:
    """A text of the alphabet with at most `limit` septets; what is cut off ends in three points."""
    if septets(text) <= limit:
        return text
    room, kept = limit - len(_ELLIPSIS), []
    for char in text:
        room -= septets(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept).rstrip() + _ELLIPSIS if limit >= len(_ELLIPSIS) else ""


def _spelled(cluster: str) -> str:
    if is_gsm(cluster):
        return cluster
    return "".join(_one(char) for char in unicodedata.normalize("NFC", cluster))


def _one(char: str) -> str:
    if is_gsm(char):
        return char
    if char.isspace():
        return " "
    letter = _letter(char)
    if is_gsm(letter):
        return letter
    # Marks, joiners and pictures say nothing that can be spelled.
    return "" if unicodedata.category(char)[0] in "MCS" else "?"


def _letter(char: str) -> str:
    """The character spelled plainly, or itself."""
    if is_gsm(char):
        return char
    if char in _SPELLED:
        return _SPELLED[char]
    upper = unicodedata.normalize("NFD", char)[:1].upper()
    if upper in _GREEK:
        return _GREEK[upper]
    if is_gsm(upper) and "Α" <= upper <= "Ω":
        return upper
    plain = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    return plain if plain and is_gsm(plain) else char
