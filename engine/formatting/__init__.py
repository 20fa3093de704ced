"""② The code cell: user-written `formatting_func(sample)`, run outside the page in a process that holds no secret."""

from engine.formatting.cell import CellError, CellResult, Limits, run_formatting_cell

__all__ = ["CellError", "CellResult", "Limits", "run_formatting_cell"]
