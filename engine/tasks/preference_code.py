"""Starter code of the formatting cell for pairs, written for a dataset's own columns. Called by the tasks of pairs.

The code gives the pairs that the chosen columns would give, without their margins: a function has no place for one.
"""

from typing import TYPE_CHECKING

from engine.data.questions import RANKING
from engine.tasks.columns import placeholders
from engine.tasks.preference_pairs import ranked_fields
from engine.tasks.turns import holds_turns

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

_COLUMNS = """def formatting_func(sample):
    # One record in, one row out: {returns}. None leaves the record out; a list gives several rows.
    {prompt}
    pairs = []
    for chosen in {chosen}:
        for rejected in {rejected}:
            if chosen and rejected and chosen != rejected:
                pairs.append({row})
    return pairs
"""
_RANKING = """from itertools import combinations

FIELDS = {fields}  # the question's item: the field that it ranks


def formatting_func(sample):
    # One record in, a row for every two texts of different rank out: {returns}.
    {prompt}
    ranks = {{item: [] for item in FIELDS if sample[FIELDS[item]]}}
    for answer in sample[{preference!r}]:
        if answer["status"] == "submitted":
            for item, rank in zip(answer["value"]["value"], answer["value"]["rank"]):
                if item in ranks and rank is not None:
                    ranks[item].append(rank)
    means = {{item: sum(given) / len(given) for item, given in ranks.items() if given}}  # 1 is best
    pairs = []
    for pair in combinations(means, 2):
        better, worse = sorted(pair, key=means.get)
        chosen, rejected = sample[FIELDS[better]], sample[FIELDS[worse]]
        if means[better] < means[worse] and chosen != rejected:
            pairs.append({row})
    return pairs
"""
_RATING = """SEEN = {{}}  # responses to one prompt stand in several records: those that came before


def formatting_func(sample):
    # One record in, a row with every earlier response to the same prompt out: {returns}.
    {prompt}
    response = sample[{response!r}]
    ratings = [answer["value"] for answer in sample[{preference!r}] if answer["status"] == "submitted"]
    if not response or not ratings:
        return None
    mean = sum(ratings) / len(ratings)
    pairs = []
    for other, rating in SEEN.setdefault(prompt, []):
        if other != response and rating != mean:
            chosen, rejected = (response, other) if mean > rating else (other, response)
            pairs.append({row})
    SEEN[prompt].append((response, mean))
    return pairs
"""


def starter_code(dataset: "FeedbackDataset", chosen: dict[str, str], *, with_prompt: bool) -> str:
    """Source of `formatting_func(sample)` for the `chosen` columns (by role).

    `with_prompt`: a row is (prompt, chosen, rejected); else (chosen, rejected), each behind the prompt.
    """
    names = [f.name for f in dataset.fields]
    prompt = prompt_source(dataset, chosen)
    row = "(prompt, chosen, rejected)" if with_prompt else "(prompt + chosen, prompt + rejected)"
    filled = {"returns": "(prompt, chosen, rejected)" if with_prompt else "(chosen, rejected)", "row": row}
    guard = "" if prompt == '""' else "\n    if not prompt or not prompt.strip():\n        return None"
    filled |= {"prompt": f"prompt = {prompt}{guard}"}
    question = {q.name: q for q in dataset.questions}.get(chosen.get("preference", ""))
    if question is not None and question.value_type == RANKING:
        fields = ranked_fields(question, dataset)
        return _RANKING.format(fields=repr(fields), preference=question.name, **filled)
    if question is not None and "response" in chosen:
        return _RATING.format(response=chosen["response"], preference=question.name, **filled)
    better = chosen.get("chosen") or (names[0] if names else "chosen")
    worse = chosen.get("rejected") or (names[-1] if names else "rejected")
    return _COLUMNS.format(chosen=texts_source(dataset, better), rejected=texts_source(dataset, worse), **filled)


def prompt_source(dataset: "FeedbackDataset", chosen: dict[str, str]) -> str:
    """A Python expression for the prompt of a sample: a column, a filled template, or a conversation's last words."""
    template = chosen.get("prompt", "")
    names = placeholders(template)
    if not template:
        return _before(dataset, chosen.get("chosen") or chosen.get("completion", ""))
    if not names:
        return f"sample[{template!r}]"
    if _holds_turns(dataset, names[0]):
        return f'sample[{names[0]!r}][-1]["{_content_key(dataset, names[0])}"]'
    if template == f"{{{names[0]}}}":
        return f"sample[{names[0]!r}]"
    arguments = ", ".join(f"{name!r}: sample[{name!r}]" for name in names)
    return f"{template!r}.format_map({{{arguments}}})"


def texts_source(dataset: "FeedbackDataset", name: str, back: int = 1) -> str:
    """A Python expression for the list of a sample's texts in a column: a field's, an annotators', a conversation's.

    `back`: which turn of a conversation, from its end.
    """
    if name in {question.name for question in dataset.questions}:
        return f'[answer["value"] for answer in sample[{name!r}] if answer["status"] == "submitted"]'
    if _holds_turns(dataset, name):
        content = _content_key(dataset, name)
        last = "" if _is_one_turn(dataset, name) else f"[-{back}]"
        return f'[sample[{name!r}]{last}["{content}"]]'
    return f"[sample[{name!r}]]"


def _before(dataset: "FeedbackDataset", name: str) -> str:
    """The turn before the last of a column of conversations; else no prompt."""
    if not _holds_turns(dataset, name) or _is_one_turn(dataset, name):
        return '""'
    return texts_source(dataset, name, back=2) + "[0]"


def _holds_turns(dataset: "FeedbackDataset", name: str) -> bool:
    return name in {f.name for f in dataset.fields} and holds_turns(dataset.values(name).type)


def _is_one_turn(dataset: "FeedbackDataset", name: str) -> bool:
    return not hasattr(dataset.values(name).type, "value_type")


def _content_key(dataset: "FeedbackDataset", name: str) -> str:
    kind = dataset.values(name).type
    kind = getattr(kind, "value_type", kind)
    return "content" if kind.get_field_index("content") >= 0 else "value"
