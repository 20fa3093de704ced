"""An OpenAI-style fine-tuning API: a provider gets the rows, trains and keeps the model; we keep the model's name."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar

from engine.errors import UserError
from engine.frameworks import _openai_rows as rows
from engine.frameworks._openai_client import KEY, OPENAI, host, in_words, open_client
from engine.frameworks._openai_config import InstructedConfig, OpenAIConfig, check_address
from engine.frameworks._openai_job import fine_tune
from engine.frameworks._openai_predictor import OpenAIPredictor
from engine.frameworks.framework import Framework, Predictor, SuggestedModel, TrainerConfig
from engine.runs.events import Report
from engine.tasks.task import SPLITS, TaskData

ABOUT = "openai.json"  # the tuned model's name, and how it is asked
ENDS = "Ends on 14 January 2027, with every model tuned from it."
SUGGESTED = (
    SuggestedModel("gpt-4.1-mini-2025-04-14", 0, f"A good start: small and able. {ENDS}"),
    SuggestedModel("gpt-4.1-2025-04-14", 0, f"Larger and dearer. {ENDS}"),
    SuggestedModel("gpt-4o-mini-2024-07-18", 0, f"The older small one. {ENDS}"),
    SuggestedModel("gpt-4o-2024-08-06", 0, f"The older large one. {ENDS}"),
)
# What OpenAI itself lists but does not fine-tune on text. Other providers are asked for all that they list.
TUNABLE_AT_OPENAI = ("gpt-4.1", "gpt-4o")
NO_CHAT = "audio realtime transcribe tts search image whisper dall-e embedding moderation nano sora codex".split()


class OpenAI(Framework):
    name: ClassVar[str] = "openai"
    label: ClassVar[str] = "OpenAI-style API"
    summary: ClassVar[str] = "Trains at a provider, for money: your rows are sent there, and the model stays there."
    requires: ClassVar[tuple[str, ...]] = ("openai",)
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {
        "text-classification": InstructedConfig,
        "text2text": InstructedConfig,
        "chat-completion": OpenAIConfig,
    }
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]] = dict.fromkeys(configs, SUGGESTED)
    library_name: ClassVar[str] = "openai"
    needs_network: ClassVar[bool] = True
    trains_elsewhere: ClassVar[bool] = True
    secrets: ClassVar[tuple[str, ...]] = (KEY,)
    exports_rows: ClassVar[bool] = True
    bases_at_hub: ClassVar[bool] = False
    base_by_name: ClassVar[bool] = True
    notice: ClassVar[str] = (
        "OpenAI is closing fine-tuning: to new organisations since 7 May 2026, to those that had not used it lately "
        "since 2 July 2026, to everyone on 6 January 2027. Its tunable models, and what was tuned from them, end on "
        "14 January 2027. Another provider with the same API works by its address, and the rows can be had as JSONL."
    )
    published_note: ClassVar[str] = (
        "The model itself stays at the provider and answers only to the account that trained it. Published are its "
        "name (openai.json) and the rows it was trained on, word for word (train.jsonl, validation.jsonl)."
    )

    def train(self, config: OpenAIConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
        report.stage("writing the rows")
        about = self._about(config, task, data)
        tables = {split: getattr(data, split) for split in ("train", "validation")}
        files = {
            split: rows.write_jsonl(table, about, out_dir / f"{split}.jsonl")
            for split, table in tables.items()
            if table is not None
        }
        for split, path in files.items():
            rows.check_rules(tables[split], about, path, report, training=split == "train")
        with open_client(config.base_url) as client:
            report.note(f"The rows are sent to {host(config.base_url)}, with the key {KEY}.")
            tuned = fine_tune(client, config, base, files, report)
        report.stage("saving")
        about |= tuned | {"base_model": base, "base_url": config.base_url or None}
        (out_dir / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")

    def export_rows(self, config: OpenAIConfig, task: str, data: TaskData, folder: Path) -> list[Path]:
        about = self._about(config, task, data)
        tables = {split: getattr(data, split) for split in SPLITS}
        return [
            rows.write_jsonl(table, about, folder / f"{split}.jsonl")
            for split, table in tables.items()
            if table is not None
        ]

    def load(self, model_dir: Path, task: str) -> Predictor:
        path = model_dir / ABOUT
        if not path.is_file():
            raise UserError(
                f"There is no {ABOUT} in {model_dir.name}, so the tuned model is not known.", "Train again."
            )
        about = json.loads(path.read_text(encoding="utf-8"))
        try:
            check_address(about.get("base_url") or "")
        except ValueError as error:
            raise UserError(f"{error}.", f"Correct base_url in {ABOUT}.") from error
        return OpenAIPredictor(about)

    def usage(self, repo_id: str, task: str) -> str:
        asked = '[{"role": "user", "content": "A text."}]'
        system = '[{"role": "system", "content": about["system"]}] * bool(about["system"]) + '
        return (
            "import json\n"
            "from huggingface_hub import hf_hub_download\n"
            "from openai import OpenAI\n"
            "\n"
            f'about = json.load(open(hf_hub_download("{repo_id}", "{ABOUT}")))\n'
            f"messages = {system}{asked}\n"
            f"client = OpenAI()  # {KEY} of the account that trained it; OPENAI_BASE_URL where it is not OpenAI\n"
            'answer = client.chat.completions.create(model=about["model"], messages=messages, temperature=0)\n'
            "print(answer.choices[0].message.content)\n"
        )

    def locate_base(self, base_model: str) -> str | None:
        """The name itself: the model is at the provider, and nothing is downloaded."""
        return base_model.strip()

    def check_run_file(self, config: OpenAIConfig) -> None:
        """Only the address that the reader set themselves may get their key."""
        if config.base_url and host(config.base_url) != host():
            raise UserError(
                f"This run file sends your key {KEY} and the rows to {host(config.base_url)}.",
                f"If you trust that provider, set OPENAI_BASE_URL={config.base_url} and start again.",
            )

    def remote_models(self, secrets: Mapping[str, str], config: Mapping[str, Any]) -> list[SuggestedModel] | None:
        """What the provider lists now and could be fine-tuned, as far as it says; those shut down are left out."""
        base_url = str(config.get("base_url") or "")
        try:
            check_address(base_url)
        except ValueError as error:
            raise UserError(f"{error}.", "Correct the address.") from error
        with open_client(base_url, secrets.get(KEY, "")) as client, in_words(client, "list its models"):
            listed = sorted(client.with_options(timeout=20, max_retries=1).models.list(), key=lambda model: model.id)
        at_openai = host(base_url) == host(OPENAI)
        today = datetime.now(UTC).date()
        found = []
        for model in listed:
            ends = _day(model.shutdown_date)
            if (ends is None or ends > today) and _may_be_tuned(model.id, at_openai):
                note = f"Ends on {ends:%d %B %Y}." if ends else "No end announced."
                found.append(SuggestedModel(model.id, 0, note))
        return found

    @staticmethod
    def _about(config: OpenAIConfig, task: str, data: TaskData) -> dict[str, Any]:
        return rows.about_task(task, getattr(config, "instruction", ""), data.info)


def _may_be_tuned(model: str, at_openai: bool) -> bool:
    if any(word in model for word in NO_CHAT):
        return False
    return model.startswith(TUNABLE_AT_OPENAI) if at_openai else not model.startswith("ft:")


def _day(text: str | None) -> date | None:
    """The day of the provider's date or time; None for none, or one that is written otherwise."""
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None
