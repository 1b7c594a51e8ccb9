"""The parts of the dataset panel: paths to choose, classes to change, and pages of what is there or was left out."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip("ipywidgets")

from rcg.annotations.mapping import ClassMap
from rcg.errors import RcgError
from rcg.quality import quality_of
from rcg.runs import new_run
from rcg.types import ImageRecord
from rcg.workspace import Workspace
from tests.panel_data import fill
from widgets import dataset_panel, kit, made_photos
from widgets.chooser_model import ChooserModel, list_folder
from widgets.class_rows import ClassRows
from widgets.class_table import ClassTable
from widgets.code import NOTEBOOKS
from widgets.dataset_about import told
from widgets.dataset_model import DatasetModel
from widgets.dataset_overview import ready_html
from widgets.images_model import EMPTY, UNLABELLED
from widgets.photo import colours_of, photo_html
from widgets.quarantine_model import QuarantineModel, left_out
from widgets.sections import Pages

BAD = {"0 0.5 0.5 nonsense 0.1": "numbers", "9 0.5 0.5 0.1 0.1": "the class 9", "0 0.5 0.5 0.0 0.1": "no area"}


@pytest.fixture
def spoilt(yolo, tmp_path):
    """A folder with three bad lines and a broken image."""
    folder = shutil.copytree(yolo, tmp_path / "spoilt")
    for path, line in zip(sorted((folder / "train" / "labels").glob("*.txt")), BAD, strict=False):
        path.write_text(path.read_text() + line + "\n")
    (folder / "train" / "images" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    return folder


# choosing a path


def test_a_folder_lists_what_can_be_added(tmp_path):
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
    for name in ("cards.zip", "labels.json", "one.jpg", "two.PNG", "notes.docx"):
        (tmp_path / name).touch()
    for number in range(50):
        (tmp_path / f"{number}.txt").touch()
    entries, words = list_folder(tmp_path)
    assert [each.text for each in entries] == ["../", "a/", "b/", "cards.zip", "labels.json"]
    assert words == "2 images, 50 .txt files"


def test_a_path_that_is_not_there_leads_to_the_nearest_folder(tmp_path):
    model = ChooserModel()
    model.go(tmp_path / "no" / "such" / "place")
    assert model.folder == str(tmp_path)
    (tmp_path / "x").mkdir()
    model.go(tmp_path / "x")
    model.up()
    assert model.folder == str(tmp_path)


def test_a_click_opens_a_folder_and_another_takes_it(place, yolo):
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = str(yolo.parent)
    panel.controls["browse"].click()
    listing = panel.chooser.listing
    assert panel.chooser.box.layout.display == ""
    listing.value = next(each for each in panel.chooser.model.entries if each.text == "yolo/")
    assert panel.chooser.model.folder == str(yolo)
    panel.chooser.use.click()
    assert panel.controls["path"].value == str(yolo)
    assert panel.chooser.box.layout.display == "none"
    assert "10 images" in panel.controls["seen"].value


def test_an_archive_and_a_list_are_added_too(place, yolo, tmp_path):
    shutil.make_archive(str(tmp_path / "boxes of cards"), "gztar", yolo)
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = str(tmp_path / "boxes of cards.tar.gz")
    assert "10 images" in panel.controls["seen"].value
    assert panel.controls["name"].value == "boxes-of-cards"
    panel.controls["add"].click()
    panel.model.jobs.wait(60)
    assert Workspace(place).dataset("boxes-of-cards").coverage().images == 10
    listed = tmp_path / "few.txt"
    listed.write_text("\n".join(map(str, sorted(yolo.rglob("*.jpg"))[:3])))
    panel.controls["path"].value, panel.controls["name"].value = str(listed), "few"
    assert "3 images" in panel.controls["seen"].value
    panel.controls["add"].click()
    panel.model.jobs.wait(60)
    assert Workspace(place).dataset("few").coverage().images == 3


# classes


def rows(**counts):
    model = ClassRows()
    model.fill(tuple(counts), counts)
    return model


def test_the_rows_come_to_a_map():
    model = rows(scratch=3, scrape=2, dust=9)
    assert model.texts() == ()
    model.rename("scrape", " scratch ")
    model.keep("dust", False)
    assert ClassMap.parse(model.texts()).to == {"scrape": "scratch", "dust": None}
    assert model.merged == {"scratch": ("scratch", "scrape")}
    assert model.wrong == ""
    model.rename("scrape", "")
    assert model.texts() == ("dust=",)


def test_a_map_that_leaves_nothing_is_told():
    model = rows(scratch=3)
    model.keep("scratch", False)
    assert "nothing would be left" in model.wrong


def test_what_was_chosen_for_a_class_stays_when_it_is_counted():
    model = rows(scratch=3, dust=1)
    model.keep("dust", False)
    model.fill(("scratch", "dust", "dent"), {"scratch": 4, "dust": 2})
    assert [(row.count, row.keep) for row in model.rows] == [(4, True), (2, False), (0, True)]


def test_a_thousand_classes_take_ten_lines():
    model = rows(**{f"class{number:04d}": number for number in range(1000)})
    table = ClassTable(model)
    assert len(table.lines) == 10
    table.after.click()
    assert table.lines[0].name == "class0010"
    table.lines[0].to.value = "class0000"
    assert model.texts() == ("class0010=class0000",)
    assert "class0000 and class0010 become class0000" in table.result.value
    table.before.click()
    assert table.lines[0].name == "class0000"
    assert model.texts() == ("class0010=class0000",), "turning a page changes nothing"


def test_classes_are_mapped_while_they_are_added(place, yolo):
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = str(yolo)
    counts = {row.name: row.count for row in panel.model.mapping.rows}
    assert counts["card"] > 0
    panel.model.mapping.rename("corner_whitening", "whitening")
    panel.model.mapping.rename("edge_whitening", "whitening")
    panel.model.mapping.keep("stain", False)
    assert "--map stain=" in panel.model.code().command
    compile(panel.model.code().python, "code", "exec")
    assert "ClassMap.parse(['corner_whitening=whitening'" in panel.model.code().python
    panel.controls["add"].click()
    panel.model.jobs.wait(60)
    have = Workspace(place).dataset("Attic-Cards").coverage()
    assert have.per_label["whitening"] == counts["corner_whitening"] + counts["edge_whitening"]
    assert "stain" not in have.per_label


def test_a_second_look_at_the_same_path_keeps_the_map(place, yolo):
    model = DatasetModel(place)
    model.path = str(yolo)
    model.recognise()
    model.mapping.keep("stain", False)
    model.recognise()
    assert model.mapping.texts() == ("stain=",)
    model.path = str(yolo.parent)
    model.recognise()
    assert model.mapping.texts() == ()


# what is proposed


def labelled(folder, classes):
    """A folder of one photo with a label of each class."""
    from PIL import Image

    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    Image.new("RGB", (60, 80), "grey").save(folder / "images" / "a1.png")
    text = "".join(f"{at} 0.5 0.5 0.2 0.2\n" for at in range(len(classes)))
    (folder / "labels" / "a1.txt").write_text(text)
    (folder / "data.yaml").write_text(f"names: {list(classes)}\n")
    return str(folder)


@pytest.fixture
def surface(tmp_path):
    return labelled(tmp_path / "surface", ["scratch", "dent"])


@pytest.fixture
def edges(tmp_path):
    return labelled(tmp_path / "edges", ["card", "chipping", "notch"])


def test_a_type_is_proposed_anew_for_another_path_or_a_free_name(filled, surface, edges):
    panel = dataset_panel(filled, inline=True)
    shown = panel.controls
    shown["path"].value = surface
    assert shown["kind"].value == "surface_damage"
    shown["name"].value = "attic"
    assert shown["kind"].disabled
    assert shown["kind"].value == "surface_damage"
    shown["path"].value = edges
    shown["name"].value = "free"
    assert (shown["kind"].value, shown["kind"].disabled) == ("edge_damage", False)
    shown["kind"].value = "custom"
    shown["path"].value = surface
    assert shown["kind"].value == "custom", "chosen by hand"


def test_the_type_of_an_existing_dataset_is_shown(filled, edges):
    Workspace(filled).create("own", type="corner_damage")
    panel = dataset_panel(filled, inline=True)
    panel.controls["path"].value = edges
    panel.controls["name"].value = "own"
    assert (panel.controls["kind"].value, panel.controls["kind"].disabled) == ("corner_damage", True)
    panel.controls["name"].value = "owner"
    assert panel.controls["kind"].value == "edge_damage"


@pytest.mark.parametrize("typed", ["", "mine"])
def test_after_adding_another_folder_gets_a_name_of_its_own(place, surface, edges, typed):
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = surface
    if typed:
        panel.controls["name"].value = typed
    panel.controls["add"].click()
    panel.model.jobs.wait(60)
    assert panel.controls["add"].description == f"Add to {typed or 'surface'}"
    panel.controls["path"].value = edges
    assert (panel.controls["name"].value, panel.controls["kind"].value) == ("edges", "edge_damage")
    assert panel.controls["add"].description == "Create and add"


def test_a_name_that_was_typed_stays_when_the_path_is_corrected(place, surface, edges):
    panel = dataset_panel(place, inline=True)
    panel.controls["name"].value = "mine"
    for path in (surface, "/no/such", edges):
        panel.controls["path"].value = path
    assert panel.controls["name"].value == "mine"


def test_two_sets_are_not_mixed_unawares(filled, edges, yolo):
    panel = dataset_panel(filled, inline=True)
    panel.controls["path"].value, panel.controls["name"].value = edges, "attic"
    doubt = panel.controls["name_doubt"]
    assert "attic is there already, and has no chipping, notch" in doubt.value
    for name in ("chipping", "notch"):
        panel.model.mapping.rename(name, "scratch")
    assert doubt.value == "", "renamed to classes that are there"
    panel.controls["path"].value = str(yolo)
    assert doubt.value == ""
    panel.controls["path"].value, panel.controls["name"].value = edges, "free"
    assert doubt.value == ""


def test_a_wrong_name_is_told_as_it_is_typed(place):
    panel = dataset_panel(place, inline=True)
    panel.controls["name"].value = "two words"
    assert "a blank" in panel.controls["name_wrong"].value
    panel.controls["name"].value = "two-words"
    assert panel.controls["name_wrong"].value == ""


# what is told, and where


def test_a_card_and_a_message_belong_to_the_tab_and_dataset_that_started_them(filled, surface, edges):
    panel = dataset_panel(filled, inline=True)
    model = panel.model
    panel.open("add")
    panel.controls["path"].value = surface
    panel.controls["add"].click()
    assert all(model.shows_job(tab) for tab in ("add", "classes", "quality", "versions", "export"))
    model.jobs.wait(60)
    assert [tab for tab in ("add", "classes", "quality", "versions", "export") if model.shows_job(tab)] == ["add"]
    shown = {name: panel.controls[f"job_{name}"].layout.display for name in ("add", "export")}
    assert shown == {"add": "", "export": "none"}
    assert "are in" in panel.shown_message
    panel.controls["dataset"].value = "attic"
    assert panel.shown_message == ""
    panel.controls["path"].value = edges
    assert not model.shows_job("add"), "another path"
    panel.controls["path"].value = surface
    shutil.rmtree(Workspace(filled).dataset("surface").path)
    panel.controls["refresh"].click()
    assert not model.shows_job("add"), "its dataset is gone"


def test_a_message_goes_with_its_tab(filled):
    panel = dataset_panel(filled, inline=True)
    panel.open("add")
    panel.controls["add"].click()
    assert "no folder is named" in panel.shown_message
    panel.open("images")
    assert panel.shown_message == ""


def test_only_a_training_that_was_timed_is_told(filled):
    panel = dataset_panel(filled, inline=True)
    panel.open("quality")
    job = SimpleNamespace(arguments=("validate", "attic", "--measure"), result={"fits": [{"measured": ""}]})
    assert "training" not in kit.message_html(told(job))
    job.result = {"fits": [{"measured": "3 steps"}]}
    assert "How long a training takes" in kit.message_html(told(job))


def test_what_cannot_be_trained_yet_chooses_no_model(filled, surface):
    model = DatasetModel(filled)
    model.look()
    assert "What can be trained" in ready_html(model.about)
    stopped = replace(model.about, readiness=replace(model.about.readiness, verdict="stop"))
    assert "What can be trained" not in ready_html(stopped)


def test_the_notebook_s_parameters_are_all_known_to_papermill():
    inspect = pytest.importorskip("papermill.inspection").inspect_notebook
    text = (NOTEBOOKS / "01_datasets.ipynb").read_text()
    cell = next(each for each in json.loads(text)["cells"] if "parameters" in each["metadata"].get("tags", ()))
    names = [line.partition(":")[0] for line in cell["source"]]
    assert list(inspect(NOTEBOOKS / "01_datasets.ipynb")) == names
    assert "run this cell again" in text


def test_making_photos_tells_its_progress_on_stdout(tmp_path, capsys):
    made_photos(Workspace(tmp_path), "smoke")
    out, err = capsys.readouterr()
    assert "20/20" in out
    assert err == ""


# images


def test_images_are_chosen_by_split_class_and_name(filled):
    panel = dataset_panel(filled, inline=True)
    panel.open("images")
    model = panel.model.images
    assert model.pages.total == 10
    panel.controls["images_split"].value = "test"
    assert model.pages.total == 2
    panel.controls["images_split"].value = ""
    panel.controls["images_label"].value = "scratch"
    expected = sum(any(a.label == "scratch" for a in each.annotations) for each in
                   Workspace(filled).dataset("attic").records())  # fmt: skip
    assert model.pages.total == expected > 0
    panel.controls["images_label"].value = UNLABELLED
    assert "No image fits" in panel.controls["images"].children[0].value
    panel.controls["images_label"].value = EMPTY
    panel.controls["images_label"].value = ""
    name = Workspace(filled).dataset("attic").records()[3].file_name
    panel.controls["images_text"].value = name.upper()
    assert len(panel.controls["images"].children) == 1
    assert "<figure" in panel.controls["images"].children[0].children[0].value


def test_a_click_on_an_image_shows_it_large_with_its_labels(filled):
    panel = dataset_panel(filled, inline=True)
    panel.open("images")
    assert panel.controls["look_box"].layout.display == "none"
    panel.controls["images"].children[1].children[1].click()
    assert panel.controls["look_box"].layout.display == ""
    records = sorted(Workspace(filled).dataset("attic").records(), key=lambda each: each.file_name)
    names = [each.file_name for each in records]
    large = panel.controls["look_large"].value
    record = next(each for each in records if each.file_name in large)
    for number, each in enumerate(record.annotations, 1):
        assert f">{number}</text>" in large, "on the photo"
        assert f"<td class=rcg-number>{number}</td>" in large, "in the list"
        assert each.label in large
    assert panel.model.images.looked == 1
    panel.controls["look_next"].click()
    assert panel.model.images.words == "3 of 10"
    for _ in range(12):
        panel.controls["look_next"].click()
    assert panel.model.images.looked == 9
    assert panel.controls["look_next"].disabled
    panel.controls["look_close"].click()
    assert panel.controls["look_box"].layout.display == "none"
    panel.controls["images"].children[0].children[1].click()
    panel.controls["images_text"].value = names[3]
    assert panel.controls["look_box"].layout.display == "none", "another choice closes it"


def test_each_class_has_a_look_of_its_own():
    colours = colours_of([f"class{number}" for number in range(16)])
    assert len(set(colours.values())) == 16
    assert all(dashes for _, dashes in list(colours.values())[8:])


def test_a_photo_that_is_gone_says_so_in_its_place(tmp_path):
    record = ImageRecord(file_name="a<b.jpg", width=10, height=10, annotations=())
    assert "rcg-bad" in photo_html(tmp_path / "a<b.jpg", record, {}, longest=100)


# what was left out


def test_what_was_left_out_stands_page_by_page_with_its_fix(place, spoilt):
    Workspace(place).create("attic", type="custom").add(spoilt)
    panel = dataset_panel(place, inline=True)
    panel.open("left_out")
    shown = panel.controls["left_out"].value
    for text, reason in BAD.items():
        assert text in shown
        assert reason in shown
    assert "broken.jpg" in shown
    why = panel.controls["left_out_why"]
    kind = next(value for _, value in why.options if "no area" in value)
    why.value = kind
    assert panel.controls["left_out"].value.count("<tr>") == 2
    assert "broken.jpg" not in panel.controls["left_out"].value


def test_nothing_left_out_says_so(filled):
    panel = dataset_panel(filled, inline=True)
    panel.open("left_out")
    assert "Nothing was left out" in panel.controls["left_out_head"].value


def test_a_line_of_the_quarantine_says_what_would_be_right():
    line = b'{"file": "a.txt", "line": 3, "reason": "the box has no area (0 x 4 pixels); draw it again", "text": "0 1"}'
    found = left_out(line)
    assert (found.file, found.line, found.fix) == ("a.txt", 3, "draw it again")
    assert left_out(b'{"file": "a.jpg", "line": null, "reason": "the file is cut off"}').fix.startswith(
        "put a good copy"
    )
    assert "cannot be read" in left_out(b'{"file": "a').reason


def test_a_quarantine_of_many_lines_is_paged(filled):
    data = Workspace(filled).dataset("attic")
    line = b'{"file":"labels/%d.txt","line":%d,"reason":"the class %d is not in the class file; add it","text":"9 1"}\n'
    (data.path / "quarantine.jsonl").write_bytes(b"".join(line % (n, n, n) for n in range(1, 1001)))
    model = QuarantineModel(Workspace(filled))
    model.open("attic")
    assert model.total == 1000
    assert model.reasons == (("the class … is not in the class file", 1000),)
    assert [each.file for each in model.pages.shown][:3] == ["labels/1.txt", "labels/10.txt", "labels/100.txt"]
    model.pages.turn_to(10_000)
    assert model.pages.shown[-1].line == 999
    assert model.pages.words == "981 to 1,000 of 1,000"


def test_lines_of_one_file_and_reason_stand_together_in_their_order(filled):
    line = '{"file":"%s","line":%d,"reason":"the class %d is not in the class file; add it","text":"9 1"}\n'
    other = '{"file":"b.txt","line":4,"reason":"the box has no area; draw it","text":"0 1"}\n'
    lines = [line % (file, n, n) for file in ("b.txt", "a.txt") for n in range(12, 0, -1)]
    (Workspace(filled).dataset("attic").path / "quarantine.jsonl").write_text("".join([*lines, other]))
    panel = dataset_panel(filled, inline=True)
    panel.open("left_out")
    model = panel.model.quarantine
    found = [(each.file, each.place) for each in model.pages.shown]
    assert found == [("a.txt", "12 lines, first 1"), ("b.txt", "12 lines, first 1"), ("b.txt", "4")]
    assert "12 lines, first 1" in panel.controls["left_out"].value
    panel.controls["left_out_every"].value = True
    assert [each.line for each in model.pages.shown][:12] == list(range(1, 13))
    assert model.pages.total == 25


def test_pages_stay_where_they_are_when_the_list_grows():
    seen = []
    pages = Pages(lambda start, stop: seen.append((start, stop)) or tuple(range(start, stop)), size=10)
    pages.fill(95)
    pages.turn(3)
    assert pages.shown[0] == 30
    pages.fill(100)
    assert pages.shown[0] == 30
    pages.fill(12)
    assert pages.shown == (10, 11)
    pages.fill(0)
    assert pages.shown == ()
    assert max(stop - start for start, stop in seen) == 10


def test_another_dataset_shows_nothing_of_the_one_before(filled, spoilt):
    Workspace(filled).create("spoilt", type="custom").add(spoilt)
    model = DatasetModel(filled)
    for name, count in (("spoilt", 4), ("attic", 0)):
        model.dataset = name
        for tab in ("left_out", "images", "classes"):
            model.tab = tab
            model.open_tab()
        assert model.quarantine.total == count
        assert model.classes_now.name == model.images.name == name


# versions, classes, export


def test_classes_of_a_dataset_are_changed_and_taken_back(filled):
    panel = dataset_panel(filled, inline=True)
    panel.open("classes")
    model = panel.model
    before = Workspace(filled).dataset("attic").coverage().per_label
    assert panel.controls["apply"].description == "Change the classes"
    model.classes_now.rows.rename("corner_whitening", "edge_whitening")
    model.classes_now.rows.keep("stain", False)
    panel.controls["apply"].click()
    model.jobs.wait(60)
    after = Workspace(filled).dataset("attic").coverage().per_label
    assert after["edge_whitening"] == before["edge_whitening"] + before["corner_whitening"]
    assert "stain" not in after
    assert "merged" in panel.shown_message
    assert model.classes_now.rows.texts() == ()

    panel.open("versions")
    versions = model.versions
    assert panel.controls["versions"].value.count("<tr>") == len(versions.choices) + 1 >= 3
    panel.controls["compare"].click()
    shown = panel.controls["version_diff"].value
    assert "10 images relabelled" in shown or "images relabelled" in shown
    assert "stain" in shown
    panel.controls["restore"].click()
    model.jobs.wait(60)
    assert Workspace(filled).dataset("attic").coverage().per_label == before
    panel.controls["compare"].click()
    compile(versions.code().python, "code", "exec")


def test_versions_name_the_runs_that_saw_them(filled):
    now = Workspace(filled).dataset("attic").version().id
    new_run(filled, "first", {"dataset": "attic", "dataset_version": now, "labels": ["card"]})
    panel = dataset_panel(filled, inline=True)
    panel.open("versions")
    assert "_first" in panel.controls["versions"].value
    assert ">now<" in panel.controls["versions"].value


def test_a_dataset_is_exported_and_says_where_to(filled, tmp_path):
    panel = dataset_panel(filled, inline=True)
    panel.open("export")
    panel.controls["export_to"].value = "yolo"
    panel.controls["export_out"].value = str(tmp_path / "out")
    assert f"rcg dataset export attic --to yolo --out {tmp_path}/out" in panel.model.export.code().command
    compile(panel.model.export.code().python, "code", "exec")
    panel.controls["export"].click()
    panel.model.jobs.wait(60)
    assert "10 images" in panel.shown_message
    assert str(tmp_path / "out") in panel.shown_message
    assert len(list((tmp_path / "out").rglob("*.txt"))) >= 10
    assert panel.controls["export_copy"].layout.display == "none"
    panel.controls["export_to"].value = "ultralytics"
    assert panel.controls["export_copy"].layout.display == ""


def test_an_export_into_the_dataset_is_refused(filled):
    panel = dataset_panel(filled, inline=True)
    panel.open("export")
    panel.controls["export_out"].value = str(filled / "datasets" / "attic" / "labels")
    panel.controls["export"].click()
    with pytest.raises(RcgError, match="would stand in the dataset itself"):
        panel.model.jobs.wait(60)
    panel.model.poll()
    assert "name a place outside of it" in panel.job.message.value


# overview and quality


def test_the_overview_says_what_is_missing_with_figures(filled):
    panel = dataset_panel(filled, inline=True)
    shown = panel.controls["ready"].value
    assert "can be trained" in shown or "ready to train" in shown
    assert "Faster R-CNN" in shown
    assert "predictions model-a" in shown
    figures = panel.controls["figures"].value
    assert figures.count('class="rcg-light"') == figures.count('class="rcg-dark"') == len(panel.model.figures) > 3
    assert "Annotations by class" in figures


def test_a_check_ends_early_when_another_dataset_is_chosen(filled, yolo):
    fill(filled, yolo, name="cellar")
    model = DatasetModel(filled)
    waiting = []
    model.later = waiting.append
    model.dataset = "attic"
    model.look()
    assert model.about.table.names
    assert model.about.readiness is None
    model.dataset = "cellar"
    model.look()
    waiting.pop(0)()
    waiting.pop(0)()
    assert model.about.name == model.about.readiness.source == "cellar"
    assert model.checking == ""


def test_what_was_said_of_unchanged_labels_stands_while_it_is_checked_again(filled):
    model = DatasetModel(filled)
    model.look()
    said, waiting = model.about.readiness, []
    model.later = waiting.append
    model.look()
    assert model.about.readiness is said is not None
    assert model.figures
    data = Workspace(filled).dataset("attic")
    data.correct(data.records()[0].file_name, before=None, after=None, source="a test")
    model.look()
    assert model.about.readiness is None
    assert not model.figures
    waiting[-1]()
    assert model.about.readiness is not None


def test_images_are_looked_at_and_flagged(filled):
    data = Workspace(filled).dataset("attic")
    first, second = (data.images / record.file_name for record in data.records()[:2])
    shutil.copy(first, second)
    panel = dataset_panel(filled, inline=True)
    panel.open("quality")
    assert "were not looked at yet" in panel.controls["quality_head"].value
    assert panel.model.quality.arguments() == ("validate", "attic", "--measure")
    quality_of(data)
    panel.controls["refresh"].click()
    head = panel.controls["quality_head"].value
    assert "10 of 10" in head
    assert "the same photo as" in panel.controls["quality"].value
    panel.controls["quality_flag"].value = "duplicate"
    assert panel.controls["quality"].value.count("<figure") in (1, 2)


def test_an_export_asked_for_before_its_tab_was_read_is_of_the_chosen_dataset(filled):
    model = DatasetModel(filled)
    assert model.export.name == ""
    assert model.export.arguments()[:3] == ("dataset", "export", "attic")
