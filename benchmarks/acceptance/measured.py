"""One cell of the acceptance table: our figure beside the bare library's on the same rows."""

from dataclasses import dataclass

POINTS, RELATIVE = 2.0, 0.02


@dataclass(frozen=True)
class Measured:
    """`ours` and `bare`: the figure named, a share (0 to 1) or, with `is_loss`, a loss. `learned`: the bare library's
    figure shows that it learned something, or the cell would show nothing.
    """

    cell: str  # "framework:dataset"
    rows: str  # "1000/400": trained on / held out
    figure: str
    ours: float
    bare: float
    seconds: tuple[float, float]
    is_loss: bool = False
    learned: bool = True

    @property
    def difference(self) -> float:
        """In points (hundredths of a share), or relative to the bare library's loss."""
        return (self.ours - self.bare) / abs(self.bare) if self.is_loss else 100 * (self.ours - self.bare)

    @property
    def is_near(self) -> bool:
        """Within 2 points, or 2 % of a loss."""
        return abs(self.difference) <= (RELATIVE if self.is_loss else POINTS)

    def __str__(self) -> str:
        difference = f"{self.difference:+8.2%}" if self.is_loss else f"{self.difference:+7.2f}p"
        took = f"{self.seconds[0]:.0f}/{self.seconds[1]:.0f}"
        return (
            f"{self.cell:44} {self.rows:>11}  {self.figure:16} {self.ours:7.3f} {self.bare:7.3f} {difference}  {took}"
        )
