"""A task whose rows are made one record at a time: by chosen columns, or by a formatting function.

Subclasses say what one record, and one returned item, come to; the account of what was left out is kept here.
"""

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from engine.data.layout import RECORD_ID
from engine.errors import UserError
from engine.tasks import columns
from engine.tasks.formatted import WrongItem, formatted_records
from engine.tasks.task import Rows, Task

if TYPE_CHECKING:
    from engine.data.feedback_dataset import FeedbackDataset
    from engine.tasks.training_task import TrainingTask

Row = dict[str, Any]
DUPLICATE, NOTHING_RETURNED = "duplicate row", "the function returned nothing"
LONGEST_SHOWN = 200


class Account:
    """What becomes of each record while rows are made of a dataset: rows, a reason for none, and other counts."""

    def __init__(self, dataset: "FeedbackDataset", definition: "TrainingTask", seed: int) -> None:
        self.dataset, self.definition, self.seed = dataset, definition, seed
        self.rng = np.random.default_rng(seed)  # for ties
        self.questions = {question.name: question for question in dataset.questions}
        self.columns = [f.name for f in dataset.fields] + list(self.questions)
        self.rows: list[Row] = []
        self.left_out: dict[str, list[str]] = {}
        self.wrong: dict[str, str] = {}  # record id → why its item is no row (previews only)
        self.counts: Counter = Counter()
        self.stdout = ""
        self.memory: dict[str, Any] = {}  # what a task works out once and looks at for every record
        self.record_id = ""
        self.index = 0

    def chosen(self, role: str) -> str:
        """The name chosen for a role, or the template; empty when none is."""
        return self.definition.fields.get(role) or ""

    def value(self, sample: Row, role: str) -> str | None:
        """The text of the column chosen for `role`, or of the filled template; None when there is none."""
        chosen = self.chosen(role)
        if chosen in self.columns:
            return columns.text_of(sample, chosen, self.questions)
        return columns.fill(chosen, sample, self.questions) if chosen else None

    def values(self, sample: Row, role: str) -> list[str]:
        """All texts of the column chosen for `role`: several when annotators answered a text question."""
        return columns.texts_of(sample, self.chosen(role), self.questions)

    def count_duplicate(self) -> None:
        """The record that is being looked at gives a row that stands already."""
        self.counts["duplicates"] += 1
        self.leave_out(DUPLICATE)

    def leave_out(self, reason: str) -> None:
        """The record that is being looked at gives no row, or not all of its rows, because of `reason`."""
        ids = self.left_out.setdefault(reason, [])
        if not ids or ids[-1] != self.record_id:
            ids.append(self.record_id)


