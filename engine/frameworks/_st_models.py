"""Models of Sentence Transformers: which kind a folder holds, loading it, and scoring pairs with it. Worker only."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine import trust
from engine.errors import UserError
from engine.frameworks import _hf

THRESHOLD_FILE = "similarity.json"  # beside the weights: from which score on a pair counts as alike
CROSS_ENCODER, BI_ENCODER, ENCODER, WRITER = "cross-encoder", "bi-encoder", "encoder", "writer"


def kind_of(folder: str | Path) -> str:
    """What a model's files say it is: CROSS_ENCODER, BI_ENCODER, WRITER (it writes text), or another ENCODER."""
    folder = Path(folder)
    about = _json(folder / "config_sentence_transformers.json")
    if about.get("model_type"):
        return CROSS_ENCODER if about["model_type"] == "CrossEncoder" else BI_ENCODER
    if (folder / "modules.json").is_file():
        return BI_ENCODER
    names = _json(folder / "config.json").get("architectures") or [""]
    if names[0].endswith("ForSequenceClassification"):
        return CROSS_ENCODER
    return WRITER if names[0].endswith(("ForCausalLM", "LMHeadModel")) else ENCODER


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def load_model(folder: str | Path, *, cross_encoder: bool, device: str, **options: Any) -> Any:
    """A CrossEncoder or a SentenceTransformer, in 32 bits, from safetensors only; its own code runs if approved."""
    import torch
    from sentence_transformers import CrossEncoder, SentenceTransformer

    kwargs = {"use_safetensors": True, "dtype": torch.float32} | options.pop("model_kwargs", {})
    with _hf.quiet():
        return (CrossEncoder if cross_encoder else SentenceTransformer)(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=trust.may_run(folder),
            model_kwargs=kwargs,
            **options,
        )


def load_predictor(folder: str | Path) -> "PairScorer":
    """The model in `folder` on the best device, of the kind that its files say."""
    cross_encoder = kind_of(folder) == CROSS_ENCODER
    model = load_model(folder, cross_encoder=cross_encoder, device=_hf.best_device())
    threshold = _json(Path(folder) / THRESHOLD_FILE).get("threshold")
    return (PairReader if cross_encoder else VectorComparer)(model, threshold)


class PairScorer(ABC):
    """A loaded model. `predict`: pairs [a, b] → similarities. `threshold`: the one from which on a pair is alike."""

    def __init__(self, model: Any, threshold: float | None = None) -> None:
        self.model, self.threshold = model, threshold

    @abstractmethod
    def similarities(self, pairs: Sequence[Sequence[str]]) -> np.ndarray:
        """(n_pairs,) the higher, the more alike."""

    def predict(self, inputs: Sequence[Any]) -> list[float]:
        for i, pair in enumerate(inputs, start=1):
            is_pair = isinstance(pair, (list, tuple)) and len(pair) == 2
            if not is_pair or not all(isinstance(text, str) for text in pair):
                raise UserError(f"Input {i} is {pair!r}, not a pair of texts.", "Give pairs: [sentence, sentence].")
        return [float(score) for score in self.similarities(inputs)] if len(inputs) else []

    def score(self, table: pa.Table) -> dict[str, float]:
        from engine.evaluation.similarity import figures

        return figures(table, self.similarities, self.threshold)


class VectorComparer(PairScorer):
    """A bi-encoder: the similarity of the vectors of two sentences, each different sentence read once."""

    def similarities(self, pairs: Sequence[Sequence[str]]) -> np.ndarray:
        import torch

        place = {text: i for i, text in enumerate(dict.fromkeys(text for pair in pairs for text in pair))}
        vectors = self.model.encode(list(place), batch_size=64, show_progress_bar=False, convert_to_tensor=True)
        sides = (torch.tensor([place[pair[side]] for pair in pairs], device=vectors.device) for side in (0, 1))
        return self.model.similarity_pairwise(*(vectors[side] for side in sides)).float().cpu().numpy()


class PairReader(PairScorer):
    """A cross-encoder: its score of two sentences read together."""

    def similarities(self, pairs: Sequence[Sequence[str]]) -> np.ndarray:
        return self.model.predict([tuple(pair) for pair in pairs], batch_size=64, show_progress_bar=False)
