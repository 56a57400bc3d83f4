"""What goes wrong on one machine, said so that the reader knows what to change.

Must not format for a terminal: the message is the whole report.
"""

from __future__ import annotations


class LocalError(Exception):
    """The stack can't start or go on; the message says what to do about it.

    `output` is what the process wrote that is to blame, `text` the message without it.
    """

    def __init__(self, text: str, output: str = "") -> None:
        self.text, self.output = text, output
        super().__init__(f"{text}; its output:\n{output}" if output else text)


class ManifestError(LocalError):
    """A manifest asks for something that one machine can't honour.

    `file` is the path as the reader knows it, `field` a dotted path inside the document, `value` what stands
    there, `supported` what would be accepted instead.
    """

    def __init__(self, file: str, field: str, value: object, supported: str) -> None:
        shown = repr(value)
        if len(shown) > 120:
            shown = shown[:117] + "..."
        super().__init__(f"{file}: {field} = {shown} is not supported on one machine. Supported: {supported}")
        self.file, self.field, self.value, self.supported = file, field, value, supported
