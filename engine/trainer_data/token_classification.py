"""Token classification in the containers of its libraries' own trainers. See the package.

Words and tags for Transformers, PEFT and SpanMarker: the source's own words, or else runs of letters and single signs.
Documents with entities for spaCy. A span that begins or ends inside a word becomes the whole word, with a warning.
"""

import re
import warnings
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from engine.frameworks._spans import Losses, aligned, span_rows, tag_names, tags_of
from engine.trainer_data.containers import Renderer, pair_in_dict, pair_in_tuple, spacy_pipeline

if TYPE_CHECKING:
    import datasets
    import spacy

WORD = re.compile(r"\w+|[^\w\s]")


def _as_dataset(table: pa.Table, info: dict[str, Any], _lang: Any) -> "datasets.Dataset":
    """id, tokens, and ner_tags: IOB2 tags as class numbers, O first, then B- and I- of each label in its order."""
    import datasets

    names = tag_names(info["classes"])
    number, losses = {name: i for i, name in enumerate(names)}, Losses()
    columns: dict[str, list] = {"id": table["id"].to_pylist(), "tokens": [], "ner_tags": []}
    for text, spans, words in span_rows(table):
        offsets = words or [match.span() for match in WORD.finditer(text)]
        tags, found = tags_of(spans, offsets)
        losses.add(found)
        columns["tokens"].append([text[start:end] for start, end in offsets])
        columns["ner_tags"].append([number[tag] for tag in tags])
    _warn(losses)
    features = {"id": datasets.Value("int32"), "tokens": datasets.List(datasets.Value("string"))}
    features |= {"ner_tags": datasets.List(datasets.ClassLabel(names=names))}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def _as_doc_bin(table: pa.Table, _info: dict[str, Any], lang: Any) -> "spacy.tokens.DocBin":
    from spacy.tokens import DocBin, Span

    pipeline, bin_, losses = spacy_pipeline(lang), DocBin(store_user_data=True), Losses()
    for text, spans, _ in span_rows(table):
        document = pipeline.make_doc(text)
        found = aligned(spans, [(token.idx, token.idx + len(token)) for token in document])
        losses.add(found)
        document.set_ents([Span(document, first, stop, label=label) for first, stop, label in found.chunks])
        bin_.add(document)
    _warn(losses)
    return bin_


def _warn(losses: Losses) -> None:
    if losses.widened or losses.lost:
        warnings.warn(
            f"Of {losses.spans:,} spans {losses.widened:,} begin or end inside a word and became whole words, and "
            f"{losses.lost:,} are left out, because another span has their words.",
            UserWarning,
            stacklevel=6,
        )


_DATASET = Renderer(_as_dataset, pair_in_dict)
_DOC_BIN = Renderer(_as_doc_bin, pair_in_tuple)
RENDERERS = {
    "transformers": _DATASET,
    "peft": _DATASET,
    "span_marker": _DATASET,
    "spacy": _DOC_BIN,
    "spacy-transformers": _DOC_BIN,
}