class SampleTask(Task):
    """See the module. The order of rows is the order of records; equal rows stand once, unless a function gave them."""

    drops_duplicates: ClassVar[bool] = True

    @abstractmethod
    def rows_of(self, sample: Row, account: Account) -> Iterator[Row]:
        """The canonical rows (without record_id) of one record by the chosen columns; tells `account` why none."""

    @abstractmethod
    def row_of(self, item: Any, record_id: str) -> Row:
        """The canonical row of one item of a formatting function. Raises WrongItem (see `wrong_item`)."""

    def items_of(self, given: list[Any]) -> list[Any]:
        """What a formatting function gave for a record, as items of one row each. By default each is one."""
        return given

    @abstractmethod
    def tabulate(self, account: Account) -> tuple[pa.Table, dict[str, Any]]:
        """`account.rows` (each with record_id) as the canonical table, and the task's info. There is at least one."""

    def check_choices(self, account: Account) -> None:
        """Raise UserError when the chosen columns do not make a task. By default: a role that is not optional is
        empty, names no column, or a column that can't take it.
        """
        candidates = self.candidates(account.dataset)
        for role, about in self.roles.items():
            chosen = account.chosen(role)
            if not chosen:
                if not about.optional:
                    raise UserError(f"{self.label} needs a column for “{about.label}”.", "Choose one.")
            elif about.kind == "template" and chosen not in account.columns:
                columns.check_template(chosen, account.columns, f"The template of “{about.label}”")
            elif chosen not in candidates[role]:
                can = ", ".join(candidates[role]) or "none of this dataset"
                what = "can't be used as" if chosen in account.columns else "is no column for"
                raise UserError(f"{chosen!r} {what} “{about.label}”.", f"Columns that can: {can}.")

    # ---- rows -------------------------------------------------------------------------------------------------------

    def rows(self, dataset: "FeedbackDataset", definition: "TrainingTask", *, seed: int = 42) -> Rows:
        """The canonical rows of `dataset`, in record order. Raises UserError when there is none, and says why."""
        if not len(dataset):
            raise UserError("The dataset has no records.", "Add records, or load another dataset.")
        account = Account(dataset, definition, seed)
        if definition.is_formatted:
            self._from_function(account)
        else:
            self._from_columns(account)
        if not account.rows:
            raise UserError(*self.nothing_left(account))
        table, info = self.tabulate(account)
        counts = {name: n for name, n in account.counts.items() if n}
        return Rows(table, info, account.left_out, counts, account.stdout)

    def outcomes(
        self, dataset: "FeedbackDataset", definition: "TrainingTask", *, seed: int = 42
    ) -> tuple[list[dict[str, Any]], str]:
        """For a preview, per record {"rows": [canonical row], "reason": why there is none, "wrong": bool}, and what a
        cell printed.
        """
        account = Account(dataset, definition, seed)
        if definition.is_formatted:
            self._from_function(account, strict=False)
        else:
            self._from_columns(account)
        reasons = {record_id: reason for reason, ids in account.left_out.items() for record_id in ids} | account.wrong
        of: dict[str, list[Row]] = {}
        for row in account.rows:
            of.setdefault(row[RECORD_ID], []).append({k: v for k, v in row.items() if k != RECORD_ID})
        ids = dataset.table[RECORD_ID].to_pylist()
        shown = [
            {"rows": of.get(i, []), "reason": "" if i in of else reasons.get(i, ""), "wrong": i in account.wrong}
            for i in ids
        ]
        return shown, account.stdout

    def _from_columns(self, account: Account) -> None:
        self.check_choices(account)
        seen: set[str] = set()
        ids = account.dataset.table[RECORD_ID].to_pylist()
        for index, (record_id, sample) in enumerate(zip(ids, account.dataset.samples(), strict=True)):
            account.index, account.record_id = index, record_id
            for row in self.rows_of(sample, account):
                key = json.dumps(row, sort_keys=True, default=str)
                if self.drops_duplicates and key in seen:
                    account.count_duplicate()
                    continue
                seen.add(key)
                account.rows.append({RECORD_ID: account.record_id} | row)

    def _from_function(self, account: Account, *, strict: bool = True) -> None:
        given = formatted_records(account.dataset, account.definition)
        account.stdout = given.stdout
        for index, (record_id, items) in enumerate(zip(given.record_ids, given.items, strict=True)):
            account.index, account.record_id = index, record_id
            items = self.items_of(items)
            account.counts["returned"] += bool(items)
            account.counts["none"] += not items
            account.counts["several"] += len(items) > 1
            if not items:
                account.leave_out(NOTHING_RETURNED)
            try:
                rows = [self.row_of(item, account.record_id) for item in items]
            except WrongItem as error:
                if strict:
                    raise
                account.wrong[account.record_id] = str(error)
                continue
            account.rows += [{RECORD_ID: account.record_id} | row for row in rows]

    def nothing_left(self, account: Account) -> tuple[str, str]:
        """Message and hint for rows that are none, with the count of each reason."""
        reasons = ", ".join(f"{reason} ({len(ids):,})" for reason, ids in account.left_out.items())
        hint = "Annotate more records, choose other columns, or look at what filter_by and max_records leave."
        if NOTHING_RETURNED in account.left_out:
            hint = f"Let formatting_func return {self.cell_returns}."
        return f"No rows are left to learn from. Records left out: {reasons or 'none'}.", hint


def wrong_item(item: Any, record_id: str, found: str, expected: str) -> WrongItem:
    """The error of an item that is no row: which record, what it was, what a row is."""
    shown = repr(item)
    shown = shown if len(shown) <= LONGEST_SHOWN else shown[:LONGEST_SHOWN] + "…"
    return WrongItem(f"For record {record_id!r} the formatting function gave {shown} ({found}).", expected)


def texts_in(item: Any, record_id: str, n: int, expected: str) -> list[str]:
    """An item that must be `n` texts (a tuple, or a list as JSON has it); numbers are read as their text."""
    if not isinstance(item, (tuple, list)) or len(item) != n:
        length = f" of {len(item)}" if isinstance(item, (tuple, list)) else ""
        raise wrong_item(item, record_id, f"{type(item).__name__}{length}", expected)
    return [as_text(value, item, record_id, expected) for value in item]


def as_text(value: Any, item: Any, record_id: str, expected: str) -> str:
    """A text, or a number as its text; anything else (True, None, a list) is no text of a row."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise wrong_item(item, record_id, f"{type(value).__name__} where a text belongs", expected)
    return str(value)
