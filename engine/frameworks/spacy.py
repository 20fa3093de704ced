"""spaCy: a new component in a pipeline. No pretrained model needed; the fastest to train and to run on a CPU."""

from pathlib import Path
from typing import Any, ClassVar

from engine.frameworks import _spacy_ner as ner
from engine.frameworks import _spacy_textcat as textcat
from engine.frameworks._spacy_config import SpacyConfig, SpacyNerConfig, SpacyTrainingConfig
from engine.frameworks._spacy_pipeline import add_categorizer, check_overrides, load_base
from engine.frameworks._spacy_training import Training
from engine.frameworks.framework import Framework, Predictor, SuggestedModel, TrainerConfig
from engine.runs.events import Report
from engine.tasks.task import TaskData

CLASSIFICATION, SPANS = "text-classification", "token-classification"

BLANK_MODELS = (
    SuggestedModel("blank:en", 0, "English, starting from nothing. Needs no download.", embedded=True),
    SuggestedModel("blank:xx", 0, "Any language that puts spaces between words.", embedded=True),
    SuggestedModel("blank:de", 0, "German; blank:fr, blank:es and so on likewise.", embedded=True),
)

# task → the component to train, how it is added to a pipeline, and what predicts with it
COMPONENTS: dict[str, tuple[Any, Any, Any]] = {
    CLASSIFICATION: (textcat.Categories, add_categorizer, textcat.CategoryPredictor),
    SPANS: (ner.Entities, ner.add_recognizer, ner.EntityPredictor),
}


class SpaCy(Framework):
    name: ClassVar[str] = "spacy"
    label: ClassVar[str] = "spaCy"
    summary: ClassVar[str] = "Small and very fast on a CPU, in 70 languages. Wants a few hundred rows or more."
    requires: ClassVar[tuple[str, ...]] = ("spacy",)
    configs: ClassVar[dict[str, type[TrainerConfig]]] = {CLASSIFICATION: SpacyConfig, SPANS: SpacyNerConfig}
    library_name: ClassVar[str] = "spacy"
    base_models: ClassVar[dict[str, tuple[SuggestedModel, ...]]] = {
        CLASSIFICATION: (
            *BLANK_MODELS,
            SuggestedModel("spacy/en_core_web_sm", 15, "English, trained; its tagger, parser and names come along."),
            SuggestedModel("spacy/en_core_web_md", 44, "The same with word vectors."),
        ),
        SPANS: (
            *BLANK_MODELS,
            SuggestedModel("spacy/en_core_web_sm", 15, "English, trained; its tagger and parser come along."),
            SuggestedModel("spacy/en_core_web_md", 44, "The same with word vectors, which the settings can use."),
        ),
    }

    def train(
        self, config: SpacyTrainingConfig, task: str, data: TaskData, base: str, out_dir: Path, report: Report
    ) -> None:
        import spacy
        from spacy.util import fix_random_seed

        report.stage("loading")
        learned, add, _ = COMPONENTS[task]
        component = learned(config, data.info)
        check_overrides(config, component.name)
        report.note("Training on the GPU." if spacy.prefer_gpu() else "Training on the CPU.")
        fix_random_seed(config.seed)
        nlp = load_base(base)
        kept = add(nlp, config, data.info)
        training = Training(nlp, config, component, data, kept, report)
        report.stage("training")
        training.run()
        report.stage("saving")
        out_dir.mkdir(parents=True, exist_ok=True)
        nlp.to_disk(out_dir)

    def load(self, model_dir: Path, task: str) -> Predictor:
        import spacy

        spacy.prefer_gpu()
        return COMPONENTS[task][2](spacy.load(model_dir))

    def usage(self, repo_id: str, task: str) -> str:
        shown = {
            CLASSIFICATION: 'print(nlp("A text to classify.").cats)\n',
            SPANS: 'print([(span.text, span.label_) for span in nlp("A text with names in it.").ents])\n',
        }
        return (
            "import spacy\n"
            "from huggingface_hub import snapshot_download\n"
            "\n"
            f'nlp = spacy.load(snapshot_download("{repo_id}"))\n' + shown[task]
        )
