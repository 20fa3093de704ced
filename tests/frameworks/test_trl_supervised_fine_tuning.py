"""TRL's fine-tuning, really done on a tiny model: loss, masks, what is cut, its own loader, stopping, refusals."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine import UserError
from engine.frameworks import _trl_common, _trl_rows, _trl_sft
from engine.registry import FRAMEWORKS
from tests.frameworks.capitals import BY_HEART, data_of, rows, run_lines, train
from tests.frameworks.topics import Told
from tests.models import encoder, tiny_llm, tiny_seq2seq

pytestmark = pytest.mark.slow

TASK = "supervised-fine-tuning"
TRL = FRAMEWORKS["trl"]


def tokenizer() -> Any:
    return _trl_common.load_writer_tokenizer(tiny_llm())


# ---- learning -------------------------------------------------------------------------------------------------------


def test_learns_completions_by_heart_and_stops_where_they_end(tmp_path: Path) -> None:
    data, told = data_of("prompt"), Told()
    model_dir = train(TASK, BY_HEART, data, tmp_path, told)
    model = TRL.load(model_dir, TASK)
    before, after = TRL.load_base(tiny_llm(), TASK).score(data.test), model.score(data.test)
    assert after["loss"] < 0.2 < 10 < before["loss"]
    assert after["token_accuracy"] > 0.9
    assert after["perplexity"] == pytest.approx(2.718281828 ** after["loss"])
    assert model.predict(data.test["prompt"].to_pylist(), max_new_tokens=10) == ["Paris", "Rome", "Madrid", "Oslo"]
    assert told.stages == ["loading", "training", "saving"]
    assert told.values("loss")[-1] < told.values("loss")[0] / 4
    assert told.steps[-1] == (60, 60)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    assert not any(tiny_llm().encode() in path.read_bytes() for path in model_dir.iterdir())
    printed = run_lines(TRL.usage(str(model_dir), TASK).replace("A prompt.", "Capital of Peru?\\n"), tmp_path)
    assert printed.splitlines()[-1] == model.predict(["Capital of Peru?\n"])[0] == "Lima"


def test_the_best_checkpoint_is_kept_and_the_figures_are_the_validations(tmp_path: Path) -> None:
    data, told = data_of("prompt"), Told()
    model_dir = train(TASK, {"num_train_epochs": 3}, data, tmp_path, told)
    losses = told.values("validation_loss")
    assert len(losses) == len(told.values("validation_mean_token_accuracy")) == 3
    assert losses[-1] < losses[0]
    assert any("Kept the checkpoint of step 6: validation loss" in note for note in told.notes)
    scores = TRL.load(model_dir, TASK).score(data.validation)
    assert scores["loss"] == pytest.approx(min(losses), rel=1e-3)


def test_an_adapter_is_small_and_loads_with_peft_itself(tmp_path: Path) -> None:
    data, told = data_of("prompt", validation=False), Told()
    config = {"use_lora": True, "learning_rate": 2e-2, "lora_dropout": 0.0, "num_train_epochs": 20}
    model_dir = train(TASK, config, data, tmp_path, told)
    model = TRL.load(model_dir, TASK)
    assert model.score(data.test)["loss"] < TRL.load_base(tiny_llm(), TASK).score(data.test)["loss"] - 0.1
    adapter = json.loads((model_dir / "adapter_config.json").read_text())
    assert (adapter["r"], adapter["task_type"], adapter["base_model_name_or_path"]) == (16, "CAUSAL_LM", tiny_llm())
    assert not (model_dir / "model.safetensors").exists()
    assert any(note.startswith("Training ") and "weights" in note for note in told.notes)
    prompt = "Capital of Peru?\n"
    lines = (
        "from peft import AutoPeftModelForCausalLM\nfrom transformers import AutoTokenizer\n"
        f"model = AutoPeftModelForCausalLM.from_pretrained({str(model_dir)!r})\n"
        f"tokenizer = AutoTokenizer.from_pretrained({str(model_dir)!r})\n"
        f"given = tokenizer({prompt!r}, return_tensors='pt')\n"
        "made = model.generate(**given, max_new_tokens=8, do_sample=False)[0, given['input_ids'].shape[1]:]\n"
        "print(repr(tokenizer.decode(made, skip_special_tokens=True)))\n"
    )
    ours = model.predict([prompt], max_new_tokens=8)[0]
    assert run_lines(lines, tmp_path).splitlines()[-1] == repr(ours)
    usage = TRL.usage(str(model_dir), TASK).replace("A prompt.", "Capital of Peru?\\n").replace("=64", "=8")
    assert run_lines(usage, tmp_path).splitlines()[-1] == ours.splitlines()[-1]


@pytest.mark.parametrize("kind", ["text", "messages"])
def test_learns_whole_texts_and_conversations(tmp_path: Path, kind: str) -> None:
    data = data_of(kind, validation=False)
    model = TRL.load(train(TASK, {}, data, tmp_path), TASK)
    assert model.score(data.test)["loss"] < TRL.load_base(tiny_llm(), TASK).score(data.test)["loss"] / 2
    assert model.as_chat == (kind == "messages")  # a prompt is then what a user says


def test_packing_puts_several_rows_into_one(tmp_path: Path) -> None:
    data, told = data_of("prompt", validation=False), Told()
    config = {"packing": True, "max_length": 64, "per_device_train_batch_size": 1}
    model_dir = train(TASK, config, data, tmp_path, told)
    assert told.steps[-1][1] <= 12 * 3  # 12 rows one by one would be 12 steps an epoch
    assert TRL.load(model_dir, TASK).score(data.test)["loss"] < 8


def test_a_stop_keeps_what_was_learned(tmp_path: Path) -> None:
    told = Told(stop_after=3)
    model_dir = train(TASK, {"eval_strategy": "steps", "eval_steps": 2}, data_of("prompt"), tmp_path, told)
    assert told.steps[-1][0] == 3
    assert any(note.startswith("Stopped by its owner after step 3 of 24") for note in told.notes)
    assert TRL.load(model_dir, TASK).predict(["Capital"], max_new_tokens=3)


# ---- what takes part in the loss ------------------------------------------------------------------------------------


def test_held_out_figures_count_what_is_trained_on() -> None:
    base, table = TRL.load_base(tiny_llm(), TASK), rows("prompt", ["Peru", "Cuba"])
    whole = _trl_sft.Config(completion_only_loss=False)
    assert base.score(table) == TRL.held_out_scores(base, table, _trl_sft.Config(), TASK)
    assert TRL.held_out_scores(base, table, whole, TASK)["loss"] != base.score(table)["loss"]


def learned(table: pa.Table, max_length: int = 512, **options: Any) -> list[str]:
    """The text of the labelled tokens of each row."""
    reader = tokenizer()
    found = _trl_rows.encode(table, reader, max_length, **options)
    return [reader.decode([label for label in labels if label >= 0]) for _, labels in found.rows]


def test_only_completions_and_assistants_are_learned_with_the_end_token() -> None:
    assert learned(rows("prompt", ["Peru"])) == ["Lima<|im_end|>"]
    assert learned(rows("prompt", ["Peru"]), completion_only=False) == ["Capital of Peru?\nLima<|im_end|>"]
    assert learned(rows("text", ["Peru"])) == ["Capital of Peru?\nLima<|im_end|>"]
    assert learned(rows("messages", ["Peru"])) == ["Lima<|im_end|>\n"]
    assert learned(rows("messages", ["Peru"]), assistant_only=False)[0].startswith("<|im_start|>system\n")


def test_every_turn_of_the_assistant_is_learned() -> None:
    turns = [("user", "a"), ("assistant", "one"), ("user", "b"), ("assistant", "two"), ("user", "c")]
    said = [{"role": role, "content": content} for role, content in turns]
    assert learned(pa.table({"record_id": ["r"], "messages": [said]})) == ["one<|im_end|>\ntwo<|im_end|>\n"]


def test_a_model_without_a_chat_template_gets_one_that_marks_the_assistant(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    reader = tokenizer()
    reader.chat_template = None
    reader.save_pretrained(bare)
    told = Told()
    reader = _trl_common.load_writer_tokenizer(str(bare), told)
    assert told.notes == ["The base model has no chat template: messages are written as ChatML, saved with the model."]
    ids, labels = _trl_rows.encode(rows("messages", ["Peru"]), reader, 512).rows[0]
    assert reader.decode(ids) == "<|im_start|>user\nCapital of Peru?<|im_end|>\n<|im_start|>assistant\nLima<|im_end|>\n"
    assert reader.decode([label for label in labels if label >= 0]) == "Lima<|im_end|>"


def test_a_template_whose_earlier_turns_change_is_learned_whole_and_told() -> None:
    reader = tokenizer()
    reader.chat_template = "{{ messages | length }}{% for m in messages %}{{ m['content'] }} {% endfor %}"
    told = Told()
    _trl_rows.told(_trl_rows.encode(rows("messages", ["Peru"]), reader, 512), "training", 512, told)
    assert told.notes == [
        "1 training conversations are learned whole, the user's words too: the chat template does not tell which "
        "tokens are the assistant's."
    ]


def test_conversations_that_the_template_refuses_are_counted() -> None:
    reader = tokenizer()
    reader.chat_template = "{{ raise_exception('no system role here') }}"
    with pytest.raises(UserError) as caught:
        _trl_rows.told(_trl_rows.encode(rows("messages", ["Peru"]), reader, 512), "training", 512, Told())
    assert caught.value.message == (
        "There is nothing to learn in the 1 training rows: the chat template refuses all of them (no system role here)."
    )


def test_what_is_cut_is_counted_and_rows_without_an_answer_left_are_left_out(tmp_path: Path) -> None:
    table = pa.table(
        {"record_id": ["a", "b", "c"], "prompt": ["x " * 3, "x " * 20, "x "], "completion": ["y", "y", "y " * 20]}
    )
    found = _trl_rows.encode(table, tokenizer(), 10)
    assert (found.given, found.longer, found.nothing_left, len(found.rows)) == (3, 2, 1, 2)
    told = Told()
    _trl_rows.told(found, "training", 10, told)
    assert told.notes == [
        f"2 of 3 training rows are longer than 10 tokens; what is beyond is cut: {found.tokens_cut} of "
        f"{found.tokens} tokens.",
        "1 training rows are left out: nothing to learn is left of them within 10 tokens.",
    ]
    with pytest.raises(UserError) as caught:
        train(TASK, {"max_length": 4}, data_of("prompt"), tmp_path)
    assert caught.value.message == (
        "There is nothing to learn in the 12 training rows: within 4 tokens, nothing is left of any answer."
    )


# ---- refusals and settings ------------------------------------------------------------------------------------------


def test_models_that_do_not_write_are_refused_by_their_config() -> None:
    with pytest.raises(UserError, match=r"The base model does not write text \(BertModel\)"):
        TRL.check_base(encoder(), TASK)
    with pytest.raises(UserError, match="The base model is a sequence-to-sequence model"):
        TRL.check_base(tiny_seq2seq(), TASK)
    with pytest.raises(UserError, match="is not a Transformers model"):
        TRL.check_base("blank:en", TASK)
    TRL.check_base(tiny_llm(), TASK)


def test_four_bits_are_refused_in_words_where_they_can_not_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="A model in 4 bits can't be trained itself"):
        _trl_sft.Config(load_in_4bit=True)
    with pytest.raises(UserError) as caught:
        train(TASK, {"load_in_4bit": True, "use_lora": True, "use_cpu": True}, data_of("text"), tmp_path)
    assert caught.value.message == "A 4-bit base (QLoRA) needs a CUDA GPU, and this machine has none."


def test_a_longer_row_than_the_model_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        train(TASK, {"max_length": 600}, data_of("text"), tmp_path)
    assert caught.value.message == "Longest row: 600 tokens is more than the 512 that this base model can read."


def test_arguments_go_to_trl_or_are_refused(tmp_path: Path) -> None:
    from trl import SFTConfig

    config = _trl_sft.Config(use_lora=True, extra_arguments={"shuffle_dataset": True}, gradient_checkpointing=False)
    arguments = _trl_common.training_arguments(config, data_of("text"), tmp_path, SFTConfig)
    assert (arguments.learning_rate, arguments.shuffle_dataset) == (pytest.approx(2e-4), True)
    assert (arguments.activation_checkpointing, arguments.report_to, arguments.bf16) == (False, [], False)
    config = _trl_sft.Config(extra_arguments={"chat_template_path": "x"})
    with pytest.raises(UserError, match="'chat_template_path' can't be set"):
        _trl_common.training_arguments(config, data_of("text"), tmp_path, SFTConfig)


def test_sampling_is_repeatable_and_a_long_prompt_keeps_its_end() -> None:
    model = TRL.load_base(tiny_llm(), TASK)
    drawn = [model.predict(["Once"], temperature=1.0, seed=seed, max_new_tokens=8)[0] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert model.predict(["word " * 2000], max_new_tokens=4)
    with pytest.raises(UserError, match="An input must be a text, or a list of messages"):
        model.predict([""])
