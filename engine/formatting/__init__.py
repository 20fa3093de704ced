"""② The code cell: user-written `formatting_func(sample)`, run outside the page in a process that holds no secret."""

from engine.formatting.cell import CellError, CellResult, FormattingCell, Limits, run_formatting_cell
from engine.formatting.sandbox import SandboxUnavailable
from engine.formatting.warm import keep_warm, why_unavailable

__all__ = [
    "CellError",
    "CellResult",
    "FormattingCell",
    "Limits",
    "SandboxUnavailable",
    "keep_warm",
    "run_formatting_cell",
    "why_unavailable",
]
