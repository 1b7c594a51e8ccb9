"""Which parts of lines go on in each other, and what is measured beside and along a line."""

import numpy as np
import pytest

from rcg.photometric.linking import Part, chains, joined_path
from rcg.photometric.noise import local_share
from rcg.photometric.profiles import line_contrast, print_along, usual_height

MM = 0.0215


def part(start, end, *, height_um=-2.0, label="scratch"):
    length = int(np.hypot(end[0] - start[0], end[1] - start[1]))
    return Part(path=np.linspace(start, end, length + 1), height_um=height_um, label=label)


def test_collinear_parts_are_one_chain_whatever_way_each_runs():
    parts = [part((0, 0), (100, 10)), part((230, 23), (130, 13)), part((260, 26), (400, 40))]
    (chain,) = chains(parts, gap_px=40)
    path = joined_path(parts, chain)
    assert {tuple(path[0]), tuple(path[-1])} == {(0, 0), (400, 40)}
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).sum() == pytest.approx(np.hypot(400, 40), abs=1)


@pytest.mark.parametrize(
    "other",
    [
        part((160, 0), (260, 0)),  # too far
        part((110, 30), (210, 30)),  # beside
        part((110, 0), (110, 100)),  # across
        part((110, 0), (210, 0), label="crease"),
        part((110, 0), (210, 0), height_um=2.0),
        part((110, 0), (210, 0), height_um=-9.0),
    ],
)
def test_what_does_not_go_on_in_the_same_way_is_another_line(other):
    assert len(chains([part((0, 0), (100, 0)), other], gap_px=40)) == 2


def test_a_line_that_forks_goes_on_one_way_only():
    parts = [part((0, 0), (100, 0)), part((110, 1), (200, 10)), part((120, -1), (200, -12))]
    assert sorted(len(chain) for chain in chains(parts, gap_px=40)) == [1, 2]


def test_the_same_measurement_beside_a_line_tells_waves_from_flat():
    rng = np.random.default_rng(0)
    course = np.column_stack([np.full(100, 200.0), np.arange(150.0, 250.0)])
    flat = tuple(rng.normal(0, 0.001, (400, 400)).astype(np.float32) for _ in range(2))
    wave = (flat[0] + 0.02 * np.sin(np.arange(400) / 3.0).astype(np.float32), flat[1])
    usual = [usual_height(each, course, sigma_px=2, mm_per_px=MM) for each in (flat, wave)]
    assert usual[1] > 10 * usual[0] > 0


def test_contrast_and_edges_along_a_line_are_those_of_the_print():
    course = np.column_stack([np.full(300, 100.0), np.arange(300.0)])
    logs = np.zeros((300, 200), np.float32)
    logs[:, 100] = -0.3
    assert line_contrast(logs, course, mm_per_px=MM) == pytest.approx(np.full(6, -0.3 * 0.5), abs=0.03)
    logs[:, 120:] = -1
    assert print_along(logs, course, reach_px=30, mm_per_px=MM) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("answer", "least", "most"), [(2.2, 0.1, 0.11), (2.2 * 5, 0.9, 1.0)])
def test_dense_print_is_charged_what_it_answers(answer, least, most):
    crests, doubt, level = (
        np.full((40, 40), answer, np.float32),
        np.full((160, 160), 5.0, np.float32),
        np.ones((160, 160)),
    )
    share = local_share(crests, doubt, level.astype(np.float32), doubt > 0, every=4, block=20)
    assert least <= share.min() <= share.max() <= most
