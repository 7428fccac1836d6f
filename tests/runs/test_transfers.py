"""Transfers of a run to its devices: each model goes once, and no images where stored features are used."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.runs.circle import configuration, write_images
from tests.runs.trained import trained
from tsmu_jax.batch import IMAGE, ROW
from tsmu_jax.learning import answer as answering
from tsmu_jax.learning.answer import Answerer
from tsmu_jax.runs import feed

SHORT = {"epochs__initial": 1, "epochs__freeze": 2, "epochs__joint_fine_tuning": 1, "selection__epochs": 1}


def test_every_model_that_answers_is_sent_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration(write_images(tmp_path / "images", ("etf", "nad")), old="etf", new="nad", **SHORT)
    config["data"]["draws"] = 4  # so that features are stored
    answers, sent, shard = Answerer._answers, [], feed.shard
    asked: list[str] = []

    def placed_before(self: Answerer, model: Any, decoder: str, given: Any, attach: Any) -> Iterator[np.ndarray]:
        for leaf in jax.tree.leaves((model.params, model.batch_stats)):
            assert isinstance(leaf, jax.Array) and leaf.is_fully_replicated
            assert leaf.sharding.device_set == set(jax.local_devices())
        asked.append("rows" if ROW in given else "images")
        return answers(self, model, decoder, given, attach)

    def noted(batch: Any) -> Any:
        sent.append(frozenset(batch))
        return shard(batch)

    monkeypatch.setattr(answering.Answerer, "_answers", placed_before)
    monkeypatch.setattr(feed, "shard", noted)
    trained(config, tmp_path / "run")
    assert {"rows", "images"} == set(asked)
    assert {(IMAGE in batch, ROW in batch) for batch in sent} == {(True, False), (False, True)}
    first = len(asked)
    trained(config, tmp_path / "again")  # its phases are copied
    assert len(asked) > first
