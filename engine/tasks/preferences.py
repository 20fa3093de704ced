"""Which of two texts is better: pairs from two columns, from a ranking of fields, or from ratings of a response.

What reward modelling and direct preference optimisation share. Several annotators: a pair stands once, as they say on
average, with the mean distance as its margin; a tie is no pair and is counted. A margin is a share of the largest
distance that the question allows (above 0, up to 1).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from engine.data.layout import RECORD_ID
from engine.data.questions import RANKING, Question
from engine.data.unification import NOT_SUBMITTED, UNANSWERED
from engine.errors import UserError
from engine.tasks import columns, turns
from engine.tasks.preference_pairs import Group, goodness, pairs, ranked_fields
from engine.tasks.sample_task import Account, Row, SampleTask
from engine.tasks.task import Role, Rows, TaskData

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset

PROMPT, CHOSEN, REJECTED, MARGIN, HISTORY = "prompt", "chosen", "rejected", "margin", "history"
EQUAL, TIED = "chosen equal to rejected", "no response better than another"
NO_CHOSEN, NO_REJECTED, NO_PROMPT, NO_RESPONSE = "no chosen text", "no rejected text", "no prompt", "no response"
ALONE = "no other rated response to the same prompt"
MOST_RESPONSES = 200  # to one prompt: their pairs grow with the square
PROMPT_NAMES = ("prompt", "instruction", "question", "query", "input", "conversations", "conversation", "messages")
RESPONSE_NAMES = ("response", "completion", "answer", "output", "reply", "generation", "text")
CHOSEN_NAMES, REJECTED_NAMES = ("chosen", "preferred", "winner"), ("rejected", "dispreferred", "loser")
PROMPT_HELP = "What is answered: a template with {column} names, or a column of conversations."
TEXT_OR_CHAT = ("text", "chat")
TURN = pa.struct({"role": pa.string(), "content": pa.string()})


def preference_roles(prompt_help: str) -> dict[str, Role]:
    """The choices that make pairs, for a task's `roles`."""
    return {
        "prompt": Role("template", "Prompt", prompt_help, optional=True, types=TEXT_OR_CHAT),
        "chosen": Role("column", "Better text", "With the worse text: a pair a record.", True, TEXT_OR_CHAT),
        "rejected": Role("column", "Worse text", "The text that was not chosen.", True, TEXT_OR_CHAT),
        "response": Role("field", "Response", "The text that a rating is about.", optional=True),
        "preference": Role(
            "question",
            "Preference",
            "A ranking whose items are fields, or a rating of the response: responses to one prompt are paired.",
            optional=True,
        ),
    }


