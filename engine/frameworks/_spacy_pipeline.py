"""The spaCy pipeline to be trained: base pipeline, new component, and its training settings. Worker only."""

import difflib
from typing import Any

from engine.errors import UserError
from engine.frameworks._spacy_config import SpacyConfig, SpacyTrainingConfig

BLANK = "blank:"


def component_name(info: dict[str, Any]) -> str:
    """spaCy's two categorizers: one label a text, or any number."""
    return "textcat_multilabel" if info["multi_label"] else "textcat"


def load_base(base: str) -> Any:
    """A blank pipeline ("blank:en"), an installed one, or one in a folder. Raises UserError when it can't be had."""
    import spacy

    if base.startswith(BLANK):
        language = base.removeprefix(BLANK)
        try:
            nlp = spacy.blank(language)
        except ImportError as error:  # both for a language that does not exist and for one that needs a package
            raise UserError(
                f"spaCy has no pipeline for the language {language!r} here: {error}",
                "Take one of spaCy's language codes (blank:en, blank:de, blank:xx for any), or install what it needs.",
            ) from error
    else:
        try:
            nlp = spacy.load(base)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{base} can't be loaded as a spaCy pipeline: {str(error).splitlines()[0]}",
                "Choose blank:en (no download), an installed pipeline, or a folder that spaCy's to_disk wrote.",
            ) from error
    nlp.max_length = 2**31 - 1  # spaCy's limit guards parsers; nothing here parses
    return nlp


def add_categorizer(nlp: Any, config: SpacyConfig, info: dict[str, Any]) -> list[str]:
    """Add the categorizer to `nlp` as configured. → names of the base's components that stay as they are."""
    name = component_name(info)
    for old in ("textcat", "textcat_multilabel"):
        if old in nlp.pipe_names:
            nlp.remove_pipe(old)
    check_tok2vec(nlp, config)
    return add_component(nlp, config, name, {"model": _model(config, info, nlp), "threshold": config.threshold})


def check_tok2vec(nlp: Any, config: SpacyTrainingConfig) -> None:
    """Raise UserError when the base pipeline lacks the layer or the vectors that the new component is to use."""
    if config.use_pipeline_tok2vec and "tok2vec" not in nlp.pipe_names:
        raise UserError(
            "“Use the pipeline's tok2vec” is on, and the base pipeline has no component named tok2vec.",
            "Turn it off, or choose a trained pipeline such as en_core_web_sm.",
        )
    if config.include_static_vectors and not nlp.vocab.vectors.n_keys:
        raise UserError(
            "“Use the pipeline's vectors” is on, and the base pipeline has no word vectors.",
            "Turn it off, or choose a pipeline with vectors, whose name ends in md or lg.",
        )


def add_component(nlp: Any, config: SpacyTrainingConfig, name: str, component: dict[str, Any]) -> list[str]:
    """Add a component to `nlp`. → names of the base's components that stay as they are."""
    others = list(nlp.pipe_names)
    component = _override(component, config.extra_arguments, f"components.{name}.")
    if config.use_pipeline_tok2vec and not config.freeze_tok2vec:
        # The tok2vec is about to change: the components that read it keep a copy of what it was.
        for other in filter(lambda other: _listens(nlp, other), others):
            nlp.replace_listeners("tok2vec", other, ["model.tok2vec"])
        others.remove("tok2vec")
    try:
        nlp.add_pipe(name, config=component)
    except ValueError as error:
        raise UserError(f"spaCy refuses this component: {error}", "Change the settings of the architecture.") from error
    return others


def _listens(nlp: Any, name: str) -> bool:
    model = nlp.get_pipe_config(name).get("model", {})
    return "Tok2VecListener" in str(model.get("tok2vec", {}).get("@architectures", ""))


def _model(config: SpacyConfig, info: dict[str, Any], nlp: Any) -> dict[str, Any]:
    """The categorizer's model block: spaCy's own defaults for each architecture."""
    exclusive = not info["multi_label"]
    bow = {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": exclusive,
        "length": 262144,
        "ngram_size": config.ngram_size,
        "no_output_layer": False,
    }
    if config.architecture == "bow":
        return bow
    tok2vec = _tok2vec(config, nlp)
    if config.architecture == "ensemble":
        return {"@architectures": "spacy.TextCatEnsemble.v2", "tok2vec": tok2vec, "linear_model": bow}
    return {
        "@architectures": "spacy.TextCatReduce.v1",
        "exclusive_classes": exclusive,
        "use_reduce_first": False,
        "use_reduce_last": False,
        "use_reduce_max": False,
        "use_reduce_mean": True,
        "tok2vec": tok2vec,
    }


