"""Classes renamed, merged and dropped: in label sets, records and columns, and in a dataset that exists."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcg.annotations.mapping import ClassMap
from rcg.errors import ConfigError
from rcg.types import Annotation, Box, ImageRecord, LabelSet

CLASSES = LabelSet(("card", "scratch", "dust", "scrape"))


def record(*labels, labelled=True):
    found = tuple(Annotation(label=label, box=Box(n, 1, 2, 3)) for n, label in enumerate(labels))
    return ImageRecord(file_name="a.jpg", width=20, height=20, annotations=found, labelled=labelled)


def test_texts_are_read_and_written_back():
    texts = ("scrape=scratch", "dust=")
    read = ClassMap.parse(texts)
    assert dict(read.to) == {"scrape": "scratch", "dust": None}
    assert read.texts() == texts
    assert dict(ClassMap.parse([" a b = c d ", "x=y=z"]).to) == {"a b": "c d", "x": "y=z"}
    assert bool(read)
    assert not ClassMap.parse([])
    assert not ClassMap({"card": "card"})


@pytest.mark.parametrize("text", ["scratch", "=scratch", "", " = "])
def test_a_text_that_says_nothing_is_refused_with_an_example(text):
    with pytest.raises(ConfigError) as caught:
        ClassMap.parse([text])
    assert "OLD=NEW" in caught.value.fix


def test_one_class_cannot_become_two_things():
    with pytest.raises(ConfigError, match="'dust' is to become 'a' and nothing"):
        ClassMap.parse(["dust=a", "dust="])


def test_an_unknown_class_is_an_error_that_names_the_nearest():
    with pytest.raises(ConfigError) as caught:
        ClassMap({"scrach": "scratch"}).labels(CLASSES)
    assert caught.value.fix == "write scratch"
    with pytest.raises(ConfigError) as caught:
        ClassMap({"zzzzz": None}).labels(CLASSES)
    assert "card, scratch, dust, scrape" in caught.value.fix


def test_dropping_all_classes_is_refused():
    with pytest.raises(ConfigError, match="drops every class"):
        ClassMap(dict.fromkeys(CLASSES.names)).labels(CLASSES)


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["scrape=scratch"], ("card", "scratch", "dust")),
        (["scratch=scrape"], ("card", "dust", "scrape")),
        (["scratch=mark", "scrape=mark"], ("card", "mark", "dust")),
        (["dust="], ("card", "scratch", "scrape")),
        (["card=dust", "dust=card"], ("dust", "scratch", "card", "scrape")),
        (["card=Card"], ("Card", "scratch", "dust", "scrape")),
    ],
)
def test_the_order_stays_and_ids_without_gaps_stay_without(texts, names):
    read = ClassMap.parse(texts)
    assert read.labels(CLASSES).names == names
    assert read.labels(CLASSES).ids == tuple(range(len(names)))
    assert read.labels(CLASSES.renumbered(1)).ids == tuple(range(1, len(names) + 1))


def test_ids_with_gaps_are_kept():
    sparse = LabelSet(("card", "scratch", "dust", "scrape"), (3, 90, 7, 12))
    assert ClassMap({"dust": None, "scrape": "scratch"}).labels(sparse).ids == (3, 90)


def test_records_and_columns_agree():
    read = ClassMap.parse(["scrape=scratch", "dust="])
    before = record("card", "dust", "scrape", "scratch")
    after = read.record(before)
    assert [(each.label, each.box.x) for each in after.annotations] == [("card", 0), ("scratch", 2), ("scratch", 3)]
    assert read.indices(CLASSES.names).tolist() == [0, 1, -1, 1]
    untouched = record("card")
    assert read.record(untouched) is untouched


def test_an_image_whose_labels_are_dropped_was_still_looked_at():
    read = ClassMap({"dust": None})
    assert read.record(record("dust")).labelled
    assert read.record(record("dust")).annotations == ()
    assert not read.record(record(labelled=False)).labelled


def test_what_was_done_is_told_class_by_class():
    read = ClassMap.parse(["dust=", "scrape=scratch", "card=Card", "stain=spot", "dot=spot"])
    counts = {"card": 5, "scratch": 0, "dust": 2, "scrape": 1, "stain": 3, "dot": 0}
    assert read.notes(counts, emptied=1) == (
        "the class 'dust' was dropped with 2 annotations",
        "the class 'scrape' was merged into 'scratch' (1 annotation)",
        "the class 'card' was renamed to 'Card' (5 annotations)",
        "the class 'stain' was merged into 'spot' (3 annotations)",
        "the class 'dot' was merged into 'spot' (0 annotations)",
        "images left without an annotation, labelled with nothing there from now on: 1",
    )


def test_a_map_goes_to_worker_processes():
    read = ClassMap.parse(["dust="])
    assert dict(pickle.loads(pickle.dumps(read)).to) == {"dust": None}


NAMES = st.lists(st.sampled_from("abcdefg"), min_size=1, unique=True)


@given(names=NAMES, to=st.dictionaries(st.sampled_from("abcdefg"), st.none() | st.sampled_from("abcxyz")))
def test_labels_indices_and_records_always_tell_the_same(names, to):
    to = {old: new for old, new in to.items() if old in names}
    read = ClassMap(to)
    if all(read.of(name) is None for name in names):
        return
    after = read.labels(LabelSet(tuple(names))).names
    for name, index in zip(names, read.indices(names), strict=True):
        left = read.record(record(name)).annotations
        assert [each.label for each in left] == ([] if index < 0 else [after[index]])
    staying = [name for name in names if read.of(name) == name]
    assert [name for name in after if name in staying] == staying
    assert np.array_equal(np.unique(read.indices(names)[read.indices(names) >= 0]), np.arange(len(after)))
