"""A dataset of drawn cards in one call: every type, the same bytes, gone on with, truth beside the labels."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from rcg import Workspace, make_dataset, validate
from rcg.captures import capture_folder, captures, mean_picture
from rcg.dataset_types import DATASET_TYPES
from rcg.errors import Cancelled, ConfigError, DataError
from rcg.images import read_image
from rcg.making import truth_of_image
from rcg.photometric.reading import read_capture
from rcg.photometric.types import Capture
from rcg.synthetic.cards import draw_card
from rcg.synthetic.lens import Projection
from rcg.training.tasks import read_training_data

SMALL = {"cards": 6, "size": (150, 200)}
CAPTURES = {"type": "photometric_fusion", "cards": 2, "mm_per_px": 0.25}


def digest(dataset):
    """A hash of each image, label and frame; what tells the time of the call is left out."""
    places = [*dataset.images.rglob("*"), *(dataset.path / "made").rglob("*"), *(dataset.path / "captures").rglob("*")]
    files = [each for each in (*places, dataset.labels_file()) if each.is_file()]
    return {str(each.relative_to(dataset.path)): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset with captures, and one of photos and scans."""
    ws = Workspace(tmp_path_factory.mktemp("ws"))
    return make_dataset(ws, "lights", **CAPTURES), make_dataset(ws, "views", views=("photo", "scan"), **SMALL)


@pytest.mark.parametrize("type", [name for name in DATASET_TYPES if name not in {"photometric_fusion", "multi_modal"}])
def test_every_type_is_made_in_one_call_and_is_ready(type, tmp_path):
    dataset = make_dataset(Workspace(tmp_path), "a", type=type, **SMALL)
    kind, records = dataset.type, dataset.records()
    assert [each.file_name for each in records] == [f"card_{n:04d}_front_photo.jpg" for n in range(1, 7)]
    assert all(each.labelled and each.annotations and each.card for each in records)
    for each in (annotation for record in records for annotation in record.annotations):
        assert not kind.labels or each.label in kind.labels
        assert ("keypoints" in kind.geometry) == (each.keypoints is not None)
        assert bool(each.polygons) == bool({"polygon"} & kind.geometry)
        if each.keypoints is not None:
            assert len(each.keypoints.points) == len(kind.keypoints)
    report = validate(dataset)
    assert report.verdict == ("stop" if type == "grade" else report.verdict)
    if type != "grade":
        assert report.verdict in {"go", "warn"}, report
        assert read_training_data(dataset)


def test_both_sides_and_frames_of_a_multi_modal_card(tmp_path):
    dataset = make_dataset(Workspace(tmp_path), "m", type="multi_modal", cards=1, size=(150, 200), mm_per_px=0.4)
    names = sorted(dataset.names())
    assert names == [f"card_0001_{side}_{view}" for side in ("back", "front") for view in ("capture.png", "photo.jpg")]
    assert captures(dataset) == ("card_0001_back", "card_0001_front")
    assert len(set(dataset.splits().cards.values())) == 1
    sides = {name: truth_of_image(dataset, name) for name in names}
    assert sides["card_0001_back_photo.jpg"].side == "back"
    widths = {
        round(np.ptp([x for x, _ in each.quad]) / each.px_per_mm) for name, each in sides.items() if "capture" in name
    }
    assert len(widths) == 1, "both sides of one card have one size"


def test_frames_lights_and_truth_of_a_capture_can_be_read(made):
    dataset, _ = made
    for card in captures(dataset):
        folder = capture_folder(dataset, card)
        capture = read_capture(folder)
        assert capture.lights == 8
        assert capture.rig.positions_mm is not None
        assert capture.flat is not None
        assert capture.dark is not None
        normals = np.load(folder / "truth" / "normals.npy")
        assert normals.shape == (capture.height, capture.width, 3)
        assert np.linalg.norm(normals, axis=2) == pytest.approx(np.ones(normals.shape[:2]), abs=1e-3)
        picture = read_image(dataset.images / f"{card}_capture.png")
        assert picture.shape[:2] == (capture.height, capture.width)
        assert np.array_equal(picture, mean_picture(capture))
    with pytest.raises(ConfigError, match="name of a capture"):
        capture_folder(dataset, "../lights")


def test_the_truth_of_a_capture_lies_on_its_frames(made):
    """Where the card is, by its mask, is where the outline says."""
    dataset, _ = made
    for card in captures(dataset):
        truth = truth_of_image(dataset, f"{card}_capture.png")
        mask = np.load(capture_folder(dataset, card) / "truth" / "card.npy")
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        found = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        outline = np.array(truth.outline)
        assert found == pytest.approx((*outline.min(axis=0), *outline.max(axis=0)), abs=1.1)


