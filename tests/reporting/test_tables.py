import io
from typing import Any

from rich.console import Console, RenderableType

from tsmu_jax.reporting.tables import ParameterRow, notes, parameters_table, results_markdown, results_table

REGIONS = ("bijie_qianxi", "etf", "ja[b]c")


def phase(name: str, old_iou: float, new_iou: float, empty: int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "epochs": 3,
        "images": 2320,
        "seconds": 3723.4,
        "trainable_parameters": 5048913,
        "iou": {"old": old_iou, "new": new_iou, "global": (2 * old_iou + new_iou) / 3},
        "ecoregions": {
            region: {"decoder": "old", "iou": iou, "empty": empty}
            for region, iou in zip(REGIONS, (old_iou + 0.01, old_iou - 0.01, new_iou), strict=True)
        },
    }


def results(**changes: Any) -> dict[str, Any]:
    run = {"method": "tsmu", "old": ["bijie_qianxi", "etf"], "new": ["ja[b]c"]}
    return run | {"phases": [phase("initial", 0.46, 0.186), phase("joint_fine_tuning", 0.481, 0.7744)]} | changes


def printed(renderable: RenderableType, width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(renderable)
    return file.getvalue()


def test_every_number_of_every_phase() -> None:
    text = printed(results_table(results()), 140)
    row = next(line for line in text.splitlines() if "joint_fine_tuning" in line)
    cells = [
        "joint_fine_tuning",
        "0.481",
        "0.774",
        "0.579",
        "0.491",
        "0.471",
        "0.774",
        "3",
        "2,320",
        "1:02:03",
        "5,048,913",
    ]
    assert row.split() == cells
    assert "ja[b]c" in text and "(new)" in text  # a name is no markup


def test_nothing_is_cut_off_where_the_console_is_narrow() -> None:
    text = printed(results_table(results()), 72)
    assert max(len(line) for line in text.splitlines()) <= 72
    assert "…" not in text
    for number in ("0.481", "0.579", "0.186", "2,320", "1:02:03", "5,048,913"):
        assert number in text


def test_markdown_has_as_many_cells_in_each_row() -> None:
    lines = results_markdown(results(new=["a|b"])).splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines if line.startswith("|")}) == 1
    assert lines[0].startswith("| phase | old | new | global | bijie_qianxi | etf | a\\|b (new) |")
    assert lines[3].startswith("| joint_fine_tuning | 0.481 | 0.774 | 0.579 | 0.491 | 0.471 | – |")


def test_notes_count_empty_images_and_name_skipped_files() -> None:
    skipped = [{"ecoregion": "etf", "path": f"{i}_mask.png", "reason": "does not decode"} for i in range(7)]
    run = results(phases=[phase("initial", 0.5, 0.2, empty=2)], skipped=skipped)
    found = notes(run)
    assert "bijie_qianxi 2, etf 2, ja[b]c 2" in found[0]
    assert found[1] == "Bad files skipped: 7."
    assert found[2] == "  etf/0_mask.png: does not decode"
    assert found[-1] == "  and 2 more." and len(found) == 8
    assert "Bad files skipped: 7." in printed(results_table(run), 140)
    assert "- Bad files skipped: 7." in results_markdown(run)
    assert notes(results(skipped=[], unscored={})) == []


def test_notes_count_test_images_without_a_score() -> None:
    expected = "Test images without known ground at the network's size, not scored: etf 2, nad 1."
    assert notes(results(unscored={"etf": ["3", "5"], "nad": ["1"]})) == [expected]


def test_notes_tell_how_the_decoder_was_chosen() -> None:
    selection = {
        "images": 20,
        "accuracy": 0.85,
        "decoder_accuracy": 0.95,
        "iou": {"oracle": 0.633, "chosen": 0.63, "mean": 0.5, "fallback": 0.64},
        "margin": {"threshold": 0.1, "review": 3},
    }
    assert notes(results(selection=selection)) == [
        "Decoder chosen by reconstruction: the right ecoregion for 17 of 20 images, the right decoder for 19. IoU "
        "0.633 with the true ecoregion's decoder, 0.630 with the chosen one, 0.500 with the mean of all.",
        "Margin below 0.1, for review: 3 images; IoU 0.640 with the mean for these.",
    ]


def test_a_run_that_has_no_new_ecoregion_or_no_phase_yet() -> None:
    alone = phase("initial", 0.5, 0.2)
    alone["iou"] = {"old": 0.5, "new": None, "global": 0.5}
    header = results_markdown(results(new=[], phases=[alone])).splitlines()[0]
    assert "| old | global |" in header
    assert "phase" in printed(results_table(results(phases=[])), 80)
    assert results_markdown({}).startswith("| phase |")


def test_parameters_beside_what_the_paper_prints() -> None:
    rows = [
        ParameterRow("encoder", 308_000, 308_960, 308_960, "shared"),
        ParameterRow("four decoders", 19_271_748, 19_284_900, 19_278_820, "shared, old, new"),
        ParameterRow("new decoder", 1, 2, None, "new"),
    ]
    text = printed(parameters_table(rows), 100)
    assert "19,271,748" in text and "19,284,900" in text and "19,278,820" in text
    assert "shared, old, new" in text and "paper prints" in text
    bare = printed(parameters_table([ParameterRow("encoder", 1, 2)]), 100)
    assert "paper" not in bare and "subtrees" not in bare
