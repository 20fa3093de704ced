"""Token classification by Transformers, really trained: quality, its own loader, windows, words, stopping."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from engine.errors import UserError
from engine.frameworks import _hf_tokens as tokens
from engine.frameworks import base_models
from engine.registry import FRAMEWORKS, TASKS
from engine.runs.events import Report
from engine.tasks.task import TaskData
from tests.frameworks.capitals import run_lines
from tests.frameworks.people import rows, span_data
from tests.frameworks.topics import Told

TASK = "token-classification"
QUICK = {"num_train_epochs": 3, "learning_rate": 5e-4}
PROBE = "Hana Grant took the night train from New York to Oslo."


def train(config: dict, data: TaskData, folder: Path, report: Report | None = None) -> Path:
    """Train on the embedded base model. → the model's folder."""
    chosen = FRAMEWORKS["transformers"]
    base = base_models.locate(base_models.EMBEDDED_ID)
    chosen.train(chosen.configs[TASK](**config), TASK, data, base, folder / "model", report or Told())
    return folder / "model"


@pytest.mark.slow
def test_learns_and_loads_with_transformers_itself(tmp_path: Path) -> None:
    data, told = span_data(), Told()
    model_dir = train(QUICK, data, tmp_path, told)
    predictor = FRAMEWORKS["transformers"].load(model_dir, TASK)
    report = TASKS[TASK].evaluate(predictor.predict(data.test["text"].to_pylist()), data.test, data.info, data.train)
    assert report["metrics"]["f1"] > 0.8
    assert told.values("loss")[-1] < told.values("loss")[0] / 2
    assert len(told.values("validation_f1")) == 3
    assert any(note.startswith("Kept the checkpoint of step ") and "validation f1" in note for note in told.notes)
    names = list(json.loads((model_dir / "config.json").read_text())["id2label"].values())
    assert names == ["O", "B-PLACE", "I-PLACE", "B-PERSON", "I-PERSON"]

    ours = predictor.predict([PROBE])[0]
    assert all(PROBE[span["start"] : span["end"]] == span["text"] for span in ours)
    usage = FRAMEWORKS["transformers"].usage(str(model_dir), TASK).replace("A text with a name in it.", PROBE)
    printed = run_lines(usage.replace("print(find(", "print([[s['start'], s['end'], s['entity_group']] for s in find(")
                        .replace('"))', '")])'), tmp_path)  # fmt: skip
    assert json.loads(printed.splitlines()[-1].replace("'", '"')) == [[s["start"], s["end"], s["label"]] for s in ours]

    # A text of many windows: spans are found in all of them, where they are.
    predictor.tokenizer.model_max_length = 32
    texts, spans = data.test["text"].to_pylist(), data.test["spans"].to_pylist()
    starts = [sum(len(text) + 1 for text in texts[:i]) for i in range(len(texts))]
    right = {(s["start"] + at, s["end"] + at) for at, row in zip(starts, spans, strict=True) for s in row}
    long, nothing = predictor.predict([" ".join(texts), ""])
    found = {(span["start"], span["end"]) for span in long}
    assert len(found & right) > 0.6 * len(right)
    assert any(start > starts[-6] for start, _ in found & right)
    assert nothing == []


@pytest.mark.slow
def test_stop_keeps_a_model_that_works_and_lost_spans_are_told(tmp_path: Path) -> None:
    told, data = Told(stop_after=2), span_data()
    split = pa.table({"record_id": ["x"], "text": ["Hana"], "spans": [[{"start": 0, "end": 2, "label": "PLACE"}]]})
    data.train = pa.concat_tables([data.train, split.cast(data.train.schema)])
    model_dir = train({"max_length": 64, "eval_strategy": "steps", "eval_steps": 100}, data, tmp_path, told)
    assert told.steps[-1] == (2, 48)
    assert "Stopped by its owner after step 2 of 48." in told.notes
    assert any("training spans begin or end inside a token; they are learned as whole" in note for note in told.notes)
    assert json.loads((model_dir / "tokenizer_config.json").read_text())["model_max_length"] == 64
    assert isinstance(FRAMEWORKS["transformers"].load(model_dir, TASK).predict([PROBE])[0], list)


@pytest.mark.slow
def test_words_of_the_data_are_kept(tmp_path: Path) -> None:
    """Where the source has words, their first tokens are learned, and texts are read in words like them."""
    data = span_data(train=16, validation=0)
    words = [[{"start": a, "end": b} for a, b in tokens.units(text, True)] for text in data.train["text"].to_pylist()]
    kind = pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32())]))
    data.train = data.train.append_column("tokens", pa.array(words, kind))
    data.info["has_tokens"] = True
    model_dir = train({"max_steps": 2}, data, tmp_path)
    assert FRAMEWORKS["transformers"].load(model_dir, TASK).given_words


def test_words_of_a_text() -> None:
    def words(text: str, given: bool = False) -> list[str]:
        return [text[start:end] for start, end in tokens.units(text, given)]

    assert words("Ann's U.S.-based shop: 3,5 €") == ["Ann", "'", "s", "U", ".", "S", ".", "-", "based", "shop", ":",
                                                      "3", ",", "5", "€"]  # fmt: skip
    assert words("Tokyo東京です İzmir") == ["Tokyo", "東", "京", "で", "す", "İzmir"]
    assert words('(Ann\'s) U.S. "York", @bo #x e.g. ...', True) == [
        "(", "Ann's", ")", "U.S.", '"', "York", '"', ",", "@bo", "#x", "e.g.", ".", ".", ".",
    ]  # fmt: skip
    assert words("") == []


@pytest.mark.slow
def test_windows_cover_every_word_once_or_more_and_mark_first_tokens() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_models.locate(base_models.EMBEDDED_ID))
    tokenizer.model_max_length = 16
    texts = [row["text"] for row in rows(6, 5).to_pylist()] + ["Antidisestablishmentarianism in Oslo " * 5, ""]
    words = [tokens.units(text) for text in texts]
    parts = list(tokens.windows(tokenizer, texts, words))
    assert all(len(part.words) <= 16 for part in parts)
    for row, found in enumerate(words):
        seen = [word for part in parts if part.row == row for word in part.words if word >= 0]
        assert set(seen) == set(range(len(found)))
        for part in parts:
            if part.row == row:
                mine = [word for word in part.words if word >= 0]
                assert mine == sorted(set(mine))


@pytest.mark.slow
def test_a_decoder_is_refused() -> None:
    from tests.models import tiny_llm

    with pytest.raises(UserError, match="is a decoder: it reads from left to right"):
        FRAMEWORKS["transformers"].check_base(tiny_llm(), TASK)
