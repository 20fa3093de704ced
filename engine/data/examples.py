"""The bundled examples, one for each task, in examples/ beside the product: small datasets written for the purpose."""

from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError

FOLDER = Path(__file__).resolve().parents[2] / "examples"


@dataclass(frozen=True)
class Example:
    """A dataset in examples/<name>, an Argilla export or a file; the tasks that it is for, the first to begin with."""

    name: str
    title: str
    about: str  # for its button: what it is and how many records
    tasks: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return FOLDER / self.name


EXAMPLES = {
    example.name: example
    for example in (
        Example("support_messages", "Support messages", "400 support messages, 3 annotators", ("text-classification",)),
        Example("town_news", "Town news", "108 notices with marked spans", ("token-classification",)),
        Example("island_guide", "Island guide", "71 questions on 14 passages, 3 annotators", ("question-answering",)),
        Example("question_pairs", "Question pairs", "124 pairs of questions, rated", ("sentence-similarity",)),
        Example("plain_notices", "Plain notices", "72 stiff notices, and the same in plain words", ("text2text",)),
        Example(
            "ranked_replies",
            "Ranked replies",
            "60 questions with ranked replies, 3 annotators",
            ("reward-modeling", "direct-preference-optimization"),
        ),
        Example("rated_replies", "Rated replies", "72 replies, rated from 1 to 5", ("kto",)),
        Example(
            "kitchen_answers", "Kitchen answers", "64 questions, 2 annotators' answers", ("supervised-fine-tuning",)
        ),
        Example(
            "household_questions", "Household questions", "82 questions to answer", ("proximal-policy-optimization",)
        ),
        Example("library_chats", "Library chats", "60 conversations at a desk", ("chat-completion",)),
    )
}


def example_by_name(name: str | None) -> Example:
    """The example of that name; without one, the first. Raises UserError for an unknown name."""
    if name and name not in EXAMPLES:
        raise UserError(f"There is no example named {name!r}.", f"Choose one of: {', '.join(EXAMPLES)}.")
    return EXAMPLES[name or next(iter(EXAMPLES))]