def test_a_view_knows_centering_and_the_size_of_each_defect(made):
    _, dataset = made
    for number in range(1, 7):
        card = draw_card((0, number))
        for view in ("photo", "scan"):
            truth = truth_of_image(dataset, f"card_{number:04d}_front_{view}.jpg")
            assert truth.borders_mm == pytest.approx(card.borders) if card.borders else truth.borders_mm is None
            for each in truth.defects:
                assert any(each.label == own.label and abs(each.depth_um - own.depth_um) < 0.01 for own in card.defects)
            if card.inner is not None:
                lens = Projection.of_quad(card.corners, truth.quad, size=(truth.width, truth.height))
                assert np.array(truth.inner) == pytest.approx(lens.points(card.inner), abs=1.5)  # but for the lens
    with pytest.raises(DataError, match="nothing more"):
        truth_of_image(dataset, "card_0099_front_photo.jpg")


def test_the_same_call_changes_nothing_and_gives_the_same_bytes_elsewhere(made, tmp_path):
    lights, views = made
    before = digest(lights)
    stamps = {each: each.stat().st_mtime_ns for each in lights.images.iterdir()}
    make_dataset(Workspace(lights.workspace), "lights", **CAPTURES)
    assert {each: each.stat().st_mtime_ns for each in lights.images.iterdir()} == stamps
    other = make_dataset(Workspace(tmp_path), "lights", **CAPTURES)
    assert digest(other) == before
    another = make_dataset(Workspace(tmp_path), "other", views=("photo", "scan"), seed=1, **SMALL)
    shared = digest(another).keys() & digest(views).keys()
    assert all(digest(another)[name] != digest(views)[name] for name in shared if name.endswith(".jpg"))


def test_a_stopped_call_goes_on_and_ends_in_the_same_bytes(made, tmp_path):
    def stop(tick):
        if tick.task == "render cards" and tick.done >= 1:
            raise Cancelled

    ws = Workspace(tmp_path)
    with pytest.raises(Cancelled):
        make_dataset(ws, "lights", report=stop, **CAPTURES)
    begun = ws.dataset("lights")
    assert 0 < len(list(begun.images.iterdir())) < 3
    (begun.path / "made" / "truth" / "card_0001_front_capture.json").unlink()  # killed between image and truth
    assert digest(make_dataset(ws, "lights", **CAPTURES)) == digest(made[0])


def test_a_killed_call_goes_on(made, tmp_path):
    """Killed by the system while it draws, not stopped politely."""
    code = (
        "import os, sys\nfrom rcg import Workspace, make_dataset\n"
        "def kill(tick):\n    if tick.done >= 3: os.kill(os.getpid(), 9)\n"
        f"make_dataset(Workspace({str(tmp_path)!r}), 'views', views=('photo', 'scan'), report=kill, **{SMALL!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    dataset = make_dataset(Workspace(tmp_path), "views", views=("photo", "scan"), **SMALL)
    assert digest(dataset) == digest(made[1])
    assert len(dataset.names()) == 12


def test_other_arguments_and_other_datasets_are_refused(made, tmp_path):
    lights, _ = made
    with pytest.raises(DataError, match="other arguments"):
        make_dataset(Workspace(lights.workspace), "lights", **{**CAPTURES, "cards": 3})
    ws = Workspace(tmp_path)
    ws.create("mine", type="custom")
    with pytest.raises(DataError, match="not made of drawn cards"):
        make_dataset(ws, "mine", type="edge_detection", **SMALL)
    wrong = ({"type": "edges"}, {"cards": 0}, {"views": ("film",)}, {"views": ("scan", "scan")}, {"seed": -1},
             {"size": (10, 10)}, {"mm_per_px": 0}, {"wear": -1})  # fmt: skip
    for each in wrong:
        with pytest.raises(ConfigError):
            make_dataset(ws, "new", **each)
    assert not (tmp_path / "datasets" / "new").exists()


def test_the_mean_picture_is_bright_where_all_frames_are():
    ramp = np.linspace(100, 4000, 50).astype(np.uint16)
    frames = np.stack([np.tile(ramp * share // 10, (20, 1)) for share in (6, 8, 10)])
    picture = mean_picture(Capture(images=frames, full_scale=4095))
    assert picture.shape == (20, 50, 3)
    assert (np.diff(picture[0, :, 0].astype(int)) >= 0).all()
    assert (picture.min(), picture.max()) == (0, 250)


def test_labels_beside_the_dataset_are_those_within(made):
    _, dataset = made
    within = json.loads(dataset.labels_file().read_text())
    beside = json.loads((dataset.path / "made" / "labels.json").read_text())
    assert len(within["annotations"]) == len(beside["annotations"]) > 12
