"""Every figure is drawn for one and for many, light and dark, as PNG and SVG, and leaves pyplot alone."""

import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from rcg import figures

MANY = np.random.default_rng(0).uniform(1, 500, (3000, 4))
ONE = np.array([[10.0, 20.0, 30.0, 40.0]])
NONE = np.zeros((0, 4))


def pixels(data):
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


def sizes(boxes):
    return np.tile([1000, 1400], (len(boxes), 1))


BOXES = [figures.box_sizes, figures.aspects, lambda boxes, **more: figures.positions(boxes, sizes(boxes), **more)]


@pytest.mark.parametrize("draw", BOXES)
@pytest.mark.parametrize("look", ["light", "dark"])
def test_boxes_are_drawn_for_none_one_and_many(draw, look):
    shown = [pixels(draw(boxes, look=look)) for boxes in (NONE, ONE, MANY)]
    assert all(each.shape[1] == 1120 for each in shown)
    ground = 255 if look == "light" else 30
    assert all((each[0, 0] == ground).all() for each in shown)
    assert all((each != ground).any() for each in shown)
    assert shown[0].shape[0] < shown[1].shape[0]  # a line of words, no empty axes
    assert (shown[2] != ground).sum() > (shown[1] != ground).sum()


def test_class_bars_grow_with_the_classes_and_end_at_thirty():
    tall = [
        pixels(figures.class_bars({f"class {n}": n + 1 for n in range(count)})).shape[0] for count in (1, 20, 31, 200)
    ]
    assert tall[0] < tall[1] < tall[2] == tall[3]


def test_a_long_name_leaves_room_for_the_bars_and_a_dollar_is_no_formula():
    long, short = (pixels(figures.class_bars({name: 3, "b": 3})) for name in ("x" * 400 + "$a$", "x"))
    blue = [(each == (0, 0x72, 0xB2)).all(axis=2).sum() for each in (long, short)]
    assert blue[0] > 0.6 * blue[1]


def test_shares_of_stages_and_splits():
    half, whole = (pixels(figures.labelled_share({"ground truth": (n, 10)})) for n in (5, 10))
    blue = [(each == (0, 0x72, 0xB2)).all(axis=2).sum() for each in (half, whole)]
    assert blue[0] == pytest.approx(blue[1] / 2, rel=0.1)
    shown = pixels(figures.splits_by_class({"card": {"train": 6, "val": 2, "test": 2}, "never": {}}))
    for colour in ((0, 0x72, 0xB2), (0xE6, 0x9F, 0), (0, 0x9E, 0x73)):
        assert (shown == colour).all(axis=2).any()
    assert pixels(figures.splits_by_class({})).shape[0] < shown.shape[0]
    assert pixels(figures.labelled_share({})).shape[0] > 0


def test_svg_is_the_same_twice():
    first, second = (figures.class_bars({"card": 3}, kind="svg") for _ in range(2))
    assert first.startswith(b"<?xml")
    assert b"dc:date" not in first
    assert len(first) == len(second)


def test_pyplot_is_never_loaded():
    code = (
        "import sys; from rcg.figures import class_bars as draw; draw({'a': 1}); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_words_at_a_corner_of_the_positions_do_not_touch(monkeypatch):
    boxes = []
    real = Figure.savefig

    def look(figure, *arguments, **more):
        renderer = figure.canvas.get_renderer()
        figure.draw(renderer)
        axes = figure.axes[0]
        words = (axes.get_yticklabels()[-1], axes.get_xticklabels()[0])
        boxes.append([word.get_window_extent(renderer).padded(2) for word in words])
        return real(figure, *arguments, **more)

    monkeypatch.setattr(Figure, "savefig", look)
    figures.positions(MANY, sizes(MANY))
    bottom, left = boxes[0]
    assert not bottom.overlaps(left)


def test_a_grid_has_a_place_for_each_picture():
    red, blue = np.zeros((60, 40, 3), np.uint8), np.zeros((60, 40, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    shown = pixels(figures.picture_grid([red, blue, red], titles=["one", "two", "three"], columns=2))
    rows, columns = shown.shape[:2]
    places = ((0.3, 0.25), (0.3, 0.75), (0.8, 0.25))
    middle = [shown[round(rows * y), round(columns * x)].tolist() for y, x in places]
    assert middle == [[255, 0, 0], [0, 0, 255], [255, 0, 0]]
