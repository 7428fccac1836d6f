"""When a phase ends, and which epoch's weights it keeps ("till saturation", Algorithm 1)."""

import dataclasses
import math
from typing import Any


@dataclasses.dataclass
class Saturation:
    """Early stopping on the validation set.

    Attributes:
      patience: epochs without improvement after which the phase ends; 0 trains all epochs and keeps the last.
      min_delta: what counts as an improvement of the validation IoU.
      chosen_epoch: number of epochs behind the weights that the phase keeps.
    """

    patience: int = 0
    min_delta: float = 0.0
    chosen_epoch: int = 0
    best: float = -math.inf

    def update(self, epoch: int, *, validation_iou: float) -> tuple[bool, bool]:
        """Args: epoch: finished epochs. Returns (keep these weights, end the phase)."""
        if not self.patience:
            self.chosen_epoch = epoch
            return True, False
        if validation_iou > self.best + self.min_delta:
            self.best, self.chosen_epoch = validation_iou, epoch
            return True, False
        return False, epoch - self.chosen_epoch >= self.patience

    def progress(self) -> dict[str, Any]:
        """The state that lets a resumed phase go on as if it had not been interrupted."""
        return {"chosen_epoch": self.chosen_epoch, "best": self.best if math.isfinite(self.best) else None}

    def restore(self, progress: dict[str, Any]) -> None:
        """Takes up what `progress` returned."""
        best = progress["best"]
        self.chosen_epoch, self.best = progress["chosen_epoch"], -math.inf if best is None else best
