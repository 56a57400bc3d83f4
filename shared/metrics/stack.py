"""Several answers of one measurement as one. Pure."""

from collections.abc import Collection, Sequence

import numpy as np

from shared.columns import FieldColumn, Samples, TagColumn
from shared.metrics._columns import empty_field, empty_tag, scattered


def stacked(answers: Sequence[Samples], tags: Sequence[str], missing: Collection[str] = ()) -> Samples:
    """The rows of all answers. A field that several of them have counts as the last one has it.

    Every answer has the tags; fields that are `missing` in all of them are there without values.
    """
    if len(answers) == 1 and answers[0].fields.keys() >= set(missing):
        return answers[0]
    sizes = [len(answer) for answer in answers]
    rows, starts = sum(sizes), np.cumsum([0, *sizes])
    fields: dict[str, FieldColumn] = {name: empty_field(rows) for name in missing}
    for answer, start in zip(answers, starts.tolist(), strict=False):
        places = np.arange(start, start + len(answer))
        fields |= {name: scattered(column, places, rows) for name, column in answer.fields.items()}
    return Samples(
        np.concatenate([np.empty(0, np.int64), *(answer.time for answer in answers)]),
        {
            name: TagColumn.joined([answer.tags[name] for answer in answers]) if answers else empty_tag(0)
            for name in tags
        },
        fields,
        sum(answer.dropped_future for answer in answers),
        sum(answer.bytes_read for answer in answers),
    )
