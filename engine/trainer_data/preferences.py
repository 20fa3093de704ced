"""Preferences in the container of TRL's trainers: what the files of reward modelling, DPO and KTO share.

A conversation's turns go into TRL's conversational form: every text a list of messages.
"""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.tasks.preferences import HISTORY, PROMPT

if TYPE_CHECKING:
    import datasets


def as_dataset(table: pa.Table, names: tuple[str, ...], answers: tuple[str, ...]) -> "datasets.Dataset":
    """The columns of `names` that the table has; `answers` are those of them that hold an assistant's text."""
    import datasets

    dataset = datasets.Dataset(table.select([name for name in names if name in table.column_names]))
    if HISTORY not in table.column_names:
        return dataset
    columns: dict[str, list[Any]] = {name: dataset[name] for name in dataset.column_names}
    before = zip(table[HISTORY].to_pylist(), table[PROMPT].to_pylist(), strict=True)
    columns[PROMPT] = [[*(turns or ()), {"role": "user", "content": prompt}] for turns, prompt in before]
    for name in answers:
        columns[name] = [[{"role": "assistant", "content": text}] for text in table[name].to_pylist()]
    return datasets.Dataset.from_dict(columns)
