"""The real FiftyOne on a small dataset: built, compared, edited, undone, browsed; skips without its database."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rcg.errors import Cancelled, DataError, RunError
from rcg.files import read_json
from rcg.images import read_image, write_image
from rcg.review import browse, build, collect, compare, database_state, open_app
from rcg.review.collecting import dataset_of
from rcg.types import Annotation, Box, ImageRecord, Keypoints, Polygon
from rcg.workspace import Workspace

STATE = database_state()
pytestmark = pytest.mark.skipif(not STATE.ready, reason=str(STATE))
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
RUN = "2026-11-21_first try"


def card(x=40.0, y=50.0, w=120.0, h=168.0, **more):
    return Annotation(label="card", box=Box(x, y, w, h), **more)


def frame(x=50.0, y=60.0, w=100.0, h=148.0):
    ring = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    return Annotation(label="inner_frame", box=Box(x, y, w, h), polygons=(Polygon(ring),))


def photo(name, *annotations, **more):
    return ImageRecord(file_name=name, width=300, height=400, annotations=annotations, **more)


def records():
    corners = Keypoints(((40.0, 50.0, 2), (160.0, 50.0, 2), (160.0, 218.0, 1), (0.0, 0.0, 0)))
    return [
        photo("a/front.jpg", card(), frame()),
        photo("a/back.jpg", card(60.3, 70.7, 119.9, 167.1, keypoints=corners)),
        photo("b.jpg", card(x=170.0), card()),
        photo("c.jpg"),
        photo("d.jpg", labelled=False),
    ]


def guesses():
    return [
        photo("a/front.jpg", card(43.0, 52.0, score=0.91), replace(frame(120, 200), score=0.8)),
        photo("a/back.jpg", card(60.0, 71.0, score=0.9), card(62.0, 73.0, score=0.3)),
        photo("b.jpg", card(score=0.7)),
        photo("c.jpg", card(score=0.6)),
        photo("d.jpg", card(score=0.9)),
    ]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One dataset in one workspace: a process has one FiftyOne, and it takes seconds to load."""
    root = tmp_path_factory.mktemp("review") / "workspace"
    made = Workspace(root).create("cards.2026", type="custom", classes=["card", "inner_frame"])
    rng = np.random.default_rng(5)
    for record in records():
        pixels = rng.integers(120, 150, (400, 300, 3)).astype(np.uint8)
        for each in record.annotations:
            x, y, right, bottom = map(int, each.box.corners)
            pixels[y:bottom, x:right] = (30, 90, 160) if each.label == "card" else (200, 190, 120)
        write_image(made.images / record.file_name, pixels)
    return made


@pytest.fixture
def dataset(shared):
    """The dataset as it was at first."""
    reset(shared)
    return shared


def reset(shared):
    """Its labels, its predictions, no corrections."""
    (shared.path / "corrections.jsonl").unlink(missing_ok=True)
    for file in (shared.path / "labels").rglob("*.json"):
        file.unlink()
    with shared.writing("a test") as out:
        out.write_records(records())
    shared.write_predictions(RUN, guesses())


@pytest.fixture
def copy(dataset):
    """Its copy in FiftyOne, fresh."""
    yield build(dataset)
    import fiftyone

    if "rcg-cards.2026" in fiftyone.list_datasets():
        fiftyone.load_dataset("rcg-cards.2026").clear()  # quicker than making all its fields again


def sample_of(copy, name):
    copy.reload()
    sample = copy[copy.match({"file_name": name}).first().id]
    sample.reload()
    return sample


def labels_of(dataset, name):
    return next(each for each in dataset.records() if each.file_name == name).annotations


