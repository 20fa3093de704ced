"""An uploaded file as the page holds it: by an id that only its session knows. Gradio's copy is gone at once."""

from pathlib import Path

import gradio as gr

from engine import Uploads


def held(uploads: Uploads) -> gr.State:
    """Where a session keeps the id of a file that has arrived; the file goes when the session does."""
    return gr.State("", delete_callback=uploads.forget)


def take(uploads: Uploads, path: str | None, before: str) -> str:
    """Move a file that has just arrived to where nothing serves it, in place of the one `before`; "" when it was taken
    away. Gives its id.
    """
    uploads.forget(before)
    return uploads.take(Path(path)) if path else ""
