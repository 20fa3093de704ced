"""Is anything lost? Each cell through ArgillaTrainer beside the bare library: same rows, seed, settings.

make acceptance DATA=../shared/data            all cells
python -m benchmarks.acceptance DATA --only setfit:banking77 --only spacy:convabuse
"""

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

from benchmarks import acceptance
from engine.registry import TASKS


def main() -> int:
    """Measure the cells asked for and print the table; 1 when one is far from the bare library, or shows nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the public datasets")
    parser.add_argument("--only", action="append", metavar="FRAMEWORK:DATASET", help="a cell; may be repeated")
    arguments = parser.parse_args()
    cells = {name: cell for task in TASKS for name, cell in _cells(task).items()}
    unknown = [name for name in arguments.only or () if name not in cells]
    if unknown:
        parser.error(f"no cell {', '.join(unknown)}; there are {', '.join(cells)}")
    found = []
    for name in arguments.only or cells:
        found.append(cells[name](arguments.data))
        print(found[-1], flush=True)
    print(f"\n{'cell':44} {'rows':>11}  {'figure':16} {'ours':>7} {'bare':>7} {'differs':>8}  seconds")
    print(*found, sep="\n")
    far = [one.cell for one in found if not one.is_near]
    empty = [one.cell for one in found if not one.learned]
    print(f"\nFurther apart than 2 points, or 2 % of a loss: {', '.join(far) or 'none'}.")
    if empty:
        print(f"The bare library learned nothing, so the cell shows nothing: {', '.join(empty)}.")
    return int(bool(far or empty))


def _cells(task: str) -> dict:
    """The cells of a task, from the file of its name."""
    name = task.replace("-", "_")
    if name not in {module.name for module in pkgutil.iter_modules(acceptance.__path__)}:
        return {}
    return importlib.import_module(f"{acceptance.__name__}.{name}").CELLS


if __name__ == "__main__":
    sys.exit(main())