def test_samples_show_labels_predictions_card_and_split(dataset, copy):
    assert (copy.name, len(copy), copy.persistent) == ("rcg-cards.2026", 5, True)
    sample = sample_of(copy, "a/front.jpg")
    assert sample.filepath == str(dataset.images / "a/front.jpg")
    assert (sample.metadata.width, sample.metadata.height) == (300, 400)
    assert sample.split == dataset.splits().of("a/front.jpg")
    assert sample.card == dataset.splits().cards["a/front.jpg"]
    assert [each.label for each in sample.ground_truth.detections] == ["card", "inner_frame"]
    assert [each.label for each in sample.corrected.detections] == ["card"]
    outline = sample.corrected_outlines.polylines[0]
    assert outline.closed
    assert outline.points[0][0] == pytest.approx((50 / 300, 60 / 400))
    assert [each.confidence for each in sample["pred_2026_11_21_first_try"].detections] == [0.91, 0.8]
    assert sample_of(copy, "d.jpg").tags == ["unlabelled"]
    keypoints = sample_of(copy, "a/back.jpg").ground_truth_points.keypoints[0]
    assert len(keypoints.points) == 4
    assert np.isnan(keypoints.points[3]).all()


def test_an_image_that_browsers_cannot_show_is_shown_as_png(dataset, copy):
    write_image(dataset.images / "e.png", np.full((400, 300, 3), 77, np.uint8))
    (dataset.images / "e.png").rename(dataset.images / "e.tif")  # what a file is called decides, as in a browser
    with dataset.writing("a test") as out:
        out.write_records([*records(), photo("e.tif", card())])
    build(dataset)
    path = Path(sample_of(copy, "e.tif").filepath)
    (dataset.images / "e.tif").unlink()
    assert (path.suffix, read_image(path)[0, 0, 0]) == (".png", 77)


def test_the_app_may_edit_the_copy_with_the_classes_of_the_dataset(copy):
    assert set(copy.active_label_schemas) == {"corrected", "corrected_outlines"}
    assert copy.label_schemas["corrected"]["classes"] == ["card", "inner_frame"]
    assert {"corrected", "corrected_outlines", "ground_truth"} <= set(copy.app_config.active_fields.paths)


def test_true_false_and_missed_are_those_of_the_gallery(dataset, copy):
    key = "eval_2026_11_21_first_try"
    found = zip(*copy.values(["file_name", f"{key}_tp", f"{key}_fp", f"{key}_fn"]), strict=True)
    counts = {name: numbers for name, *numbers in found}
    assert counts.pop("d.jpg") == [None, None, None], "no labels, nothing to compare"
    plain = {each.file_name: [each.tp, each.fp, each.fn] for each in compare(dataset, RUN) if each.labelled}
    assert counts == plain
    assert counts["a/front.jpg"] == [1, 1, 1]
    views = set(copy.list_saved_views())
    assert views == {
        "corrections", "unlabelled", f"{RUN}: most mistakes first", f"{RUN}: false positives", f"{RUN}: missed",
    }  # fmt: skip
    assert copy.load_saved_view(f"{RUN}: most mistakes first").first().file_name == "a/front.jpg"
    assert copy.load_saved_view(f"{RUN}: missed").values("file_name") == ["a/front.jpg", "b.jpg"]
    assert copy.load_saved_view("unlabelled").values("file_name") == ["d.jpg"]


def test_after_a_correction_the_counts_are_right_without_comparing_all_again(dataset, copy):
    key, ticks = "eval_2026_11_21_first_try", []
    (missed,) = [each for each in labels_of(dataset, "b.jpg") if each.box.x == 170.0]
    dataset.correct("b.jpg", before=missed, after=None, source="test")
    build(dataset, report=ticks.append)
    assert not [tick for tick in ticks if tick.task == "comparing predictions"]
    sample = sample_of(copy, "b.jpg")
    assert [sample[f"{key}_{kind}"] for kind in ("tp", "fp", "fn")] == [1, 0, 0]
    (truth,), (guess,) = sample.ground_truth.detections, sample["pred_2026_11_21_first_try"].detections
    assert (truth[key], truth[f"{key}_id"], guess[key], guess[f"{key}_id"]) == ("tp", guess.id, "tp", truth.id)
    assert truth[f"{key}_iou"] == pytest.approx(1)
    assert copy.load_saved_view(f"{RUN}: missed").values("file_name") == ["a/front.jpg"]
    dataset.correct("d.jpg", before=None, after=None, source="test")
    build(dataset)
    assert [sample_of(copy, "d.jpg")[f"{key}_{kind}"] for kind in ("tp", "fp", "fn")] == [0, 1, 0]


