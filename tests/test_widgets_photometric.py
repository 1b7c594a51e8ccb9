"""The photometric panel: its commands, its view, and the code that it offers to copy."""

import shlex
import subprocess
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ipywidgets")

from rcg.errors import ConfigError, DataError
from rcg.jobs import jobs
from rcg.photometric.reading import read_capture
from rcg.photometric.writing import write_capture
from rcg.synthetic.cards import draw_card
from rcg.synthetic.rig import render_capture
from rcg.synthetic.rig_ball import render_ball
from rcg.synthetic.rig_model import RigModel, View
from rcg.workspace import Workspace
from tests.test_notebooks import BIN
from widgets import made_frames, photometric_panel
from widgets.photometric_model import PhotometricModel
from widgets.workbench import Workbench


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    return made_frames(Workspace(tmp_path_factory.mktemp("made")), "smoke")


@pytest.fixture
def place(tmp_path):
    yield tmp_path / "ws"
    for job in jobs(tmp_path / "ws"):
        job.cancel(now=True)


@pytest.fixture(scope="module")
def measured(rendered, tmp_path_factory):
    """A panel whose Measure button was pressed, once for the tests that look at what came of it."""
    panel = photometric_panel(tmp_path_factory.mktemp("measured") / "ws", inline=True)
    panel.model.frames = str(rendered)
    panel.controls["measure"].click()
    panel.model.jobs.wait(120)
    return panel


def test_without_frames_it_says_what_to_do(place):
    panel = photometric_panel(place, inline=True)
    assert "paste the path" in panel.controls["shown"].value
    panel.controls["measure"].click()
    assert "no frames are chosen" in panel.shown_message
    assert "Fix:" in panel.shown_message
    panel.model.frames = "/nowhere/frames"
    assert "there is no such folder of frames" in panel.shown_message
    panel.controls["add"].click()
    assert "nothing is measured yet" in panel.shown_message


def test_frames_are_shown_with_the_way_of_their_light(place, rendered):
    panel = photometric_panel(place, inline=True)
    panel.controls["frames"].value = str(rendered)
    shown = panel.model.shown
    assert len(shown) == 8
    assert shown[0].towards[0] > 0.5, "the first light of the ring stands to the right"
    assert panel.controls["shown"].value.count("towards the light") == 8
    assert "with a white sheet" in panel.model.about


def test_a_capture_of_a_dataset_is_chosen_by_name(place, rendered):
    data = Workspace(place).create("vintage", type="photometric_fusion")
    write_capture(data.path / "captures" / "card_1_front", read_capture(rendered))
    model = PhotometricModel(place)
    assert (model.dataset, model.card) == ("vintage", "card_1_front")
    assert model.place == data.path / "captures" / "card_1_front"
    assert model.target_folder.name == "vintage_card_1_front"


def test_measured_it_shows_numbers_layers_and_the_defects(measured):
    model = measured.model
    assert model.message.kind == "done"
    assert model.report.defects
    assert "residual" in measured.controls["numbers"].value
    first = measured.controls["picture"].value
    assert first[:2] == b"\xff\xd8"
    for layer in ("normals", "height", "band 0.2", "confidence", "gloss"):
        measured.controls["layer"].value = layer
        assert measured.controls["picture"].value not in (b"", first), layer
    told = measured.relight.about["defects"]
    assert [each["label"].replace(" ", "_") for each in told] == [each.label for each in model.report.defects]
    assert measured.relight.high[:4] == b"\x89PNG"


def test_a_measurement_that_is_stopped_leaves_nothing_and_can_be_resumed(place, rendered):
    panel = photometric_panel(place, inline=True)
    panel.model.frames = str(rendered)
    job = panel.model.measure()
    job.cancel()
    job.wait(60)
    panel.model.jobs.poll()
    assert job.state == "cancelled"
    assert not panel.model.target_folder.exists()
    panel.model.jobs.resume()
    panel.model.jobs.wait(120)
    assert panel.model.report.defects
    assert [each.name for each in panel.model.target_folder.parent.iterdir()] == [panel.model.target_folder.name]


