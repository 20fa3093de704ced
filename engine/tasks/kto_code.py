"""Starter code of the formatting cell for KTO, written for a dataset's own columns. Called by engine/tasks/kto.py."""

from typing import TYPE_CHECKING

import pyarrow as pa

from engine.tasks.preference_code import prompt_source, texts_source

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

_HEAD = """def formatting_func(sample):
    # One record in, one row out: (prompt, completion, True or False). None leaves the record out; a list gives several.
    prompt = {prompt}
"""
_LABEL = """    labels = [answer["value"] for answer in sample[{label!r}] if answer["status"] == "submitted"]
    if not prompt or not labels:
        return None
    good = Counter(labels).most_common(1)[0][0] == {good!r}  # the answer most annotators gave
    return [(prompt, completion, good) for completion in {completion} if completion]
"""
_RATING = """    ratings = [answer["value"] for answer in sample[{label!r}] if answer["status"] == "submitted"]
    mean = sum(ratings) / len(ratings) if ratings else {good}
    if not prompt or mean == {good}:  # the middle of the scale is neither good nor bad
        return None
    return [(prompt, completion, mean > {good}) for completion in {completion} if completion]
"""
_PAIR = """    better, worse = {chosen}, {rejected}
    if not prompt or not better or not worse or set(better) & set(worse):
        return None
    return [(prompt, text, True) for text in better if text] + [(prompt, text, False) for text in worse if text]
"""
_COUNTER = "from collections import Counter\n\n\n"


def starter_code(dataset: "FeedbackDataset", chosen: dict[str, str], good: str | None) -> str:
    """Source of `formatting_func(sample)` for the `chosen` columns (by role); `good`: the class that means good, or
    the middle of a rating.
    """
    names = [f.name for f in dataset.fields] or ["text"]
    head = _HEAD.format(prompt=prompt_source(dataset, chosen))
    if "chosen" in chosen or "label" not in chosen:
        better, worse = chosen.get("chosen", names[0]), chosen.get("rejected", names[-1])
        return head + _PAIR.format(chosen=texts_source(dataset, better), rejected=texts_source(dataset, worse))
    question = dataset.question_by_name(chosen["label"])
    completion = texts_source(dataset, chosen["completion"])
    if pa.types.is_integer(question.value_type):
        return head + _RATING.format(label=question.name, good=good, completion=completion)
    return _COUNTER + head + _LABEL.format(label=question.name, good=good, completion=completion)