def test_edits_come_back_once_and_an_undo_goes_out_again(dataset, copy):
    (old,) = labels_of(dataset, "a/back.jpg")
    sample = sample_of(copy, "a/back.jpg")
    known = sample.corrected.detections[0].id
    sample.corrected.detections[0].bounding_box[2] = 0.5
    sample.save()
    front = sample_of(copy, "a/front.jpg")
    front.corrected_outlines.polylines = []
    front.corrected.detections[0].label = "inner_frame"
    front.save()
    made = collect(copy, dataset)
    assert sorted((each.file_name, each.action) for each in made) == [
        ("a/back.jpg", "change"), ("a/front.jpg", "change"), ("a/front.jpg", "remove"),
    ]  # fmt: skip
    assert {each.source for each in made} == {"fiftyone"}
    (back,) = labels_of(dataset, "a/back.jpg")
    assert back.box == replace(old.box, width=150.0), "what nobody moved is the very same number"
    assert back.keypoints is not None
    assert [each.label for each in labels_of(dataset, "a/front.jpg")] == ["inner_frame"]
    assert collect(copy, dataset) == ()
    build(dataset)
    assert sample_of(copy, "a/back.jpg").corrections == 1
    assert copy.load_saved_view("corrections").values("file_name") == ["a/back.jpg", "a/front.jpg"]
    for each in made:
        dataset.undo(each.number)
    build(dataset)
    again = sample_of(copy, "a/back.jpg")
    assert again.corrected.detections[0].bounding_box[2] == old.box.width / 300
    assert again.corrected.detections[0].id == known
    assert len(sample_of(copy, "a/front.jpg").corrected_outlines.polylines) == 1
    assert collect(copy, dataset) == ()
    assert len(dataset.corrections()) == 3


def test_a_second_edit_of_the_same_label_follows_on_the_first(dataset, copy):
    sample = sample_of(copy, "c.jpg")
    import fiftyone as fo

    sample.corrected.detections.append(fo.Detection(label="card", bounding_box=[0.1, 0.1, 0.3, 0.4]))
    sample.save()
    modified = sample_of(copy, "c.jpg").last_modified_at
    (first,) = collect(copy, dataset)
    assert sample_of(copy, "c.jpg").last_modified_at == modified, "the App would refuse to edit it any further"
    sample.corrected.detections[0].bounding_box = [0.1, 0.1, 0.3, 0.5]
    sample.save()
    (second,) = collect(copy, dataset)
    assert (first.action, second.action) == ("add", "change")
    assert labels_of(dataset, "c.jpg") == (Annotation(label="card", box=Box(30.0, 40.0, 90.0, 200.0)),)


def test_edits_that_cannot_be_taken_stay_and_are_named(dataset, copy):
    sample = sample_of(copy, "c.jpg")
    import fiftyone as fo

    sample.corrected.detections = [fo.Detection(label="crad", bounding_box=[0.1, 0.1, 0.3, 0.4])]
    sample.save()
    drawn = fo.Detections(detections=[fo.Detection(label="card", bounding_box=[0, 0, 1, 1])])
    path = str(dataset.images / "stranger.jpg")
    copy.add_sample(fo.Sample(filepath=path, file_name="stranger.jpg", corrected=drawn))
    notes = []
    assert collect(copy, dataset, report=lambda tick: notes.append(tick.note)) == ()
    assert any("'crad'" in note and "c.jpg" in note for note in notes)
    assert any("stranger.jpg" in note for note in notes)
    sample.corrected.detections[0].label = "card"
    sample.save()
    assert [each.file_name for each in collect(copy, dataset)] == ["c.jpg"]


def test_a_deleted_sample_is_no_correction_and_comes_back(dataset, copy):
    copy.delete_samples([sample_of(copy, "b.jpg").id])
    assert collect(copy, dataset) == ()
    assert "b.jpg" in build(dataset).values("file_name")
    assert dataset.corrections() == ()


def test_only_what_changed_is_written_again(dataset, copy):
    before = dict(zip(*copy.values(["file_name", "ground_truth.detections.id"]), strict=True))
    ticks = []
    build(dataset, report=ticks.append)
    assert not [tick for tick in ticks if "images" in tick.task]
    dataset.correct("a/back.jpg", before=None, after=card(), source="test")
    build(dataset, report=ticks.append)
    assert [tick.total for tick in ticks if tick.task == "updating images"] == [1, 1]
    after = dict(zip(*copy.values(["file_name", "ground_truth.detections.id"]), strict=True))
    assert [name for name in before if before[name] != after[name]] == ["a/back.jpg"]
    with dataset.writing("a test") as out:
        out.write_records([each for each in records() if each.file_name != "c.jpg"])
    assert "c.jpg" not in build(dataset).values("file_name")


