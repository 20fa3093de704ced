"""Chat completion with TRL, really trained on a tiny model: answers, its own loader, LoRA objects of a script."""

from pathlib import Path

import pytest
from peft import LoraConfig

from engine import ArgillaTrainer, TrainingTask
from engine.registry import FRAMEWORKS
from tests.annotated import plain
from tests.frameworks.capitals import PLACES, QUICK, data_of, run_lines, train
from tests.frameworks.topics import Told
from tests.models import tiny_llm

pytestmark = pytest.mark.slow

TASK = "chat-completion"
TRL = FRAMEWORKS["trl"]


def test_answers_messages_as_its_library_does(tmp_path: Path) -> None:
    data, told = data_of("messages"), Told()
    model_dir = train(TASK, {"num_train_epochs": 6}, data, tmp_path, told)
    model = TRL.load(model_dir, TASK)
    before, after = TRL.load_base(tiny_llm(), TASK).score(data.test), model.score(data.test)
    assert after["loss"] < before["loss"] - 2
    assert len(told.values("validation_loss")) == 6
    question = [{"role": "user", "content": "Capital of Peru?"}]
    answer = model.predict([question])[0]
    assert answer.keys() == {"role", "content"}
    printed = run_lines(TRL.usage(str(model_dir), TASK).replace("Hello!", "Capital of Peru?"), tmp_path)
    assert printed.split() == answer["content"].split()


def test_a_stop_keeps_what_was_learned(tmp_path: Path) -> None:
    told = Told(stop_after=2)
    model_dir = train(TASK, {}, data_of("messages", validation=False), tmp_path, told)
    assert told.steps[-1][0] == 2
    assert TRL.load(model_dir, TASK).predict(["Hello"], max_new_tokens=2)[0]["role"] == "assistant"


def test_a_script_trains_an_adapter_and_reads_its_report(tmp_path: Path) -> None:
    dataset = plain({"question": [f"Capital of {place}?" for place in PLACES], "answer": list(PLACES.values())})
    task = TrainingTask.for_chat_completion(system="Be brief.", user="{question}", assistant="answer")
    trainer = ArgillaTrainer(dataset, task, framework="trl", model=tiny_llm(), train_size=0.75)
    trainer.update_config(**QUICK, peft_config=LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj"]))
    assert trainer.config.use_lora
    assert (trainer.config.r, trainer.config.lora_alpha, trainer.config.target_modules) == (4, 8, ["q_proj"])
    trainer.train(tmp_path / "out")
    assert (tmp_path / "out" / "adapter_config.json").is_file()
    assert trainer.report["metrics"].keys() == {"loss", "perplexity", "token_accuracy"}
    assert trainer.report["baseline"]["metrics"]["loss"] > 0
    assert [len(trainer.report["samples"]), trainer.report["n"]["test"]] == [3, 3]
    answer = trainer.predict("Capital of Peru?", max_new_tokens=3)
    assert answer["role"] == "assistant"
    assert ArgillaTrainer.load(tmp_path / "out").predict("Capital of Peru?", max_new_tokens=3) == answer