class PreferenceTask(SampleTask):
    """Rows with chosen, rejected and, where known, prompt, history (the turns before the prompt) and margin."""

    needs_prompt: ClassVar[bool]

    # ---- what can be chosen -----------------------------------------------------------------------------------------

    def fits(self, role: str, field: str, dataset: "FeedbackDataset") -> bool:
        """Text and numbers; for the prompt and the two texts also conversations."""
        can_be_turns = role in (PROMPT, CHOSEN, REJECTED)
        return super().fits(role, field, dataset) or (can_be_turns and turns.holds_turns(dataset.values(field).type))

    def accepts(self, role: str, question: Question) -> bool:
        """A ranking or a rating as the preference; for the rest, what annotators wrote."""
        if role == "preference":
            return question.value_type == RANKING or pa.types.is_integer(question.value_type)
        return not question.classes and pa.types.is_string(question.value_type)

    def candidates(self, dataset: "FeedbackDataset") -> dict[str, list[str]]:
        """As every task's, without rankings whose items are no fields."""
        found = super().candidates(dataset)
        asked = [dataset.question_by_name(name) for name in found["preference"]]
        found["preference"] = [q.name for q in asked if q.value_type != RANKING or ranked_fields(q, dataset)]
        return found

    def suggest(self, dataset: "FeedbackDataset") -> dict[str, str]:
        """Columns called chosen and rejected; a ranking of fields; or a rating of responses to prompts that repeat."""
        found = self.candidates(dataset)
        chosen = columns.named(found["chosen"], *CHOSEN_NAMES)
        rejected = columns.named(found["rejected"], *REJECTED_NAMES)
        if chosen and rejected:
            return self._with_prompt({"chosen": chosen, "rejected": rejected}, dataset, {chosen, rejected})
        for question in (dataset.question_by_name(name) for name in found["preference"]):
            if question.value_type == RANKING:
                ranked = set(ranked_fields(question, dataset).values())
                return self._with_prompt({"preference": question.name}, dataset, ranked)
        response = columns.named(found["response"], *RESPONSE_NAMES)
        if not response or not found["preference"]:
            return {}
        choice = {"response": response, "preference": found["preference"][0]}
        choice = self._with_prompt(choice, dataset, {response})
        return choice if _repeats(choice.get(PROMPT, ""), dataset) else {}

    def _with_prompt(self, choice: dict[str, str], dataset: "FeedbackDataset", taken: set[str]) -> dict[str, str]:
        """`choice` with the field that is the prompt, where one is; nothing when the task needs one and has none."""
        free = [f.name for f in dataset.fields if f.name not in taken and self.fits(PROMPT, f.name, dataset)]
        name = columns.named(free, *PROMPT_NAMES) or (free[0] if len(free) == 1 else None)
        if name is not None:
            return {PROMPT: self.suggested_prompt(name, dataset)} | choice
        chosen = next((f.name for f in dataset.fields if f.name == choice.get("chosen")), None)
        holds_prompt = chosen is not None and pa.types.is_list(dataset.values(chosen).type)
        return choice if holds_prompt or not self.needs_prompt else {}

    def suggested_prompt(self, name: str, dataset: "FeedbackDataset") -> str:
        """The template to begin with when the prompts stand in the field `name`."""
        return f"{{{name}}}"

    def check_choices(self, account: Account) -> None:
        """Raise UserError unless the chosen columns are one of the three ways to make pairs."""
        super().check_choices(account)
        given = [role for role in self.roles if account.chosen(role)]
        pair = [role for role in given if role in ("chosen", "rejected")]
        judged = [role for role in given if role in ("response", "preference")]
        if len(pair) == 1 or bool(pair) == bool(judged) or judged == ["response"]:
            raise UserError(
                f"{self.label} needs a better and a worse text, or a preference; chosen: {', '.join(given) or 'none'}.",
                "Choose chosen and rejected; or a ranking question whose items are fields; or a prompt, a response and "
                "the rating question about it.",
            )
        name = account.chosen("preference")
        rated = bool(name) and account.questions[name].value_type != RANKING
        if rated and "response" not in given:
            raise UserError(f"The ratings of {name!r} are about a text, and none is chosen.", "Choose the response.")
        if PROMPT not in given and (rated or self.needs_prompt) and not turns.in_turns(account, "chosen"):
            why = " Ratings make pairs of responses to the same prompt." if rated else ""
            raise UserError(f"{self.label} needs a prompt here, and none is chosen.{why}", "Choose its column.")

    # ---- rows -------------------------------------------------------------------------------------------------------

    def rows_of(self, sample: Row, account: Account) -> Iterator[Row]:
        """Pairs of one record: of its two columns, or of the fields that its annotators ranked."""
        if account.chosen("chosen"):
            yield from self._from_two_columns(sample, account)
        else:
            yield from self._from_ranking(sample, account)

    def _from_columns(self, account: Account) -> None:
        question = account.questions.get(account.chosen("preference"))
        if question is None or question.value_type == RANKING:
            super()._from_columns(account)
            return
        self.check_choices(account)
        for group in self._rated(account).values():
            self._pair_up(group, account, max(question.values) - min(question.values))

    def _from_two_columns(self, sample: Row, account: Account) -> Iterator[Row]:
        before, better = turns.last_turns(sample, account, "chosen")
        _, worse = turns.last_turns(sample, account, "rejected")
        if not better or not worse:
            account.leave_out(NO_CHOSEN if not better else NO_REJECTED)
            return
        history, prompt = turns.prompt_of(sample, account, before)
        if prompt is None and (self.needs_prompt or account.chosen(PROMPT)):
            account.leave_out(NO_PROMPT)
            return
        for chosen in better:
            for rejected in worse:
                yield from self._pair(account, history, prompt, (chosen, rejected))

    def _from_ranking(self, sample: Row, account: Account) -> Iterator[Row]:
        question = account.questions[account.chosen("preference")]
        answers = columns.answers(sample, question.name)
        fields = ranked_fields(question, account.dataset)
        texts = {item: str(sample.get(name) or "") for item, name in fields.items()}
        items = [item for item, text in texts.items() if text.strip()]
        history, prompt = turns.prompt_of(sample, account)
        if not answers:
            account.leave_out(NOT_SUBMITTED if sample.get(question.name) else UNANSWERED)
        elif prompt is None and (self.needs_prompt or account.chosen(PROMPT)):
            account.leave_out(NO_PROMPT)
        elif len(items) < 2:
            account.leave_out(NO_RESPONSE)
        else:
            found = list(pairs([goodness(answer, items) for answer in answers], account.counts))
            if not found:
                account.leave_out(TIED)
            for better, worse, gap in found:
                both = (texts[items[better]], texts[items[worse]])
                yield from self._pair(account, history, prompt, both, gap / (len(fields) - 1))

    def _rated(self, account: Account) -> dict[str, Group]:
        """The rated responses to each prompt, by prompt."""
        question, groups = account.chosen("preference"), {}
        ids = account.dataset.table[RECORD_ID].to_pylist()
        for index, (record_id, sample) in enumerate(zip(ids, account.dataset.samples(), strict=True)):
            account.index, account.record_id = index, record_id
            ratings = [float(value) for value in columns.answers(sample, question)]
            history, prompt = turns.prompt_of(sample, account)
            response = account.value(sample, "response") or ""
            if not ratings:
                account.leave_out(NOT_SUBMITTED if sample.get(question) else UNANSWERED)
            elif prompt is None or not response.strip():
                account.leave_out(NO_PROMPT if prompt is None else NO_RESPONSE)
            else:
                key = repr((history, prompt))
                groups.setdefault(key, Group(prompt, history)).add(response, ratings, record_id)
        return groups

    def _pair_up(self, group: Group, account: Account, widest: int) -> None:
        responses = list(group.ratings)
        if len(responses) > MOST_RESPONSES:
            raise UserError(
                f"{len(responses):,} rated responses stand beside one prompt ({group.prompt[:60]!r}), which would make "
                f"{len(responses) * (len(responses) - 1) // 2:,} pairs.",
                "Choose the column that tells the prompts apart.",
            )
        means = [sum(ratings) / len(ratings) for ratings in group.ratings.values()]
        in_a_pair = set()
        for better, worse, gap in pairs([means], account.counts):
            in_a_pair |= {better, worse}
            account.record_id = group.records[responses[better]]
            both = (responses[better], responses[worse])
            for row in self._pair(account, group.history, group.prompt, both, gap / widest):
                account.rows.append({RECORD_ID: account.record_id} | row)
        for i in set(range(len(responses))) - in_a_pair:
            account.record_id = group.records[responses[i]]
            account.leave_out(TIED if len(responses) > 1 else ALONE)

    def _pair(
        self,
        account: Account,
        history: list[turns.Turn],
        prompt: str | None,
        both: tuple[str, str],
        margin: float | None = None,
    ) -> Iterator[Row]:
        if both[0] == both[1]:
            account.leave_out(EQUAL)
            return
        row = self.prompt_columns(account, history, prompt) | {CHOSEN: both[0], REJECTED: both[1]}
        yield row if margin is None else row | {MARGIN: round(margin, 6)}

    def prompt_columns(self, account: Account, history: list[turns.Turn], prompt: str | None) -> Row:
        """The canonical columns of a prompt and the turns before it."""
        return {PROMPT: prompt} | ({HISTORY: history} if history else {})

    def tabulate(self, account: Account) -> tuple[pa.Table, dict[str, Any]]:
        """The pairs as text columns; prompt, history and margin only where rows have one."""
        kinds = {PROMPT: pa.string(), CHOSEN: pa.string(), REJECTED: pa.string(), HISTORY: pa.list_(TURN)}
        kinds = {RECORD_ID: pa.string()} | kinds | {MARGIN: pa.float64()}
        made = {name: [row.get(name) for row in account.rows] for name in kinds}
        kept = {
            name: pa.array(values, kinds[name]) for name, values in made.items() if any(v is not None for v in values)
        }
        chat = any(turns.in_turns(account, role) for role in (PROMPT, CHOSEN))
        return pa.table(kept), {"margin": MARGIN in kept, "chat": chat}

    def blocking(self, rows: Rows, data: TaskData | None) -> list[str]:
        """Sentences on pairs with nothing to learn from (a function may give such), and on too few pairs."""
        table, sentences = rows.table, []
        for name, words in ((CHOSEN, "an empty chosen text"), (REJECTED, "an empty rejected text")):
            empty = table.filter(pc.equal(pc.utf8_trim_whitespace(table[name]), ""))
            if len(empty):
                sentences.append(_rows_with(empty, len(table), words))
        equal = table.filter(pc.equal(table[CHOSEN], table[REJECTED]))
        if len(equal):
            sentences.append(_rows_with(equal, len(table), "a chosen text equal to the rejected one"))
        train = table if data is None else data.train
        if len(train) < 2:
            sentences.append("There is only one pair to learn from; a preference is learned from many.")
        return sentences


def _repeats(template: str, dataset: "FeedbackDataset") -> bool:
    """Whether some value of the template's field stands more than once."""
    names = columns.placeholders(template)
    if not names or not pa.types.is_string(dataset.values(names[0]).type):
        return bool(names)
    return len(dataset.values(names[0]).unique()) < len(dataset)


def _rows_with(rows: pa.Table, n: int, words: str) -> str:
    first = rows[RECORD_ID][0].as_py()
    return f"{len(rows):,} of the {n:,} pairs have {words} (the first: record {first!r}); leave them out."
