"""Prints the parameters of a configuration's network beside what the paper prints."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from tsmu_jax import configuration
from tsmu_jax.models.tsmu import make_network, subtree_sizes
from tsmu_jax.reporting.tables import ParameterRow, parameters_table

# Table IX, which counts moving statistics too, though with four decoders only two of theirs.
PAPER = {"1 decoder": 5_052_945, "2 decoders": 9_796_930, "4 decoders": 19_278_820}


def summarize(config: Mapping[str, Any]) -> None:
    """Prints per-part and total parameters for 1, 2 and 4 decoders. Raises UserError for a bad configuration."""
    read = configuration.read(config)
    model, channels = read.model, read.data.channels
    network = make_network(model.variant, channels=channels, width=model.width, depth=model.depth)
    rows = [
        ParameterRow(part, trainable, total, PAPER.get(part))
        for part, (trainable, total) in subtree_sizes(network).items()
    ]
    console = Console()
    console.print(f"{model.variant}, {channels} input channels, width {model.width:g}, depth {model.depth}")
    console.print(parameters_table(rows))
