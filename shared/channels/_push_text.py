"""What stands below the title of a push message, whose link is a field of its own. Pure."""

from shared.channels._message import Message


def push_text(message: Message) -> str:
    """The message without its headline; never empty, which some providers refuse and others fill in themselves."""
    several = bool(message.lines or message.more)  # of one alert the facts say it all
    rows = [message.summary] if several else []
    rows += [message.description] if message.description else []
    rows += [f"{name}: {text}" for name, text in message.facts if text]
    rows += [line.text for line in message.lines]
    rows += [f"… and {message.more} more alerts"] if message.more else []
    return "\n".join([*rows, *message.notes]) or message.title
