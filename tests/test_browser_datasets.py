"""The dataset panel in a real browser: from a folder with faults to an export, and a dataset of 100,000 images."""

import re
import statistics

import pytest

from rcg.jobs import jobs
from rcg.synthetic import render_dataset
from rcg.types import Annotation, Box, ImageRecord
from rcg.workspace import Workspace
from tests.browser import Journey, browser, laboratory, settle

playwright = pytest.importorskip("playwright.sync_api")

LOOKS = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def part(me, name):
    """Turn to a tab of the panel."""
    me.click(me.page.get_by_role("tab", name=name, exact=True).locator("visible=true").last, name)


def shown(me, text, timeout=30_000):
    me.page.get_by_text(text).locator("visible=true").first.wait_for(timeout=timeout)


@pytest.mark.timeout(420)
@pytest.mark.parametrize(("look", "width"), [("light", 1400), ("dark", 1100)])
def test_a_folder_with_faults_becomes_a_dataset_that_is_exported(tmp_path, look, width):
    folder = tmp_path / "attic cards"
    render_dataset(folder, counts={"train": 20, "val": 6, "test": 6}, size=(240, 320))
    bad = min((folder / "train" / "labels").glob("*.txt"))
    bad.write_text(bad.read_text() + "0 0.5 nonsense\n")
    with laboratory(tmp_path, theme=LOOKS[look]) as lab, browser(playwright) as opened:
        me = Journey(opened.new_context(viewport={"width": width, "height": 1200}), lab)
        me.open()
        add_with_a_merged_class(me, folder, look)
        see_what_was_left_out(me, bad, look)
        see_the_readiness(me, look)
        export(me, look)
        narrow = me.page.evaluate(
            "() => [...document.querySelectorAll('.rcg-panel')].every(each => each.scrollWidth <= each.clientWidth + 1)"
        )
        assert narrow, "nothing is wider than the panel"
        assert statistics.median(me.answers.values()) < 0.5, me.answers


def add_with_a_merged_class(me, folder, look):
    me.page.get_by_placeholder("/path/to/folder with images and labels").fill(str(folder))
    shown(me, "32 images")
    me.page.get_by_text("Classes: rename, merge, drop").locator("visible=true").first.click()
    line = me.page.locator(".rcg-classes input[type=text]").locator("visible=true")
    line.nth(1).fill("edge_whitening")
    me.page.keyboard.press("Tab")
    shown(me, "become edge_whitening")
    me.shot(f"datasets add {look}")
    me.click(me.button("Create and add"), "add", expect="starting")
    shown(me, "left out; see Left out for each", 60_000)


def see_what_was_left_out(me, bad, look):
    part(me, "Left out")
    shown(me, bad.name)
    shown(me, "0 0.5 nonsense")
    shown(me, "write: class x y width height")
    me.shot(f"datasets left out {look}")


def see_the_readiness(me, look):
    part(me, "Overview")
    shown(me, re.compile("can be trained, with doubts|ready to train|cannot be trained yet"), 90_000)
    picture = me.page.locator(f".rcg-figures img.rcg-{look}").locator("visible=true").first
    picture.wait_for(timeout=90_000)
    assert (
        me.page.locator(".rcg-figures img").locator("visible=true").count()
        == me.page.locator(f".rcg-figures img.rcg-{look}").count()
    ), "only the pictures for this page are shown"
    data = Workspace(me.lab.workspace).dataset("attic-cards")
    assert "corner_whitening" not in data.labels.names
    me.shot(f"datasets overview {look}")
    part(me, "Images")
    me.page.locator(".rcg-pictures img").locator("visible=true").first.wait_for(timeout=30_000)
    me.click(me.button("Next →"), "next page", expect="13 to 24 of 32|reading")
    shown(me, "13 to 24 of 32")
    look_at_one(me, look)
    part(me, "Versions")
    shown(me, "seen by the runs")
    assert inside(me, me.page.locator("table.rcg-table").locator("visible=true").first)
    assert "32 images" not in "".join(me.page.locator(".rcg-message").locator("visible=true").all_inner_texts())
    assert not me.page.locator(".rcg-job").locator("visible=true").count(), "the card stays where it was started"
    if look == "dark":
        arrow = me.page.locator(".widget-dropdown select").locator("visible=true").first
        assert "%23ddd" in arrow.evaluate("each => getComputedStyle(each).backgroundImage")
    me.shot(f"datasets versions {look}")


