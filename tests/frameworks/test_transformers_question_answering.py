"""Question answering by Transformers, really trained: quality, its own loader, windows, stopping, refusals."""

import json
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.registry import FRAMEWORKS
from tests.frameworks.capitals import run_lines
from tests.frameworks.prices import LONG, TASK, held_out_f1, price_data, train
from tests.frameworks.topics import Told

pytestmark = pytest.mark.slow

QUICK = {"num_train_epochs": 3, "learning_rate": 5e-4}
QUESTION, CONTEXT = "How much is the piano?", "Somebody paid 315 euros for the piano."


def test_learns_and_answers_with_transformers_itself(tmp_path: Path) -> None:
    data, told = price_data(), Told()
    model_dir = train("transformers", QUICK, data, tmp_path, told)
    f1, baseline = held_out_f1("transformers", model_dir, data)
    assert f1 > 0.6 > baseline
    assert told.values("loss")[-1] < told.values("loss")[0] / 2
    assert len(told.values("validation_f1")) == len(told.values("validation_exact_match")) == 3
    assert any(f"validation f1 {max(told.values('validation_f1')):.3f} on 16 rows." in note for note in told.notes)
    assert told.steps[-1] == (60, 60)  # 120 rows, 40 of them with two answers
    assert told.stages == ["loading", "training", "saving"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]

    predictor = FRAMEWORKS["transformers"].load(model_dir, TASK)
    ours = predictor.predict([{"question": QUESTION, "context": CONTEXT}])[0]
    assert CONTEXT[ours["start"] : ours["end"]] == ours["answer"]
    usage = FRAMEWORKS["transformers"].usage(str(model_dir), TASK)
    usage = usage.replace("What is asked?", QUESTION).replace("The text that holds the answer.", CONTEXT)
    assert run_lines(usage, tmp_path) == ours["answer"]

    # The answer is found in any window of a long context, and its characters are counted from the context's start.
    long = {"question": QUESTION, "context": LONG + CONTEXT + " " + LONG}
    found = predictor.predict([long, {"question": QUESTION, "context": ""}, long])
    assert long["context"][found[0]["start"] : found[0]["end"]] == found[0]["answer"]
    assert "315" in found[0]["answer"]
    assert found[0]["start"] > len(LONG)
    assert found[1] == {"answer": "", "start": 0, "end": 0, "score": 0.0}
    assert (found[2]["start"], found[2]["end"]) == (found[0]["start"], found[0]["end"])
    with pytest.raises(UserError) as caught:
        predictor.predict(["How much?"])
    assert caught.value.message == "Input 1 is 'How much?' (str), not a question and its context."


def test_stop_keeps_a_model_that_works_and_settings_are_saved(tmp_path: Path) -> None:
    told = Told(stop_after=2)
    config = {"max_length": 64, "doc_stride": 16, "max_answer_length": 7, "freeze_base_model": True}
    model_dir = train("transformers", config, price_data(), tmp_path, told)
    assert told.steps[-1] == (2, 60)
    assert "Stopped by its owner after step 2 of 60." in told.notes
    assert json.loads((model_dir / "tokenizer_config.json").read_text())["model_max_length"] == 64
    saved = json.loads((model_dir / "config.json").read_text())
    assert (saved["max_answer_length"], saved["doc_stride"]) == (7, 16)
    predictor = FRAMEWORKS["transformers"].load(model_dir, TASK)
    assert (predictor.longest, predictor.stride) == (7, 16)
    answer = predictor.predict([{"question": "How " * 90 + "much?", "context": LONG}])[0]["answer"]
    assert answer in LONG and 0 < len(answer.split()) <= 7


def test_a_model_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    from tests.models import tiny_llm, tiny_seq2seq

    check = FRAMEWORKS["transformers"].check_base
    with pytest.raises(UserError) as caught:
        check(tiny_llm(), TASK)
    assert str(caught.value) == (
        "The base model (LlamaForCausalLM) is a decoder: it reads from left to right, and never sees what follows a "
        "word. Question answering needs an encoder. "
        "Choose an encoder such as distilbert/distilroberta-base or answerdotai/ModernBERT-base."
    )
    with pytest.raises(UserError, match="turns texts into texts; Question answering needs an encoder"):
        check(tiny_seq2seq(), TASK)
    with pytest.raises(UserError, match="is not a Transformers model, so Transformers can't train it"):
        check(str(tmp_path), TASK)
