"""One fine-tuning job at the provider: upload, create, follow, and cancel when the owner stops. Never endless."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.errors import UserError
from engine.frameworks._openai_client import host, in_words, passes, quoted
from engine.frameworks._openai_config import HYPERPARAMETERS, OpenAIConfig
from engine.runs.events import Cancelled, Report

if TYPE_CHECKING:
    import openai
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

ENDED = ("succeeded", "failed", "cancelled")
STAGES = {"validating_files": "the provider checks the files", "queued": "waiting at the provider"}
FAULTS_IN_A_ROW = 5  # questions about the job that may fail before we give up on it
EVENTS_A_PAGE = 100
STOP_SECONDS = 60.0  # in which a job that was asked to stop should have stopped
CANCEL_SECONDS = 3.0  # for one request while the worker is being stopped: it has 15 s in all
FIGURES = {
    "train_loss": "loss",
    "train_mean_token_accuracy": "token_accuracy",
    "valid_loss": "validation_loss",
    "full_valid_loss": "validation_loss",
    "valid_mean_token_accuracy": "validation_token_accuracy",
    "full_valid_mean_token_accuracy": "validation_token_accuracy",
}
STEP = re.compile(r"[Ss]tep (\d+)(?:/(\d+))?")

T = TypeVar("T")


def fine_tune(
    client: "openai.OpenAI", config: OpenAIConfig, base: str, files: dict[str, Path], report: Report
) -> dict[str, str]:
    """Run a job on `files` ("train", perhaps "validation") and wait for it: {"model", "job"}.

    Raises UserError in words when the provider refuses, fails, or takes too long. When the owner cancels, the job is
    cancelled there too.
    """
    tuning = FineTuning(client, config, report)
    try:
        tuning.upload(files)
        tuning.create(base)
        return {"model": tuning.follow(), "job": tuning.job_id}
    except (Cancelled, KeyboardInterrupt):
        tuning.cancel_quickly()
        raise


class FineTuning:
    """A job and what was heard of it so far."""

    def __init__(self, client: "openai.OpenAI", config: OpenAIConfig, report: Report) -> None:
        self.client, self.config, self.report = client, config, report
        self.name = host(str(client.base_url))
        self.files: dict[str, str] = {}
        self.job_id = ""
        self.stage = ""
        self.faults = 0
        self.heard: set[str] = set()  # ids of events
        self.untold: set[str] = set()

    # ---- starting -------------------------------------------------------------------------------------------------

    def upload(self, files: dict[str, Path]) -> None:
        self.report.stage("uploading")
        for split, path in files.items():
            with in_words(self.client, f"take the {split} file"), path.open("rb") as content:
                self.files[split] = self.client.files.create(file=(path.name, content), purpose="fine-tune").id

    def create(self, base: str) -> None:
        """Start the job. What was uploaded for it is deleted again when the provider refuses."""
        chosen = {name: getattr(self.config, name) for name in HYPERPARAMETERS}
        chosen = {name: value for name, value in chosen.items() if value is not None}
        optional = {"validation_file": self.files.get("validation"), "suffix": self.config.suffix}
        try:
            with in_words(self.client, "start a fine-tuning job", base):
                job = self.client.fine_tuning.jobs.create(
                    model=base,
                    training_file=self.files["train"],
                    method={"type": "supervised", "supervised": {"hyperparameters": chosen}},
                    seed=self.config.seed,
                    extra_body=self.config.extra_arguments or None,
                    **{name: value for name, value in optional.items() if value},
                )
        except UserError:
            self._delete_files()
            raise
        self.job_id = job.id
        self.report.note(f"The job {job.id} was started at {self.name}, from {base}.")

    def _delete_files(self) -> None:
        import openai

        for file_id in self.files.values():
            try:
                self.client.with_options(max_retries=0, timeout=CANCEL_SECONDS).files.delete(file_id)
            except openai.APIError:
                self.report.note(f"The uploaded file {file_id} could not be deleted at {self.name}.")

    # ---- following ------------------------------------------------------------------------------------------------

    def follow(self) -> str:
        """Ask until the job has ended, and tell its progress; → the tuned model's name."""
        deadline = time.monotonic() + self.config.max_hours * 3600
        while True:
            job = self._ask(lambda: self.client.fine_tuning.jobs.retrieve(self.job_id))
            if job is not None:
                self._tell(job)
                if job.status in ENDED:
                    return self._result(job)
            if self.report.stop_requested:
                return self._stopped()
            if time.monotonic() > deadline:
                self._cancel(self.client)
                raise UserError(
                    f"The job {self.job_id} had not ended after {self.config.max_hours:g} hours and was cancelled.",
                    "Start again with a longer wait, or look at the provider's own page first.",
                )
            self._wait()

    def _ask(self, question: Callable[[], T]) -> T | None:
        """The answer; None when there is none now, but perhaps the next time. Raises UserError after several faults."""
        import openai

        try:
            with in_words(self.client, f"tell about the job {self.job_id}"):
                try:
                    answer = question()
                except openai.APIError as error:
                    self.faults += 1
                    if not passes(error) or self.faults >= FAULTS_IN_A_ROW:
                        raise
                    self.report.note(f"{self.name} gave no answer ({type(error).__name__}); asking again.")
                    return None
        except UserError as error:
            hint = f"{error.hint} The job {self.job_id} may still be at work there: look at the provider's page."
            raise UserError(error.message, hint) from None
        self.faults = 0
        return answer

    def _wait(self) -> None:
        """Until the next question, or until the owner asks to stop."""
        until = time.monotonic() + self.config.poll_seconds
        while (left := until - time.monotonic()) > 0 and not self.report.stop_requested:
            time.sleep(min(left, 0.5))

    def _tell(self, job: "FineTuningJob") -> None:
        stage = STAGES.get(job.status, "training")
        if stage != self.stage and job.status not in ENDED:
            self.stage = stage
            self.report.stage(stage)
        for event in self._if_told(self._new_events, "what happens in the job"):
            self._tell_event(event, job)

    def _if_told(self, question: Callable[[], list[T]], what: str) -> list[T]:
        """The answer to what not every provider tells; none, noted once, where it does not or has a fault."""
        import openai

        try:
            return question()
        except openai.APIError as error:
            if what not in self.untold:
                self.untold.add(what)
                self.report.note(f"{self.name} does not tell {what} ({type(error).__name__}).")
            return []

    def _new_events(self) -> list["FineTuningJobEvent"]:
        """Events not heard of yet, oldest first; the provider lists them newest first, in pages."""
        new = []
        for event in self.client.fine_tuning.jobs.list_events(self.job_id, limit=EVENTS_A_PAGE):
            if event.id in self.heard:
                break
            new.append(event)
        self.heard.update(event.id for event in new)
        return new[::-1]

    def _tell_event(self, event: "FineTuningJobEvent", job: "FineTuningJob") -> None:
        data = event.data if isinstance(event.data, dict) else {}
        said = STEP.search(event.message or "")
        step, total = data.get("step") or (said and said.group(1)), data.get("total_steps") or (said and said.group(2))
        if step is not None and (event.type == "metrics" or data):
            total = int(total) if total else None
            self.report.progress(int(step), total, **_epoch(int(step), total, job))
            figures = {FIGURES[name]: float(value) for name, value in data.items() if name in FIGURES and _real(value)}
            if figures:
                self.report.metrics(figures, step=int(step))
        elif event.level != "info" or "checkpoint" in event.message.lower():
            self.report.note(f"{self.name}: {quoted(event.message, self.client.api_key).removeprefix(' It says: ')}")

    def _result(self, job: "FineTuningJob") -> str:
        if job.status == "succeeded" and job.fine_tuned_model:
            tokens = f", {job.trained_tokens:,} tokens trained" if job.trained_tokens else ""
            self.report.note(f"The tuned model is {job.fine_tuned_model} at {self.name}{tokens}.")
            return job.fine_tuned_model
        if job.status == "cancelled":
            raise UserError(
                f"The job {self.job_id} was cancelled at {self.name}, so there is no tuned model.", "Start it again."
            )
        said = quoted(job.error.message, self.client.api_key) if job.error else ""
        raise UserError(
            f"The job {self.job_id} ended at {self.name} without a model ({job.status}).{said}",
            "Change what it names, then start again. The rows are kept as JSONL.",
        )

    # ---- stopping -------------------------------------------------------------------------------------------------

    def _stopped(self) -> str:
        """The owner asked to stop and keep the best: the job is cancelled, and its best checkpoint kept if it has one.

        Raises UserError when the provider keeps nothing of a job that was cancelled.
        """
        self._cancel(self.client)
        self.report.note(f"The job {self.job_id} was cancelled at {self.name}, as you asked.")
        until = time.monotonic() + STOP_SECONDS
        while time.monotonic() < until:
            job = self._ask(lambda: self.client.fine_tuning.jobs.retrieve(self.job_id))
            if job is not None and job.status == "succeeded":
                return self._result(job)
            if job is not None and job.status in ENDED:
                break
            time.sleep(min(self.config.poll_seconds, 2.0))
        checkpoints = self.client.fine_tuning.jobs.checkpoints
        kept = self._if_told(lambda: list(checkpoints.list(self.job_id)), "the job's checkpoints")
        if not kept:
            raise UserError(
                f"The job {self.job_id} was cancelled at {self.name} before it had a checkpoint, so nothing is kept.",
                "Start it again and let it come further.",
            )
        best = min(kept, key=lambda c: (_loss(c.metrics), -c.step_number))
        self.report.note(f"Kept the checkpoint of step {best.step_number}: {best.fine_tuned_model_checkpoint}.")
        return best.fine_tuned_model_checkpoint

    def cancel_quickly(self) -> None:
        """Cancel the job while this process is being stopped, also one whose creation was not answered yet."""
        import openai

        client = self.client.with_options(timeout=CANCEL_SECONDS, max_retries=0)
        try:
            if not self.job_id and "train" in self.files:
                ours = (
                    job for job in client.fine_tuning.jobs.list(limit=20) if job.training_file == self.files["train"]
                )
                self.job_id = next((job.id for job in ours), "")
        except openai.APIError as error:
            self.report.note(f"{self.name} did not say whether a job was started ({type(error).__name__}).")
            return
        if not self.job_id:
            self._delete_files()
        elif self._cancel(client):
            self.report.note(f"The job {self.job_id} was cancelled at {self.name}.")

    def _cancel(self, client: "openai.OpenAI") -> bool:
        """Ask the provider to cancel; whether it took it. One that has ended meanwhile is refused, and that is fine."""
        import openai

        try:
            client.fine_tuning.jobs.cancel(self.job_id)
        except openai.APIError as error:
            self.report.note(f"{self.name} did not cancel the job {self.job_id} ({type(error).__name__}).")
            return False
        return True


def _epoch(step: int, total: int | None, job: "FineTuningJob") -> dict[str, float]:
    """{"epoch": …} where the provider says how many it makes."""
    method = job.method.supervised.hyperparameters if job.method and job.method.supervised else None
    epochs = getattr(method or job.hyperparameters, "n_epochs", None)
    return {"epoch": round(step / total * epochs, 2)} if total and isinstance(epochs, int) else {}


def _loss(metrics: Any) -> float:
    found = (getattr(metrics, name, None) for name in ("full_valid_loss", "valid_loss", "train_loss"))
    return next((value for value in found if value is not None), float("inf"))


def _real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value
