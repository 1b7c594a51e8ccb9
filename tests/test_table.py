"""The table says what the records say, of ground truth, corrections and predictions, and stays small and quick."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rcg.annotations import CocoWriter, open_annotations
from rcg.table import CROWD, KEYPOINTS, MASK, POLYGON, Table, table_of
from rcg.types import Annotation, Box, ImageRecord, Keypoints, LabelSet, Polygon, Rle
from rcg.workspace import Workspace
from tests.make_labels import image
from tests.training_data import make_dataset

RING = Polygon(((10.0, 10.0), (30.0, 10.0), (30.0, 40.0), (10.0, 40.0)))
KINDS = (
    Annotation(label="card", box=Box(1, 2, 30, 40)),
    Annotation(label="scratch", box=Box(10, 10, 20, 30), polygons=(RING,)),
    Annotation(label="card", box=Box(0, 0, 10, 10), keypoints=Keypoints(((1.0, 2.0, 2), (3.0, 4.0, 1)))),
    Annotation(label="scratch", box=Box(0, 0, 5, 5), rle=Rle(100, 200, (0, 25, 19975)), crowd=True, area=25.0),
    Annotation(label="scratch", box=Box(0.001, 0.0000001, 5, 5), score=0.25),
)


def dataset_of(home, records):
    """A dataset whose labels are these records, written as RCG writes them."""
    made = Workspace(home).create("cards", type="custom", classes=["card", "scratch"])
    for record in records:
        image(made.images / record.file_name, (record.width, record.height))
    with CocoWriter(made.labels_file(), LabelSet(("card", "scratch"))) as out:
        for record in records:
            out.add(record)
    return made


def record(name, *annotations, **more):
    return ImageRecord(file_name=name, width=200, height=100, annotations=tuple(annotations), **more)


def by_records(records):
    """What the table has to say of an image, told by its record."""
    return [(one.file_name, one.labelled, [(each.label, each.box.x, each.box.width) for each in one.annotations])
            for one in records]  # fmt: skip


def by_table(table):
    c = table.columns
    return [
        (name, bool(table.labelled[row]),
         [(table.labels[c.classes[at]], c.boxes[at, 0], c.boxes[at, 2])
          for at in range(c.starts[row], c.starts[row + 1])])
        for row, name in enumerate(table.names)
    ]  # fmt: skip


def test_every_kind_of_annotation_has_its_columns(tmp_path):
    made = dataset_of(tmp_path, [record("a.png", *KINDS), record("b.png"), record("c.png", labelled=False)])
    table = table_of(made)
    assert by_table(table) == by_records(made.records())
    assert table.columns.shapes.tolist() == [0, POLYGON, KEYPOINTS, MASK | CROWD, 0]
    assert table.columns.points.tolist() == [0, 4, 2, 0, 0]
    assert table.columns.areas.tolist() == [1200, 600, 100, 25, 25]
    assert np.isnan(table.columns.scores[:4]).all()
    assert table.columns.scores[4] == 0.25
    assert table.empty.tolist() == [False, True, False]


@pytest.mark.parametrize("scored", [False, True])
def test_plain_boxes_are_read_in_stretches(tmp_path, scored):
    rng = np.random.default_rng(0)
    records = [
        record(f"{n:04d}.png", *(Annotation(label="card", box=Box(*box), score=0.5 if scored else None)
                                 for box in rng.uniform(1, 90, (rng.integers(0, 9), 4)).tolist()))
        for n in range(300)
    ]  # fmt: skip
    table = table_of(dataset_of(tmp_path, records))
    assert by_table(table) == by_records(records)
    assert (table.columns.scores is not None) == scored


def test_small_numbers_with_exponents_are_not_torn_apart(tmp_path):
    records = [record("a.png", Annotation(label="card", box=Box(1e-9, 0, 2, 2)))]
    assert table_of(dataset_of(tmp_path, records)).columns.boxes[0, 0] == 1e-9


def test_corrections_lie_over_the_labels(tmp_path):
    records = [record("a.png", *KINDS[:2]), record("b.png", *KINDS[:1]), record("c.png", labelled=False)]
    made = dataset_of(tmp_path, records)
    made.correct("b.png", before=KINDS[0], after=KINDS[1], source="test")
    made.correct("c.png", before=None, after=KINDS[2], source="test")
    made.correct("a.png", before=KINDS[4], after=None, source="test")
    table = table_of(made)
    assert by_table(table) == by_records(made.records())
    assert table.corrected.tolist() == [True, True, True]
    assert [each.number for each in table.stale] == [3]
    made.undo(1)
    assert by_table(table_of(made)) == by_records(made.records())


def test_labels_written_by_hand_are_understood_too(tmp_path):
    made = dataset_of(tmp_path, [record("a.png", *KINDS[:2]), record("b.png")])
    file = made.labels_file()
    file.write_text(file.read_text().replace("\n", " "))
    made.correct("b.png", before=None, after=KINDS[0], source="test")
    assert by_table(table_of(made)) == by_records(made.records())
    assert table_of(made).corrected.tolist() == [False, True]


def test_predictions_stand_on_the_rows_of_the_images(tmp_path):
    made = dataset_of(tmp_path, [record("a.png"), record("b.png"), record("c.png")])
    made.write_predictions("try", [record("c.png", KINDS[4]), record("a.png")])
    table = table_of(made, "predictions", name="try")
    assert table.counts.tolist() == [0, 0, 1]
    assert table.labelled.tolist() == [True, False, True]
    assert made.coverage().predictions == {"try": 1}


def test_the_table_is_kept_until_a_file_changes(tmp_path):
    made = make_dataset(tmp_path)
    first = table_of(made)
    assert table_of(made) is first
    made.correct(first.names[0], before=None, after=None, source="test")
    assert table_of(made) is not first


def test_finding_and_paging(tmp_path):
    table = table_of(make_dataset(tmp_path))
    assert table.per_split() == {"train": 6, "val": 3, "test": 3}
    found = table.find(text="VAL", label="card", labelled=True)
    assert [table.names[place] for place in found] == ["val_000.png", "val_001.png", "val_002.png"]
    assert [row.file_name for row in table.rows(1, 5, found)] == ["val_001.png", "val_002.png"]
    assert table.rows(0, 1)[0].per_label == {"card": 1, "stain": 1}
    assert table.rows(40, 5) == []
    assert len(table.find(label="nothing")) == len(table.find(split="nowhere")) == 0
    assert len(table.find(split="train", empty=False)) == 6


def test_an_empty_dataset_has_an_empty_table(tmp_path):
    table = table_of(Workspace(tmp_path).create("none", type="custom"))
    assert (len(table), table.annotations, table.rows(0, 10)) == (0, 0, [])


def test_coverage_counts_what_records_count(tmp_path):
    made = dataset_of(tmp_path, [record("a.png", *KINDS), record("b.png"), record("c.png", labelled=False)])
    have = made.coverage()
    assert (have.images, have.labelled, have.empty, have.unlabelled, have.annotations) == (3, 2, 1, 1, 5)
    assert have.per_label == {"card": 2, "scratch": 3}
    assert have.cards == 3


def test_blocks_of_a_reader_make_a_table(tmp_path):
    made = dataset_of(tmp_path, [record("a.png", *KINDS), record("b.png", split="val")])
    source = open_annotations(made.labels_file(), images=made.images)
    table = Table.of_blocks(source.blocks(lambda line: None), source.labels.names)
    assert by_table(table) == by_records(made.records())
    assert table.splits.tolist() == [-1, 1]


READ = """
import resource, sys
from rcg.table import table_of
from rcg.workspace import Workspace
made = Workspace(sys.argv[1]).dataset("large")
made.coverage()
table = table_of(made)
assert (len(table), table.annotations) == (100_000, 1_000_000)
table.find(text="9", label="b", split="train")
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # ru_maxrss counts the parent
print(int(peak.split()[1]) / 1e3, used.ru_utime + used.ru_stime)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_a_hundred_thousand_images_are_read_in_seconds(tmp_path):
    made = Workspace(tmp_path).create("large", type="custom", classes=["a", "b"])
    begun = time.process_time()
    entry = '{"id":%d,"image_id":%d,"category_id":%d,"bbox":[%r,10.25,30.5,40.125],"area":1223.8125,'
    entry += '"segmentation":[],"iscrowd":0}'
    head = '{"id":%d,"file_name":"card_%06d.jpg","width":1500,"height":2100}'
    made.labels_file().parent.mkdir(exist_ok=True)
    with made.labels_file().open("w") as out:
        out.write('{"info":{},\n"categories":[\n{"id":0,"name":"a"},\n{"id":1,"name":"b"}],\n"images":[\n')
        out.write(",\n".join(head % (n + 1, n) for n in range(100_000)))
        out.write('],\n"annotations":[\n')
        out.write(",\n".join(entry % (n + 1, n // 10 + 1, n % 2, (n % 997) * 1.37) for n in range(1_000_000)))
        out.write("]}\n")
    floor = time.process_time() - begun  # writing it took so long here: a measure of this machine
    done = subprocess.run([sys.executable, "-c", READ, str(tmp_path)], capture_output=True, text=True, check=True)
    megabytes, seconds = map(float, done.stdout.split())
    assert megabytes < 300, f"{megabytes:.0f} MB"
    assert seconds < 5 * floor + 2, f"{seconds:.1f} s, writing took {floor:.1f} s"