def test_predictions_that_are_gone_leave_nothing_behind(dataset, copy):
    dataset.labels_file("predictions", RUN).unlink()
    build(dataset)
    copy.reload()
    assert not [field for field in copy.get_field_schema() if "2026_11" in field]
    assert copy.list_evaluations() == []
    assert set(copy.list_saved_views()) == {"corrections", "unlabelled"}


def test_edits_nobody_took_survive_a_rebuild(dataset, copy):
    sample = sample_of(copy, "b.jpg")
    sample.corrected.detections = sample.corrected.detections[:1]
    sample.save()
    dataset.correct("c.jpg", before=None, after=card(), source="test")
    build(dataset)
    assert len(labels_of(dataset, "b.jpg")) == 1
    assert [each.source for each in dataset.corrections()] == ["test", "fiftyone"]


def test_a_stop_in_the_middle_is_made_good_by_the_next_call(dataset):
    def stop(tick):
        if tick.task == "comparing predictions":
            raise Cancelled

    key = "eval_2026_11_21_first_try"
    build(dataset)
    dataset.write_predictions(RUN, [replace(each, annotations=()) for each in guesses()])
    with pytest.raises(Cancelled):
        build(dataset, report=stop)
    copy = build(dataset)
    assert copy.has_evaluation(key)
    assert copy.sum(f"{key}_tp") == 0
    assert copy.sum(f"{key}_fn") == 5
    copy.clear()


def test_another_workspace_needs_another_process(dataset, copy, tmp_path):
    other = Workspace(tmp_path).create("other", type="custom")
    with pytest.raises(RunError, match="open on another database") as caught:
        build(other)
    assert "new process" in caught.value.fix
    assert dataset_of(copy).path == dataset.path


def test_the_operators_take_edits_and_accept_predictions(dataset, copy):
    from fiftyone.operators.executor import ExecutionContext, Executor

    from rcg.review.operators import AcceptPredictions, SendToCorrections

    def run(operator, names, **params):
        selected = [sample_of(copy, name).id for name in names]
        request = {"dataset_name": copy.name, "selected": selected, "view": [], "params": params}
        context = ExecutionContext(request_params=request, executor=Executor())
        assert operator.resolve_input(context) is not None
        return operator.execute(context)

    for name in ("a/back.jpg", "a/front.jpg"):
        sample = sample_of(copy, name)
        sample.corrected.detections = []
        sample.save()
    assert run(SendToCorrections(), ["a/back.jpg"])["corrections"] == 1
    assert [each.file_name for each in dataset.corrections()] == ["a/back.jpg"], "only the selected one"
    assert run(SendToCorrections(), [])["corrections"] == 1
    assert run(SendToCorrections(), [])["message"] == "nothing was edited"
    result = run(AcceptPredictions(), ["d.jpg", "a/back.jpg"], predictions=RUN, score=0.5)
    assert result["corrections"] == 2
    assert len(sample_of(copy, "d.jpg").corrected.detections) == 1
    assert "between 0 and 1" in run(AcceptPredictions(), ["d.jpg"], predictions=RUN, score=7)["message"]


@pytest.fixture(scope="module")
def app(shared):
    """The App, kept open from the first test that needs it on: it takes seconds to start."""
    reset(shared)
    with open_app(shared) as opened:
        yield opened


def test_browse_stops_when_the_report_says_so(app, dataset, copy):
    sample = sample_of(copy, "c.jpg")
    import fiftyone as fo

    seen = []

    def report(tick):
        seen.append(tick)
        if len([each for each in seen if each.task == "browsing"]) == 2:
            sample.corrected.detections = [fo.Detection(label="card", bounding_box=[0.1, 0.1, 0.3, 0.4])]
            sample.save()
            raise Cancelled

    with pytest.raises(Cancelled):
        browse(dataset, report=report, poll_s=0.5)
    assert [each.file_name for each in dataset.corrections()] == ["c.jpg"], "the last edit is taken on the way out"
    assert any("http://127.0.0.1:" in each.note for each in seen)
    assert any(each.note.startswith("waiting for the App") for each in seen)


