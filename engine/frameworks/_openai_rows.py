"""Canonical rows ⇄ the messages of a chat model: what is sent to learn from, what is asked, and what an answer means.

`about` is a plain dict that is kept beside the model (openai.json), so that asking later is done as in training.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.errors import UserError
from engine.frameworks._classification import ranked
from engine.runs.events import Report

Message = dict[str, str]

# The provider's rules (developers.openai.com: supervised fine-tuning; Files API), checked before anything is sent.
FEWEST_ROWS = 10
ADVISED_ROWS = 50
LONGEST_ROW = 65_536  # tokens; what is beyond is cut off the end, and the answer stands there
BYTES_A_TOKEN = 4  # of English; no tokenizer of the provider's is at hand
BIGGEST_FILE = 512 * 1024**2
ROLES = ("system", "developer", "user", "assistant", "tool")
SEPARATORS = (", ", "; ", " | ", "\n")
NO_LABEL = ("none", "no label", "none of these labels")


def about_task(task: str, instruction: str, info: dict[str, Any]) -> dict[str, Any]:
    """What the rows and the questions of a task have in common: {"task", "system", …}."""
    if "classes" not in info:
        return {"task": task, "system": instruction.strip()}
    classes = list(info["classes"])
    about = {"task": task, "classes": classes, "multi_label": info["multi_label"]}
    if info["multi_label"]:
        about["separator"] = next((s for s in SEPARATORS if not any(s.strip(" ") in c for c in classes)), "\n")
        about["nothing"] = next((n for n in NO_LABEL if n not in {c.casefold() for c in classes}), "–")
    return about | {"system": instruction.strip() or _instruction(about)}


def _instruction(about: dict[str, Any]) -> str:
    listed = "\n".join(f"- {label}" for label in about["classes"])
    if not about["multi_label"]:
        return f"Classify the text. Answer with exactly one of these labels and nothing else:\n{listed}"
    between = {"\n": "one a line", ", ": "separated by commas", "; ": "separated by semicolons"}
    return (
        "Classify the text. Answer with every one of these labels that fits and nothing else, "
        f"{between.get(about['separator'], 'separated by bars')}; with “{about['nothing']}” when none fits:\n{listed}"
    )


# ---- rows → messages ------------------------------------------------------------------------------------------------


def examples(table: pa.Table, about: dict[str, Any]) -> Iterator[list[Message]]:
    """The conversation to learn from of each canonical row, in order."""
    return EXAMPLES[about["task"]](table, about)


def question(given: Any, about: dict[str, Any]) -> list[Message]:
    """The messages that ask for one input of predict: a text, or messages as they are."""
    if not isinstance(given, str):
        return [{"role": message["role"], "content": message["content"]} for message in given]
    system = [{"role": "system", "content": about["system"]}] if about["system"] else []
    return [*system, {"role": "user", "content": given}]


def _classified(table: pa.Table, about: dict[str, Any]) -> Iterator[list[Message]]:
    column = "labels" if about["multi_label"] else "label"
    for batch in table.select(["text", column]).to_batches():
        for row in batch.to_pylist():
            answer = _joined(row[column], about) if about["multi_label"] else row[column]
            yield [*question(row["text"], about), {"role": "assistant", "content": answer}]


def _joined(labels: list[str], about: dict[str, Any]) -> str:
    return about["separator"].join(labels) or about["nothing"]


def _rewritten(table: pa.Table, about: dict[str, Any]) -> Iterator[list[Message]]:
    for batch in table.select(["text", "target"]).to_batches():
        for row in batch.to_pylist():
            yield [*question(row["text"], about), {"role": "assistant", "content": row["target"]}]


def _chats(table: pa.Table, about: dict[str, Any]) -> Iterator[list[Message]]:
    """Each up to the assistant's last answer: the provider takes no other end, and nothing is learned from one."""
    for batch in table.select(["messages"]).to_batches():
        for row in batch.to_pylist():
            said = question(row["messages"], about)
            yield said[: len(said) - unanswered(said)]


def unanswered(messages: list[Message]) -> int:
    """How many messages follow the assistant's last one; none where it never speaks, which the rules refuse."""
    turns = [message["role"] for message in messages]
    return turns[::-1].index("assistant") if "assistant" in turns else 0


Examples = Callable[[pa.Table, dict[str, Any]], Iterator[list[Message]]]
EXAMPLES: dict[str, Examples] = {
    "text-classification": _classified,
    "text2text": _rewritten,
    "chat-completion": _chats,
}


