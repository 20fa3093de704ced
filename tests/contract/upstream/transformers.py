"""transformers.TrainingArguments; Seq2SeqTrainingArguments for text2text."""

from typing import Any

from tests.contract.upstream.dataclass_defaults import SHARED, TRAINER_DIFFERENT, defaults

OURS = SHARED | {
    "freeze_base_model": "requires_grad of the base's weights",
    "doc_stride": "the tokenizer's stride; 128 as in run_qa.py",
    "max_answer_length": "the longest run of tokens looked at; 30 as in run_qa.py",
    "max_target_length": "the tokenizer's argument for targets; 128 as in run_summarization.py",
}
DIFFERENT = TRAINER_DIFFERENT


def upstream(task: str) -> dict[str, Any]:
    from transformers import Seq2SeqTrainingArguments, TrainingArguments

    return defaults(Seq2SeqTrainingArguments if task == "text2text" else TrainingArguments)