def test_defects_are_added_and_the_page_is_exported(measured):
    ws = measured.model.workspace
    ws.create("damage", type="surface_damage")
    measured.model.refresh()
    measured.controls["into"].value = "damage"
    measured.controls["add"].click()
    assert "added to damage" in measured.shown_message
    (record,) = ws.dataset("damage").records("predictions", name="photometric")
    assert len(record.annotations) == len(measured.model.report.defects)
    assert measured.model.export().read_text().startswith("<!DOCTYPE html>")


def test_a_new_panel_takes_up_what_was_measured(measured, rendered):
    again = PhotometricModel(measured.model.workspace)
    again.frames = str(rendered)
    again.look()
    assert again.report.defects == measured.model.report.defects


def test_the_card_itself_calibrates_and_the_calibration_is_used(place, rendered):
    model = PhotometricModel(place)
    model.frames, model.source = str(rendered), "plane"
    with pytest.raises(ConfigError, match="no calibration yet"):
        model.arguments()
    found = model.calibrate()
    assert found.kind == "plane"
    assert len(found.errors) == 8
    assert model.arguments()[-2:] == ("--calibration", str(found.folder))
    model.source = "mirror ball"
    with pytest.raises(ConfigError, match="frames of the ball are missing"):
        model.calibrate()


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Frames of a card without a flat field, and of a ball and a white sheet under the same lights."""
    folder, rng = tmp_path_factory.mktemp("bare"), np.random.default_rng(3)
    stood, card = RigModel.draw(rng), draw_card(5, finish="matte", defects=("dent",))
    shot = render_capture(card.surface(8.0), rng, rig=stood, view=View(mm_per_px=0.125)).capture
    sheet = replace(shot, images=shot.flat, flat=None)
    write_capture(folder / "card", replace(shot, flat=None))
    write_capture(folder / "white sheet", sheet)
    write_capture(folder / "mirror ball", render_ball(rng, stood).capture)
    return folder


@pytest.mark.parametrize(
    ("source", "unit", "light"), [("mirror ball", "degrees", "mirror ball"), ("white sheet", "percent", "flat field")]
)
def test_a_target_calibrates_and_the_frames_are_measured_with_it(place, bare, source, unit, light):
    panel = photometric_panel(place, inline=True)
    panel.controls["frames"].value = str(bare / "card")
    panel.controls["source"].value = source
    panel.controls["target"].value = str(bare / source)
    panel.controls["calibrate"].click()
    assert f"calibrated by {source}" in panel.shown_message
    assert unit in panel.controls["calibrated"].value
    panel.controls["measure"].click()
    panel.model.jobs.wait(120)
    assert panel.model.report is not None, panel.shown_message
    assert panel.model.report.light_field == light


def test_a_size_that_is_no_number_is_told(place, rendered):
    model = PhotometricModel(place)
    model.frames, model.px_mm = str(rendered), "wide"
    with pytest.raises(ConfigError, match="not a number"):
        model.measure()
    with pytest.raises(DataError, match="no measured surface"):
        model.open(rendered)


def test_the_copied_code_gives_the_same(measured, tmp_path):
    model = measured.model
    model.out = str(tmp_path / "again")
    code = model.code()
    model.out = ""
    assert "measure_surface(" in code.python
    assert "02_photometric_stereo.ipynb" in code.papermill
    done = subprocess.run([BIN / "rcg", *shlex.split(code.command)[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    again = PhotometricModel(model.workspace)
    again.open(tmp_path / "again")
    assert again.report.defects == model.report.defects
    compile(code.python, "copied", "exec")


def test_the_workbench_holds_it_and_training_opens_from_datasets(place):
    bench = Workbench(place, inline=True)
    assert bench.photometric in bench.panels
    assert bench.panels[3] is bench.training
    bench.box.selected_index = 2
    assert bench.photometric.active