def test_browse_in_a_process_of_its_own_ends_with_ctrl_c(app, dataset, copy):
    code = (
        "import sys; from rcg.workspace import Workspace; from rcg.review import browse\n"
        "said = lambda t: t.task == 'browsing' and print(t.note, flush=True)\n"
        "b = browse(Workspace(sys.argv[1]).dataset('cards.2026'), report=said, poll_s=0.5)\n"
        "print('ended', b.url)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(dataset.workspace)], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert "FiftyOne is open at" in process.stdout.readline()
    process.send_signal(2)
    assert "ended" in process.communicate(timeout=30)[0]
    assert process.returncode == 0


@pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed: apt-get install chromium")
def test_a_box_dragged_in_the_app_becomes_a_correction(app, dataset, copy):
    from playwright.sync_api import sync_playwright

    (old,) = labels_of(dataset, "a/back.jpg")
    with open_app(dataset) as opened, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(opened.url)
        page.wait_for_selector("[data-cy=looker]", timeout=60_000)
        for field in ("ground_truth", "corrected", "pred_2026_11_21_first_try"):
            page.wait_for_selector(f"[data-cy=sidebar-field-container-{field}]")
        page.wait_for_function("document.querySelectorAll('canvas[canvas-loaded=true]').length >= 5", timeout=30_000)
        drag_first_box(page)
        end = time.monotonic() + 40
        while not opened.poll() and time.monotonic() < end:
            time.sleep(0.2)
        browser.close()
    (made,) = opened.corrections
    assert (made.file_name, made.action, made.before) == ("a/back.jpg", "change", old)
    assert (made.after.box.x, made.after.box.y) == (old.box.x, old.box.y)
    assert made.after.box.width == pytest.approx(119.9 + 40, abs=1)
    assert made.after.box.height == pytest.approx(167.1 + 30, abs=1)
    assert labels_of(dataset, "a/back.jpg")[0].box == made.after.box


def drag_first_box(page):
    """Open the first sample (a/back.jpg), drag the lower right corner of its box by 40 and 30 pixels of the image."""
    advert = page.get_by_text("Dismiss")
    with contextlib.suppress(Exception):
        advert.first.evaluate("e => e.click()", timeout=4000)
    thumbnail = page.locator("[data-cy=looker]").first.bounding_box()
    page.mouse.click(thumbnail["x"] + thumbnail["width"] / 2, thumbnail["y"] + thumbnail["height"] * 0.8)
    page.locator("[data-cy=annotate]").click(timeout=20_000)
    page.wait_for_selector("[data-cy^=annotate-label-]", timeout=20_000)
    area = page.locator("[data-cy=lighter-sample-renderer-canvas]").bounding_box()
    scale = min(area["width"] / 300, area["height"] / 400)
    left, top = area["x"] + (area["width"] - 300 * scale) / 2, area["y"] + (area["height"] - 400 * scale) / 2
    page.wait_for_timeout(2000)
    page.mouse.click(left + 120 * scale, top + 200 * scale)
    page.wait_for_timeout(2000)
    x, y = left + (60.3 + 119.9) * scale, top + (70.7 + 167.1) * scale
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20 * scale, y + 15 * scale, steps=5)
    page.mouse.move(x + 40 * scale, y + 30 * scale, steps=5)
    page.mouse.up()


def test_two_at_once_do_not_take_an_edit_twice(dataset, copy):
    sample = sample_of(copy, "b.jpg")
    sample.corrected.detections = []
    sample.save()
    found = []
    threads = [threading.Thread(target=lambda: found.append(collect(copy, dataset))) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(map(len, found)) == [0, 0, 2]
    assert len(dataset.corrections()) == 2
    assert read_json(dataset.labels_file())["images"], "the labels as imported stay as they are"


def test_a_dataset_without_images_is_told_as_such(shared):
    empty = Workspace(shared.workspace).create("empty", type="custom")
    with pytest.raises(DataError, match="no images to show"):
        build(empty)
