"""Every kind of doubt is found where it is, named with a fix that can be typed, and nowhere else."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from rcg import training
from rcg.annotations import CocoWriter
from rcg.errors import ConfigError, DataError
from rcg.images import write_image
from rcg.quality import quality_of
from rcg.readiness import GO, STOP, WARN, validate
from rcg.readiness.tiers import FILE, read_tiers
from rcg.training.tasks import check_trainable, read_training_data
from rcg.types import Annotation, Box, ImageRecord, LabelSet, Polygon
from rcg.workspace import Workspace
from tests.make_labels import yolo
from tests.training_data import make_dataset

CARD = Annotation(label="card", box=Box(40, 30, 80, 50))
STAIN = Annotation(label="stain", box=Box(50, 40, 12, 10))


def photo(path, seed, size=(200, 140)):
    rng = np.random.default_rng(seed)
    write_image(path, rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


def made(home, images, *, type="custom", classes=("card", "stain"), name="vintage"):
    """A dataset of (file name, split, annotations or None for no label); each photo is another one."""
    dataset = Workspace(home).create(name, type=type, classes=classes)
    with CocoWriter(dataset.labels_file(), LabelSet(tuple(classes))) as out:
        for seed, (file_name, split, annotations) in enumerate(sorted(images)):
            photo(dataset.images / file_name, seed)
            record = ImageRecord(
                file_name=file_name, width=200, height=140, annotations=tuple(annotations or ()),
                labelled=annotations is not None, split=split,
            )  # fmt: skip
            out.add(record)
    return dataset


def sound(count=6):
    """Images that leave nothing to doubt."""
    return [(f"{split}_{n}.png", split, (CARD, STAIN)) for split in ("train", "val", "test") for n in range(count)]


def codes(found, *severities):
    return {each.code for each in found.findings if not severities or each.severity in severities}


def the(found, code):
    (one,) = [each for each in found.findings if each.code == code]
    return one


def test_a_sound_dataset_goes(tmp_path):
    found = validate(made(tmp_path, sound()))
    assert found.verdict == GO
    assert codes(found) == {"quality_unknown", "time_unknown"}
    assert found.architectures[0] == "faster_rcnn_lite0"
    assert (found.images, found.cards, found.labelled, found.annotations) == (18, 18, 18, 36)
    assert found.per_label == {"card": 18, "stain": 18}
    assert found.boxes.width.most == 80
    assert found.classes[0].cards == 18


@pytest.mark.parametrize(
    ("images", "code", "severity", "records"),
    [
        ([("new.png", "train", None)], "unlabelled", "warn", ("new.png",)),
        ([("empty.png", "train", ())], "empty", "note", ("empty.png",)),
        ([("odd.png", "train", (CARD, CARD))], "doubled", "warn", ("odd.png",)),
        ([("odd.png", "train", (CARD, Annotation(label="stain", box=CARD.box)))], "two_classes", "warn", ("odd.png",)),
        ([("odd.png", "train", (Annotation(label="card", box=Box(5, 5, 90, 2)),))], "tiny", "warn", ("odd.png",)),
        ([("odd.png", "train", (Annotation(label="card", box=Box(150, 5, 60, 50)),))], "outside", "warn", ("odd.png",)),
    ],
)
def test_a_doubt_about_labels_names_its_image(tmp_path, images, code, severity, records):
    found = validate(made(tmp_path, [*sound(), *images]))
    one = the(found, code)
    assert (one.severity, one.records, one.count) == (severity, records, 1)
    others = codes(found) - {code, "quality_unknown", "time_unknown", "odd_shape", "odd_size"}
    assert not others


def test_boxes_unlike_their_class_stand_out(tmp_path):
    rng = np.random.default_rng(0)
    images = [
        (f"{split}_{n}.png", split, (Annotation(label="card", box=Box(10, 10, *rng.uniform(50, 60, 2).tolist())),))
        for split, count in (("train", 20), ("val", 4), ("test", 4)) for n in range(count)
    ]  # fmt: skip
    images += [("large.png", "train", (Annotation(label="card", box=Box(0, 0, 198, 139)),))]
    images += [("flat.png", "train", (Annotation(label="card", box=Box(0, 0, 190, 14)),))]
    found = validate(made(tmp_path, images))
    assert the(found, "odd_size").records == ("large.png",)
    assert the(found, "odd_shape").records == ("flat.png",)


def test_classes_that_are_rare_or_in_one_split_or_unknown_are_named(tmp_path):
    many = [Annotation(label="card", box=Box(n, n, 30 + n, 30)) for n in range(60)]
    images = [*sound(3), ("rich.png", "train", many)]
    images = [(name, split, [each for each in those if each.label == "card"]) for name, split, those in images]
    images += [("v.png", "val", (Annotation(label="dent", box=Box(5, 5, 9, 9)),))]
    found = validate(made(tmp_path, images, type="edge_damage", classes=("card", "dent")))
    assert the(found, "not_in_train").records == ("dent",)
    assert the(found, "not_in_test").records == ("dent",)
    assert the(found, "not_in_schema").records == ("dent",)
    assert "rcg dataset map vintage dent=" in the(found, "not_in_schema").fix
    assert the(found, "imbalance").records == ("dent",)
    assert set(the(found, "never_seen").records) == {"edge_whitening", "chipping", "rough_cut", "notch"}


def test_nothing_at_all_and_nothing_labelled_are_stops(tmp_path):
    empty = validate(Workspace(tmp_path).create("none", type="custom"))
    assert (empty.verdict, codes(empty, STOP)) == (STOP, {"no_images"})
    bare = validate(made(tmp_path, [(f"{n}.png", None, None) for n in range(4)]))
    assert (bare.verdict, codes(bare, STOP)) == (STOP, {"nothing_labelled"})
    assert "rcg dataset add vintage" in the(bare, "nothing_labelled").fix


@pytest.mark.parametrize("lacking", ["train", "val"])
def test_what_a_training_refuses_is_a_stop_in_the_same_words(tmp_path, lacking):
    images = [(name, split, None if split == lacking else those) for name, split, those in sound(2)]
    dataset = made(tmp_path, images)
    found = validate(dataset)
    with pytest.raises(DataError) as refused:
        check_trainable(read_training_data(dataset))
    assert found.verdict == STOP
    assert refused.value.what in found.reasons


def test_training_images_without_a_box_are_a_stop(tmp_path):
    images = [(name, split, () if split == "train" else those) for name, split, those in sound(2)]
    assert "no training image carries a box" in validate(made(tmp_path, images)).reasons


def test_a_type_that_nothing_trains_is_a_stop_that_says_so(tmp_path):
    found = validate(made(tmp_path, sound(), type="grade"))
    assert codes(found, STOP) == {"type_not_trained"}
    assert found.architectures == ()
    assert all("does not train" in " ".join(fit.why) for fit in found.fits)


def test_copies_and_leaks_are_found_by_their_bytes(tmp_path):
    dataset = made(tmp_path, sound())
    shutil.copy(dataset.images / "train_0.png", dataset.images / "test_0.png")
    shutil.copy(dataset.images / "train_1.png", dataset.images / "train_2.png")
    found = validate(dataset)
    assert the(found, "copies").count == 2
    assert found.files.copies == 2
    assert the(found, "leak").records == ("train_0.png (train) = test_0.png (test)",)
    assert found.verdict == WARN


def test_near_copies_in_two_splits_are_found_where_the_quality_is_known(tmp_path):
    dataset = made(tmp_path, sound(2))
    rng = np.random.default_rng(5)
    pixels = np.kron(rng.integers(0, 255, (7, 10)), np.ones((20, 20)))[..., None].repeat(3, axis=2).astype(np.uint8)
    write_image(dataset.images / "train_0.png", pixels)
    write_image(dataset.images / "test_1.png", np.clip(pixels.astype(int) + 1, 0, 255).astype(np.uint8))
    quality_of(dataset)
    found = validate(dataset)
    assert the(found, "leak").records == ("train_0.png (train) = test_1.png (test)",)
    assert "quality_unknown" not in codes(found)
    assert the(found, "too_small").count == 6


def test_damaged_images_and_stale_corrections_are_told(tmp_path):
    dataset = made(tmp_path, sound())
    (dataset.images / "train_3.png").write_bytes(b"no image")
    dataset.correct("val_0.png", before=Annotation(label="card", box=Box(1, 1, 2, 2)), after=None, source="test")
    found = validate(dataset)
    assert the(found, "damaged").records == ("train_3.png",)
    assert "rcg train vintage unreadable=skip" in the(found, "damaged").fix
    assert the(found, "stale_corrections").records == ("1 (val_0.png)",)
    assert the(found, "stale_corrections").severity == WARN
    assert [stage.name for stage in found.stages] == ["ground truth", "corrections"]
    photo(dataset.images / "train_3.png", 99)
    assert "damaged" not in codes(validate(dataset))
    photo(dataset.images / "train_3.png", 99, (100, 70))
    assert the(validate(dataset), "resized").records == ("train_3.png",)


def test_no_fix_holds_a_placeholder_for_the_datasets_name(tmp_path):
    for number, images in enumerate((sound(), [("a.png", "train", None)], [("a.png", "train", (CARD, CARD))])):
        for each in validate(made(tmp_path / str(number), images)).findings:
            assert not re.search(r"\bNAME\b", each.fix), each.fix


def test_stages_reach_as_far_as_their_labels(tmp_path):
    dataset = made(tmp_path, [*sound(2), ("new.png", "train", None)])
    dataset.write_predictions("try", [ImageRecord(file_name="new.png", width=200, height=140, annotations=(CARD,))])
    stages = {each.name: (each.images, each.annotations) for each in validate(dataset).stages}
    assert stages == {"ground truth": (6, 12), "predictions try": (1, 1)}


def test_a_label_folder_is_looked_at_too(tmp_path):
    folder = yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.2\nrubbish\n", "b.jpg": None})
    found = validate(folder)
    assert (found.type, found.files, found.fits) == ("", None, ())
    assert codes(found) == {"quarantine", "unlabelled"}
    assert the(found, "quarantine").records == ("labels/a.txt:2",)


def test_the_report_is_the_same_in_every_form(tmp_path):
    dataset = made(tmp_path, [*sound(), ("a<b>.png", "train", (CARD, CARD))])
    found = validate(dataset)
    value = json.loads(found.to_json())
    assert (value["verdict"], value["images"]) == ("warn", 19)
    assert value["findings"][0]["what"] == found.findings[0].what
    assert "table" not in value
    text, page = found.to_markdown(), found.to_html()
    for each in found.findings:
        assert each.what in text
        assert each.fix in text
        assert each.code == "doubled" or each.what in page
    assert page.count("data:image/png;base64,") == 2 * 6
    assert "a&lt;b&gt;.png" in page
    assert not re.search(r"(src|href)=['\"](?!data:)", page)  # it loads nothing
    for ending in ("json", "md", "html"):
        assert found.write(tmp_path / f"out.{ending}").read_text()
    with pytest.raises(ConfigError, match=r"cannot be written as \.pdf"):
        found.write(tmp_path / "out.pdf")


def test_reports_of_nothing_are_made_too(tmp_path):
    found = validate(Workspace(tmp_path).create("none", type="custom"))
    assert "no images" in found.to_html()
    assert "no images" in found.to_markdown()


def test_small_boxes_are_told_with_the_size_that_shows_them(tmp_path):
    images = [(f"{split}_{n}.png", split, (Annotation(label="dot", box=Box(9, 9, 3, 3)),))
              for split in ("train", "val", "test") for n in range(3)]  # fmt: skip
    dataset = made(tmp_path, images, classes=("dot",))
    fit = validate(dataset).fits[0]
    assert fit.thin == 0  # 200 pixels grow to 448
    record = json.loads(dataset.labels_file().read_text())
    for each in record["annotations"]:
        each["bbox"] = [9, 9, 1, 1]
    dataset.labels_file().write_text(json.dumps(record))
    fit = validate(dataset).fits[0]
    assert fit.thin == 1
    assert "image_size=800" in " ".join(fit.why)


def test_outlines_are_said_not_to_be_learned(tmp_path):
    ring = Polygon(((40.0, 30.0), (120.0, 30.0), (120.0, 80.0)))
    outlined = Annotation(label="card", box=CARD.box, polygons=(ring,))
    found = validate(made(tmp_path, [(name, split, (outlined, STAIN)) for name, split, _ in sound(2)]))
    assert "outlines of this dataset are kept and not learned" in " ".join(found.fits[0].why)
    assert found.shapes.outlines == 6
    assert found.shapes.points.middle == 3


def test_tiers_say_what_is_missing_and_are_the_users_to_change(tmp_path):
    dataset = made(tmp_path, sound())
    tier = validate(dataset).tier
    assert (tier.tier, tier.following) == ("", "experimental")
    assert tier.missing == ("2 more labelled cards (18 of 20)",)
    (tmp_path / FILE).write_text("[experimental]\nlabelled_cards = 18\n")
    tier = validate(dataset).tier
    assert (tier.tier, tier.following) == ("experimental", "development")
    assert "20 labelled cards of every class: card has 18, stain has 18" in tier.missing


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("[experimental]\nlabeled_cards = 3\n", "no measure 'labeled_cards'", "write labelled_cards"),
        ("[prodution]\nval_cards = 3\n", "no tier 'prodution'", "write production"),
        ("[production]\nval_cards = 2.5\n", "val_cards = 2.5 is not a whole number", "whole number"),
        ("[production]\nlabelled_share = 90\n", "labelled_share = 90 is not a number from 0 to 1", "from 0 to 1"),
        ("production = 3\n", "production stands outside", "below"),
        ("[production\n", "not TOML", "mend"),
    ],
)
def test_a_mistyped_tier_is_refused_with_the_nearest_word(tmp_path, text, what, fix):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match=re.escape(what)) as refused:
        read_tiers(tmp_path)
    assert fix in refused.value.fix


def test_measuring_takes_real_steps_and_remembers_them(tmp_path):
    dataset = make_dataset(tmp_path)
    ticks = []
    found = validate(dataset, measure=True, report=ticks.append)
    fit = found.fits[0]
    low, high = fit.epoch_s
    assert 0 < low <= high
    assert "real steps of 4 images at 448 pixels, on 6 images of drawn" in fit.measured
    assert "time_unknown" not in codes(found)
    assert "quality_unknown" not in codes(found)
    assert any(tick.task == "measuring a step" for tick in ticks)
    again = validate(training_dataset := Workspace(tmp_path).dataset("drawn"))
    assert again.fits[0].epoch_s == fit.epoch_s
    assert training.TrainConfig().budget is None
    assert not list((training_dataset.workspace / "runs").glob("*"))


def test_a_folder_whose_labels_cannot_be_read_is_not_taken_for_background(tmp_path):
    for n, text in enumerate(("nonsense\n", "0 0.5 0.5 0.2 0.2\n", "0 0.5 0.5 0.2 0.2\n")):
        photo(tmp_path / "images" / f"c{n}.jpg", n)
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"c{n}.txt").write_text(text)
    found = validate(tmp_path)
    assert (found.images, found.labelled, found.empty) == (3, 2, 0)
    assert the(found, "unlabelled").records == ("c0.jpg",)


def test_one_is_told_as_one_and_several_as_several(tmp_path):
    thin = Annotation(label="card", box=Box(40, 30, 1, 50))
    one = validate(made(tmp_path, [*sound(), ("train_9.png", "train", (CARD, thin))]))
    assert the(one, "tiny").what == "1 annotation is thinner than 3 pixels"
    two = validate(made(tmp_path, [*sound(), ("train_9.png", "train", (thin, replace(thin, label="stain")))], name="b"))
    assert the(two, "tiny").what == "2 annotations are thinner than 3 pixels"
    dent = replace(CARD, label="dent")
    lost = validate(made(tmp_path, [*sound(), ("val_9.png", "val", (dent,))], classes=("card", "stain", "dent"),
                         name="c"))  # fmt: skip
    assert the(lost, "not_in_train").what.startswith("1 class is never trained on: all its")


def test_the_page_has_both_looks_and_words_that_agree(tmp_path):
    found = validate(made(tmp_path, sound()))
    page = found.to_html()
    assert "@media (prefers-color-scheme: dark) { :root {" in page
    assert page.count('<source media="(prefers-color-scheme: dark)"') == len(found.figures()) == page.count("<img ")
    assert "2 more labelled cards (18 of 20)" in page
    one = validate(made(tmp_path, [*sound()[1:], ("train_a.png", "train", (CARD,)), ("train_b.png", "train", (CARD,))],
                        name="b"))  # fmt: skip
    assert "1 more labelled card (19 of 20)" in str(one)
    thin = replace(CARD, box=Box(40, 30, 1, 50))
    (tmp_path / FILE).write_text("[experimental]\nlabel_noise = 0.01\n[production]\nlabel_noise = 0.0\n")
    doubted = validate(made(tmp_path, [*sound(), ("train_9.png", "train", (thin,))], name="c"))
    assert "fewer annotations with a doubt (2.7% have one, at most 1.0% may)" in str(doubted)