def _tok2vec(config: SpacyConfig, nlp: Any) -> dict[str, Any]:
    if config.use_pipeline_tok2vec:
        return tok2vec_listener(nlp)
    return {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {
            "@architectures": "spacy.MultiHashEmbed.v2",
            "width": config.width,
            "rows": [2000, 2000, 500, 1000, 500],
            "attrs": ["NORM", "LOWER", "PREFIX", "SUFFIX", "SHAPE"],
            "include_static_vectors": config.include_static_vectors,
        },
        "encode": {
            "@architectures": "spacy.MaxoutWindowEncoder.v2",
            "width": config.width,
            "window_size": config.window_size,
            "maxout_pieces": 3,
            "depth": config.depth,
        },
    }


def tok2vec_listener(nlp: Any) -> dict[str, Any]:
    """The model block that reads words with the pipeline's own tok2vec."""
    width = nlp.get_pipe("tok2vec").model.get_dim("nO")
    return {"@architectures": "spacy.Tok2VecListener.v1", "width": width, "upstream": "tok2vec"}


def training_settings(
    nlp: Any, config: SpacyTrainingConfig, frozen: list[str], eval_frequency: int, patience: int
) -> Any:
    """The resolved [training] block (optimizer, batcher and numbers), which is also written into the pipeline."""
    from spacy.schemas import ConfigSchemaTraining
    from spacy.util import registry

    whole = nlp.config.copy()
    annotating = ["tok2vec"] if config.use_pipeline_tok2vec and "tok2vec" in frozen else []
    training = whole["training"] | {
        "seed": config.seed,
        "dropout": config.dropout,
        "accumulate_gradient": config.accumulate_gradient,
        "patience": patience,
        "max_epochs": config.max_epochs,
        "max_steps": config.max_steps,
        "eval_frequency": eval_frequency,
        "frozen_components": frozen,
        "annotating_components": annotating,
        "batcher": _batcher(config),
        "optimizer": {"@optimizers": "Adam.v1"}
        | {key: getattr(config, key) for key in ("beta1", "beta2", "eps", "L2", "L2_is_weight_decay", "grad_clip")}
        | {"use_averages": config.use_averages, "learn_rate": config.learn_rate},
    }
    whole["training"] = _override(training, config.extra_arguments, "training.")
    nlp.config = whole
    return registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)


def _batcher(config: SpacyTrainingConfig) -> dict[str, Any]:
    return {
        "@batchers": "spacy.batch_by_words.v1",
        "discard_oversize": False,
        "tolerance": config.batch_tolerance,
        "size": {
            "@schedules": "compounding.v1",
            "start": config.batch_start,
            "stop": config.batch_stop,
            "compound": config.batch_compound,
        },
    }


def check_overrides(config: SpacyTrainingConfig, component: str) -> None:
    """Raise UserError for a dotted name that neither the training block nor the new component could hold."""
    roots = ("training.", f"components.{component}.")
    for name in config.extra_arguments:
        if not name.startswith(roots):
            raise UserError(
                f"{name!r} is no setting that can be changed here.", f"Dotted names begin with {roots[0]} or {roots[1]}"
            )


def _override(block: dict[str, Any], given: dict[str, Any], root: str) -> dict[str, Any]:
    """`block` with the values of `given` whose dotted names begin with `root`. Raises UserError for an unknown name."""
    for name, value in given.items():
        if not name.startswith(root):
            continue
        *path, last = name.removeprefix(root).split(".")
        place: Any = block
        for key in path:
            place = place.get(key) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            known = sorted(_dotted(block, root))
            close = difflib.get_close_matches(name, known, n=1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            raise UserError(
                f"The spaCy config has no setting named {name!r}.{meant}",
                "Correct it, or take it out of “More arguments”.",
            )
        place[last] = value
    return block


def _dotted(block: dict[str, Any], root: str) -> list[str]:
    names = []
    for key, value in block.items():
        names += _dotted(value, f"{root}{key}.") if isinstance(value, dict) else [f"{root}{key}"]
    return names
