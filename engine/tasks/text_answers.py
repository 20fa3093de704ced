"""The texts that annotators wrote, or a column holds: the side of a row that is learned. For tasks with a text answer.

Called by question_answering.py and text2text.py.
"""

from engine.data.questions import Question
from engine.tasks.columns import texts_of
from engine.tasks.sample_task import Account, Row

UNANSWERED, NOT_SUBMITTED = "unanswered", "only drafts or discarded"


def holds_text(question: Question) -> bool:
    """Whether annotators answer `question` with a text of their own."""
    return question.type == "text"


def field_text(sample: Row, role: str, account: Account) -> str | None:
    """The text of the field chosen for `role`; None, told to `account`, when it has none."""
    text = account.value(sample, role)
    if text is None or not text.strip():
        account.leave_out(f"{role} {'missing' if text is None else 'empty'}")
        return None
    return text


def why_none(sample: Row, role: str, account: Account) -> str:
    """The reason why a record has no text for `role`."""
    name = account.chosen(role)
    if name not in account.questions:
        return f"{role} missing"
    return NOT_SUBMITTED if sample.get(name) else UNANSWERED


def submitted_texts(sample: Row, role: str, account: Account) -> list[str]:
    """Different texts of the column chosen for `role`, in their order; `account` is told of empty ones, and why none.

    A question gives one text a submitted answer; a field gives one.
    """
    name = account.chosen(role)
    found = texts_of(sample, name, account.questions)
    if not found:
        account.leave_out(why_none(sample, role, account))
    texts = [text for text in found if text.strip()]
    if len(texts) < len(found):
        account.counts[f"empty {role}s"] += len(found) - len(texts)
        account.leave_out(f"{role} empty")
    return list(dict.fromkeys(texts))