# ---- messages → JSONL -----------------------------------------------------------------------------------------------


def write_jsonl(table: pa.Table, about: dict[str, Any], path: Path) -> Path:
    """One {"messages": […]} a line, in the rows' order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for messages in examples(table, about):
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    return path


def check_rules(table: pa.Table, about: dict[str, Any], path: Path, report: Report, *, training: bool) -> None:
    """Raise UserError, naming the record, where rows break the provider's rules; note what it will cut.

    `path`: the file that was written of the table. Rules are those of OpenAI; others ask for no less.
    """
    split = "training" if training else "validation"
    if training and len(table) < FEWEST_ROWS:
        raise UserError(
            f"There are {len(table)} training rows, and the provider takes {FEWEST_ROWS} or more.",
            "Annotate more records, or give training a larger share.",
        )
    if path.stat().st_size > BIGGEST_FILE:
        raise UserError(
            f"The {split} file is {path.stat().st_size / 1e6:.0f} MB, and the provider takes 512 MB.", "Use fewer rows."
        )
    broken, long = [], 0
    for record_id, messages in zip(table["record_id"].to_pylist(), examples(table, about), strict=True):
        reason = broken_rule(messages)
        broken += [(record_id, reason)] if reason else []
        long += sum(len(message["content"] or "") for message in messages) > LONGEST_ROW * BYTES_A_TOKEN
    if broken:
        record_id, reason = broken[0]
        raise UserError(
            f"{len(broken):,} of {len(table):,} {split} rows break the provider's rules; "
            f"record {record_id!r}: {reason}.",
            "Correct them, or leave those records out.",
        )
    if long:
        report.note(
            f"{long:,} of {len(table):,} {split} rows may be longer than {LONGEST_ROW:,} tokens; their end is cut."
        )
    ends = (
        [unanswered(messages) for messages in table["messages"].to_pylist()] if "messages" in table.schema.names else []
    )
    if any(ends):
        count = sum(map(bool, ends))
        report.note(f"{count:,} {split} conversations go on after the last answer; that end is left out.")
    if training and len(table) < ADVISED_ROWS:
        report.note(f"{len(table)} training rows are few; the provider advises {ADVISED_ROWS} to 100.")


def broken_rule(messages: list[Message]) -> str:
    """What is wrong with a conversation to learn from, in words; empty when nothing is."""
    if not messages:
        return "it has no message"
    for i, message in enumerate(messages, start=1):
        if message["role"] not in ROLES:
            return f"message {i} has the role {message['role']!r}, which is none of {', '.join(ROLES)}"
        if not (message["content"] or "").strip():
            return f"message {i} ({message['role']}) is empty"
    if messages[-1]["role"] != "assistant":
        return f"its last message is by {messages[-1]['role']!r}, not by the assistant, so there is nothing to learn"
    return ""


# ---- answers → outputs ----------------------------------------------------------------------------------------------


def output(answer: str, about: dict[str, Any]) -> tuple[Any, bool]:
    """An answer in the task's predict shape, and whether it could be understood."""
    return OUTPUTS[about["task"]](answer, about)


def _labels(answer: str, about: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """1 for the labels answered, 0 for the others; nothing but 0 for an answer that names no label."""
    classes = about["classes"]
    if not about["multi_label"]:
        found = {_class_of(answer, classes)}
    elif _plain(answer) == _plain(about["nothing"]):
        found = set()
    else:
        found = {_class_of(part, classes) for part in answer.split(about["separator"].strip(" ")) if part.strip()}
    understood = None not in found and bool(answer.strip())
    return ranked(classes, [float(label in found) for label in classes]), understood


def _class_of(answer: str, classes: list[str]) -> str | None:
    """The class that an answer names: exactly, or but for case, spaces, quotes and a full stop; None: none or two."""
    if answer.strip() in classes:
        return answer.strip()
    alike = [label for label in classes if _plain(label) == _plain(answer)]
    return alike[0] if len(alike) == 1 else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" \"'“”‘’`*.-")


OUTPUTS: dict[str, Callable[[str, dict[str, Any]], tuple[Any, bool]]] = {
    "text-classification": _labels,
    "text2text": lambda answer, about: (answer, True),
    "chat-completion": lambda answer, about: ({"role": "assistant", "content": answer}, True),
}
