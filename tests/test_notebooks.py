"""The notebooks: stripped, parameterised, small, and run by papermill; and the code that panels offer to copy."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rcg.synthetic import LABELS, render_dataset
from rcg.workspace import Workspace
from widgets.code import code_of
from widgets.dataset_model import DatasetModel

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BIN = Path(sys.executable).parent


def cells(path, kind="code"):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stripped_and_small(path):
    for cell in cells(path):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        assert len(cell["source"]) <= 20
        functions = [node for node in ast.walk(ast.parse(source(cell))) if isinstance(node, ast.FunctionDef)]
        assert all(node.end_lineno - node.lineno < 10 for node in functions)
    last = json.loads(path.read_text())["cells"][-1]
    assert last["cell_type"] == "markdown"
    assert re.search(r"`0\d_\w+\.ipynb`", source(last)), "the last cell says what to open next"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_parameters_are_typed_and_commented(path):
    first = cells(path)[0]
    assert first["metadata"]["tags"] == ["parameters"]
    lines = source(first).splitlines()
    assert any(line.startswith("workspace: str") for line in lines)
    assert any(line.startswith('profile: str = "full"') for line in lines)
    for line in lines:
        assert re.fullmatch(r"\w+: (str|bool|int|float) = .+?  # .{10,}", line), line


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_panel_appears_by_view_and_is_driven_by_code(path):
    text = "\n".join(source(cell) for cell in cells(path))
    assert re.search(r"^(panel|bench)$", text, re.MULTILINE)
    assert re.search(r"^(model|home) = (panel|bench)\.", text, re.MULTILINE)


def mill(name, target, **parameters):
    """Run a notebook as a batch, as a user would from a terminal."""
    words = [BIN / "papermill", ROOT / "notebooks" / f"{name}.ipynb", target, "--log-output", "--no-progress-bar"]
    for key, value in {"profile": "smoke", **parameters}.items():
        words += ["-p", key, str(value)]
    return subprocess.run(words, capture_output=True, text=True, env=clean(), check=False, cwd=target.parent)


def clean():
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}


def printed(path):
    outputs = [out for cell in cells(path) for out in cell["outputs"] if out["output_type"] == "stream"]
    return "".join("".join(out["text"]) for out in outputs if out["name"] == "stdout")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("batch")


def test_the_notebooks_run_one_after_the_other_as_a_batch(place):
    """01 makes a dataset, 03 trains on it, 04 reviews the mistakes, 00 shows it all."""
    workspace = place / "ws"
    for name in ("01_datasets", "03_training", "04_review", "00_workbench"):
        done = mill(name, place / f"{name}.ipynb", workspace=workspace)
        assert done.returncode == 0, done.stderr[-3000:]
    (run,) = Workspace(workspace).runs()
    assert run.state() == "done"
    assert run.metrics()["numbers"]["AP"] is not None
    (data,) = Workspace(workspace).datasets()
    assert data.prediction_names() == (run.name,)
    assert "20 images" in printed(place / "01_datasets.ipynb")
    assert run.name in printed(place / "03_training.ipynb")
    assert "missed in" in printed(place / "04_review.ipynb")
    assert "1 corrections in the log, 0 in force" in printed(place / "04_review.ipynb")
    overview = printed(place / "00_workbench.ipynb")
    assert re.search(rf"{run.name}: done; AP \d\.\d{{3}}, ", overview)
    assert not re.search(r"\d\.\d{4}", overview), "no raw floats"


def test_photometric_stereo_runs_as_a_batch_on_made_frames(place):
    done = mill("02_photometric_stereo", place / "02.ipynb", workspace=place / "surfaces")
    assert done.returncode == 0, done.stderr[-3000:]
    said = printed(place / "02.ipynb")
    assert "the light is known from: flat field" in said
    assert re.search(r"1\. (scratch|dent|crease), ", said)
    assert (place / "surfaces" / "surfaces" / "made_frames_smoke" / "relight.html").stat().st_size > 100_000


def test_a_card_is_graded_as_a_batch_and_a_line_is_set_by_code(place):
    """05 grades a drawn card whose truth is known, compares standards, repeats itself, and grades a folder."""
    workspace = place / "graded"
    done = mill("05_grading", place / "05.ipynb", workspace=workspace)
    assert done.returncode == 0, done.stderr[-3000:]
    said = printed(place / "05.ipynb")
    measured = float(re.search(r"front: left/right (\d+\.\d)/", said)[1])
    true = float(re.search(r"the truth: left (\d+\.\d) %", said)[1])
    assert abs(measured - true) < 2
    assert "24 points" in said
    assert re.search(r"undetermined: .{10,}; .{10,}", said), "of half a card"
    assert re.search(r"PSA: front alone \d\.\d\d, with the back \d\.\d\d", said)
    assert "3 captures of 1 card" in said
    assert "3 cards: 3 measured" in said
    wider = float(re.search(r"left border 0.3 mm wider: (\d+\.\d) %, \('front left inner',\)", said)[1])
    assert wider > measured + 1
    assert f"as measured: {measured:.1f} %" in said
    assert (workspace / "exports" / "grades" / "views" / "results.csv").is_file()
    assert (workspace / "exports" / "front.html").stat().st_size > 100_000


def test_the_gallery_draws_and_makes_a_dataset_in_a_batch(place):
    """07 shows cards, defects, views and frames, and makes a dataset in one call."""
    workspace = place / "gallery"
    done = mill("07_synthetic_gallery", place / "gallery.ipynb", workspace=workspace, dataset_type="edge_detection")
    assert done.returncode == 0, done.stderr[-3000:]
    (data,) = Workspace(workspace).datasets()
    assert (data.name, len(data.names())) == ("drawn-edge-detection-0", 4)
    told = printed(place / "gallery.ipynb")
    assert "photo: L/R" in told or "photo: no border" in told
    assert "outer_edge: 4" in told
    kinds = [out.get("data", {}) for cell in cells(place / "gallery.ipynb") for out in cell["outputs"]]
    assert sum("image/png" in each for each in kinds) == 5


def test_classes_are_mapped_and_the_dataset_is_exported_in_a_batch(place):
    workspace = place / "mapped"
    changes = "corner_whitening=whitening edge_whitening=whitening stain="
    done = mill("01_datasets", place / "m.ipynb", workspace=workspace, class_map=changes, export_to="yolo")
    assert done.returncode == 0, done.stderr[-3000:]
    (data,) = Workspace(workspace).datasets()
    assert set(data.labels.names) == {"card", "whitening", "scratch"}
    told = printed(place / "m.ipynb")
    rows = [line for file in (workspace / "exports").glob("made_cards_20/*/labels/*.txt") for line in file.open()]
    edges = sum(line.startswith(f"{LABELS.names.index('edge_whitening')} ") for line in rows)
    assert edges > 0
    assert f"edge_whitening: {edges} annotations, becomes whitening" in told
    assert "0 lines or files were left out" in told
    assert "images added" in told, "the version and what led to it"
    assert len(list((workspace / "exports" / f"{data.name}-yolo").rglob("*.txt"))) >= 20


def test_a_failing_job_fails_the_batch_and_says_why(place):
    done = mill("01_datasets", place / "bad.ipynb", workspace=place / "other", source="/no/such/folder", dataset="x")
    assert done.returncode == 1
    assert "there is no such folder or file" in (place / "bad.ipynb").read_text()


@pytest.mark.parametrize("name", ["03_training", "04_review"])
def test_a_mistyped_dataset_fails_the_batch_instead_of_taking_another(place, name):
    workspace = place / "typed"
    if not (workspace / "datasets").exists():
        Workspace(workspace).create("attic", type="custom")
    done = mill(name, place / "typed.ipynb", workspace=workspace, dataset="atic")
    assert done.returncode == 1
    assert "there is no dataset 'atic'" in (place / "typed.ipynb").read_text()
    assert not Workspace(workspace).runs()


@pytest.fixture
def code(tmp_path):
    """What the dataset panel offers to copy for a small folder, in a workspace each."""
    folder = tmp_path / "attic"
    render_dataset(folder, counts={"train": 6, "val": 2, "test": 2}, size=(160, 200))

    def offered(name):
        model = DatasetModel(tmp_path / name)
        model.path = str(folder)
        model.recognise()
        return model.code()

    return offered


def run(words, cwd, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, env=clean(), cwd=cwd, **options)


def test_copied_code_gives_the_same_result_in_all_three_ways(code, tmp_path):
    """U7: the command line, the Python call and the papermill command make the same dataset."""
    run(["bash", "-ec", code("a").command], tmp_path)
    run([sys.executable, "-c", code("b").python], tmp_path)
    run(["bash", "-ec", code("c").papermill], tmp_path)
    found = [Workspace(tmp_path / name).dataset("attic") for name in "abc"]
    assert found[0].coverage().images == 10
    assert len({each.fingerprint() for each in found}) == 1
    assert len({each.type.name for each in found}) == 1


def test_the_code_of_a_training_gives_the_same_weights(code, tmp_path):
    """U7: command line and Python call of a training; the notebook's own run is checked above."""
    place = tmp_path / "a"
    run(["bash", "-ec", code("a").command], tmp_path)
    offered = code_of(["train", "attic", "profile=smoke", "epochs=1", "threads=1", "limit_images=4"], place)
    run(["bash", "-ec", offered.command], tmp_path)
    run([sys.executable, "-c", offered.python], tmp_path)
    first, second = Workspace(place).runs()
    assert first.config().items() >= {"limit_images": 4}.items()
    losses = [
        [tick["metrics"]["loss"] for tick in each.ticks() if "loss" in tick["metrics"]] for each in (first, second)
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) >= 2
