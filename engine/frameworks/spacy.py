"""spaCy: a text categorizer in a pipeline. No pretrained model needed; the fastest to train and to run on a CPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from engine.frameworks import _classification as classification
from engine.frameworks._spacy_config import SpacyConfig
from engine.frameworks._spacy_pipeline import add_categorizer, check_overrides, load_base
from engine.frameworks._spacy_training import Training
from engine.frameworks.framework import Framework, Predictor, SuggestedModel, TrainerConfig
from engine.runs.events import Report
from engine.tasks.task import TaskData


class SpaCy(Framework):
    name: ClassVar[str] = "spacy"
    label: ClassVar[str] = "spaCy"
    summary: ClassVar[str] = "Small and very fast on a CPU, in 70 languages. Wants a few hundred rows or more."
    requires: ClassVar[tuple[str, ...]] = ("spacy",)
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {"text-classification": SpacyConfig}
    library_name: ClassVar[str] = "spacy"
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]] = {
        "text-classification": (
            SuggestedModel("blank:en", 0, "English, starting from nothing. Needs no download.", embedded=True),
            SuggestedModel("blank:xx", 0, "Any language that puts spaces between words.", embedded=True),
            SuggestedModel("blank:de", 0, "German; blank:fr, blank:es and so on likewise.", embedded=True),
            SuggestedModel("spacy/en_core_web_sm", 15, "English, trained; its tagger, parser and names come along."),
            SuggestedModel("spacy/en_core_web_md", 44, "The same with word vectors."),
        )
    }

    def train(self, config: SpacyConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report) -> None:
        import spacy
        from spacy.util import fix_random_seed

        report.stage("loading")
        check_overrides(config, data.info)
        report.note("Training on the GPU." if spacy.prefer_gpu() else "Training on the CPU.")
        fix_random_seed(config.seed)
        nlp = load_base(base)
        kept = add_categorizer(nlp, config, data.info)
        training = Training(nlp, config, data, kept, report)
        report.stage("training")
        training.run()
        report.stage("saving")
        out_dir.mkdir(parents=True, exist_ok=True)
        nlp.to_disk(out_dir)

    def load(self, model_dir: Path, task: str) -> Predictor:
        import spacy

        spacy.prefer_gpu()
        return SpacyPredictor(spacy.load(model_dir))

    def usage(self, repo_id: str, task: str) -> str:
        return (
            "import spacy\n"
            "from huggingface_hub import snapshot_download\n"
            "\n"
            f'nlp = spacy.load(snapshot_download("{repo_id}"))\n'
            'print(nlp("A text to classify.").cats)\n'
        )


class SpacyPredictor:
    """A loaded pipeline. `predict`: texts → every class as {"label", "score"}, best first."""

    def __init__(self, nlp: Any) -> None:
        name = "textcat_multilabel" if "textcat_multilabel" in nlp.pipe_names else "textcat"
        self.nlp, self.classes = nlp, list(nlp.get_pipe(name).labels)
        nlp.max_length = 2**31 - 1
        nlp.select_pipes(enable=[pipe for pipe in nlp.pipe_names if pipe in (name, "tok2vec")])

    def predict(self, inputs: Sequence[str]) -> list[list[dict[str, Any]]]:
        docs = self.nlp.pipe(classification.checked_inputs(inputs))
        return [classification.ranked(self.classes, [doc.cats[label] for label in self.classes]) for doc in docs]