def look_at_one(me, look):
    """A click on a photo shows it large with its labels beside; the steps go on from there."""
    me.shot(f"datasets images {look}")
    photo = me.page.locator(".rcg-cell .rcg-over").locator("visible=true").nth(8)
    me.click(photo, "look", expect="21 of 32|opening")
    shown(me, "21 of 32")
    large = me.page.locator(".rcg-looking img").locator("visible=true").first
    large.wait_for()
    settle(lambda: 0 < me.button("Close").bounding_box()["y"] < 1100, 5)
    assert large.bounding_box()["width"] > 400
    me.shot(f"datasets look {look}")
    me.click(me.button("Image after →"), "next photo", expect="22 of 32|reading")
    shown(me, "22 of 32")
    me.click(me.button("Close"), "close")
    large.wait_for(state="hidden")


def inside(me, table):
    """Whether a table fits into its place, and its place into the tab."""
    return table.evaluate(
        "each => { const box = each.closest('.rcg-wide'), tabs = each.closest('.rcg-tabs');"
        "const right = each => each.getBoundingClientRect().right;"
        "return box.scrollWidth <= box.clientWidth + 1 && right(box) <= right(tabs) + 1; }"
    )


def export(me, look):
    part(me, "Export")
    me.click(me.button("Export"), "export", expect="starting")
    shown(me, "exported: 32 images", 60_000)
    me.shot(f"datasets export {look}")
    assert (me.lab.workspace / "exports" / "attic-cards-coco.json").exists()
    assert [job.state for job in jobs(me.lab.workspace)] == ["done", "done"]


def many(workspace, count):
    """A dataset of labels alone, as large as a card researcher's; its images are elsewhere."""
    data = Workspace(workspace).create("many", type="surface_damage")
    inside = (
        Annotation(label="card", box=Box(10.0, 10.0, 600.0, 900.0)),
        Annotation(label="scratch", box=Box(100.0, 200.0, 80.0, 20.0)),
    )
    with data.writing("a test") as out:
        out.learn_classes(["card", "scratch"])
        out.write_records(
            ImageRecord(file_name=f"scan_{number:06d}.jpg", width=800, height=1000, annotations=inside)
            for number in range(count)
        )
        out.store_splits()
    bad = (
        '{"source":"/x","file":"labels/scan_%06d.txt","line":3,"reason":"the class 9 is none; add it","text":"9 0 0"}\n'
    )
    (data.path / "quarantine.jsonl").write_text("".join(bad % number for number in range(count)))


@pytest.mark.timeout(600)
def test_a_hundred_thousand_images_never_hold_the_page_up(tmp_path):
    """Every click is answered within half a second, while the dataset is being checked in the background too."""
    workspace = tmp_path / "workspace"
    many(workspace, 100_000)
    with laboratory(tmp_path) as lab, browser(playwright) as opened:
        me = Journey(opened.new_context(viewport={"width": 1400, "height": 1200}), lab)
        me.open()
        me.tab("Datasets")
        shown(me, "100,000", 120_000)
        part(me, "Left out")
        shown(me, "1 to 20 of 100,000", 60_000)
        me.click(me.button("Next →"), "left out, next", expect="reading|21 to 40 of 100,000")
        shown(me, "21 to 40 of 100,000")
        part(me, "Images")
        shown(me, "1 to 12 of 100,000", 60_000)
        for number in (13, 25, 37):
            me.click(
                me.button("Next →"), f"images from {number}", expect=f"reading|{number} to {number + 11} of 100,000"
            )
            shown(me, f"{number} to {number + 11} of 100,000")
        me.page.get_by_label("With", exact=True).locator("visible=true").select_option("scratch")
        shown(me, "1 to 12 of 100,000")
        me.page.get_by_placeholder("part of the file name").locator("visible=true").fill("0999")
        shown(me, "1 to 12 of 120")
        part(me, "Classes")
        shown(me, "100,000")
        me.shot("datasets of 100,000 images")
        print("answers, s:", {name: round(value, 3) for name, value in me.answers.items()})
        assert max(me.answers.values()) < 0.5, me.answers
