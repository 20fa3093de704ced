"""How a prediction is asked for and shown: a view a file, chosen by `Task.view`. To add one: its file, its line."""

from ui.predict_views.answer import Answer
from ui.predict_views.chat import Chat
from ui.predict_views.labels import Labels
from ui.predict_views.score import Score
from ui.predict_views.similarity import Similarity
from ui.predict_views.spans import Spans
from ui.predict_views.text_view import Text
from ui.predict_views.view import Trial, View

VIEWS: dict[str, type[View]] = {
    "labels": Labels,
    "spans": Spans,
    "answer": Answer,
    "similarity": Similarity,
    "text": Text,
    "score": Score,
    "chat": Chat,
}

__all__ = ["VIEWS", "Trial", "View"]
