"""Grading in JupyterLab in a real browser: photos dropped, lines dragged by mouse, keys and finger, batches opened."""

import re

import numpy as np
import pytest

from rcg.grading.hand_file import hand_path
from rcg.images import write_image
from rcg.workspace import Workspace
from tests.browser import Journey, browser, laboratory
from widgets import made_card

playwright = pytest.importorskip("playwright.sync_api")

OVERLAY = "[...document.querySelectorAll('.rcg-lines')].find(each => each.offsetParent).overlay"
SHOWN = (
    "() => [...document.querySelectorAll('.rcg-lines')].some(each => each.offsetParent && each.overlay?.about?.width)"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_card(Workspace(tmp_path_factory.mktemp("made")), "smoke")


class Grading(Journey):
    """The way through the Grading panel."""

    def field(self, placeholder):
        return self.page.get_by_placeholder(placeholder).locator("visible=true").first

    def grade(self, photo, back=None):
        self.field("/path/to/front.jpg, or a folder").fill(str(photo))
        if back is not None:
            self.field("empty: the front alone").fill(str(back))
        self.page.keyboard.press("Tab")
        self.click(self.button("Grade"), "grade", expect="grading|reading the photo|looking for")

    def graded(self):
        self.page.wait_for_function(SHOWN, timeout=120_000)
        self.page.locator(".rcg-lines-stage").locator("visible=true").first.scroll_into_view_if_needed()

    def overlay(self, what):
        return self.page.evaluate(f"() => {{ const view = {OVERLAY}; return {what}; }}")

    def at(self, line, share):
        """Where a place of a line is on the screen."""
        place = self.overlay(f"view.place(view.lines.{line}, view.lines.{line}.length * {share})")
        x, y, scale = self.overlay("[view.view.x, view.view.y, view.scale()]")
        left, top = self.overlay("[view.stage.getBoundingClientRect().left, view.stage.getBoundingClientRect().top]")
        return left + (place[0] - x) * scale, top + (place[1] - y) * scale

    @property
    def chip(self):
        return self.page.locator(".rcg-lines-chip").locator("visible=true").first.inner_text()

    @property
    def left(self):
        """The left border's share, as the picture tells it."""
        return float(re.search(r"L/R (\d+\.\d)", self.chip)[1])

    @property
    def verdict(self):
        return self.page.locator(".rcg-verdict").locator("visible=true").first.inner_text()

    def settled(self, words):
        self.page.get_by_text(words).locator("visible=true").first.wait_for(timeout=30_000)
        self.page.wait_for_function("() => !" + OVERLAY + ".pending", timeout=30_000)


@pytest.mark.timeout(420)
@pytest.mark.parametrize("look", ["Light", "Dark"])
def test_a_line_is_dragged_and_ratio_and_grades_follow(tmp_path, made, look):
    with laboratory(tmp_path, theme=f"JupyterLab {look}") as lab, browser(playwright) as opened:
        me = Grading(opened.new_context(viewport={"width": 1400, "height": 1300}), lab)
        problems = []
        me.page.on("pageerror", lambda error: problems.append(str(error)))
        me.open()
        me.tab("Grading")
        me.shot(f"grading empty {look}")
        me.grade(made.front, made.back)
        me.page.locator(".rcg-line").locator("visible=true").first.wait_for(timeout=20_000)
        me.shot(f"grading under way {look}")
        me.graded()
        me.page.wait_for_timeout(2500)
        me.shot(f"grading graded {look}")
        first, steps = me.left, me.page.locator(".rcg-steps img").first.get_attribute("src")
        assert abs(first - made.left_right) < 2
        assert f"{first:.1f} / " in me.verdict
        drag_by_mouse(me, look)
        assert me.left > first + 2
        assert f"{me.left:.1f} / " in me.verdict
        assert hand_path(lab.workspace).exists()
        me.page.wait_for_function(
            "before => document.querySelector('.rcg-steps img').src !== before", arg=steps, timeout=20_000
        )
        by_keys(me)
        closer(me, look)
        me.button("Reset all lines").click()
        me.settled("all lines are as measured again")
        assert me.left == first
        report_page(me)
        assert narrow(me), "nothing is wider than the panel"
        assert problems == []
        assert max(me.answers.values()) < 1.0, me.answers


def drag_by_mouse(me, look):
    """The line follows the mouse at once, the verdict meanwhile, and it is kept when the button is let go."""
    place = me.page.locator(".rcg-lines-stage").locator("visible=true").first.bounding_box()
    x, y = me.at("left_inner", 0.4)
    before, verdict = me.left, me.verdict
    me.page.mouse.move(x, y)
    me.page.mouse.down()
    me.page.mouse.move(x + 4, y, steps=4)
    me.page.mouse.move(x + 9, y, steps=5)
    assert me.left > before + 2, "while the button is down"
    me.page.wait_for_function(
        "before => document.querySelector('.rcg-verdict').innerText !== before", arg=verdict, timeout=10_000
    )
    me.page.mouse.up()
    me.settled("is set by hand and kept")
    me.shot(f"grading dragged {look}")
    assert me.overlay("view.lines.left_inner.hand")
    after = me.page.locator(".rcg-lines-stage").locator("visible=true").first.bounding_box()
    assert after["y"] == pytest.approx(place["y"], abs=1), "the picture stays under the hand"
    assert "±" in me.chip


def by_keys(me):
    """Tab comes to a line, an arrow key moves it by a hundredth of a millimetre, Enter goes to its end."""
    me.overlay("view.shown.right_inner.group.focus()")
    before = me.overlay("view.lines.right_inner.ends")
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowLeft"):
        me.page.keyboard.press(key)
    now = me.overlay("view.lines.right_inner.ends")
    assert now[0] - before[0] == pytest.approx(0.11, abs=1e-6)
    assert now[1] - before[1] == pytest.approx(0.11, abs=1e-6)
    me.page.keyboard.press("Enter")
    me.page.keyboard.press("ArrowRight")
    tilted = me.overlay("view.lines.right_inner.ends")
    assert tilted[0] < now[0] - 0.005, "its first end alone"
    assert abs(tilted[1] - now[1]) < 0.002
    me.settled("right inner line is set by hand and kept")
    me.page.wait_for_function(f"() => {OVERLAY}.about.lines.filter(each => each.hand).length === 2", timeout=20_000)


def closer(me, look):
    """A click on a number shows what it was read from, in the photo's own pixels."""
    me.page.locator("[data-cell=top_inner_2]").locator("visible=true").first.click()
    me.page.locator(".rcg-lines-strip").locator("visible=true").first.wait_for(timeout=5000)
    me.page.wait_for_function(f"() => {OVERLAY}.tile.getAttribute('visibility') === 'visible'", timeout=20_000)
    assert me.overlay("Number(view.tile.getAttribute('width')) < view.about.width / 3")
    assert me.overlay("view.scale()") > 2
    me.page.wait_for_timeout(300)
    me.shot(f"grading closer {look}")
    me.page.get_by_role("button", name="Show the whole card").locator("visible=true").first.click()


def report_page(me):
    with me.context.expect_page() as waiting:
        me.button("Open the report page").click()
    page = waiting.value
    page.wait_for_function("() => document.title.includes('grade')", timeout=30_000)
    assert page.locator("svg").count() > 4
    page.close()


def narrow(me):
    return me.page.evaluate(
        "() => [...document.querySelectorAll('.rcg-panel')].every(each => each.scrollWidth <= each.clientWidth + 1)"
    )


@pytest.mark.timeout(420)
def test_large_photos_are_dropped_graded_as_a_batch_and_survive_the_page(tmp_path, made):
    photos = tmp_path / "drop"
    photos.mkdir()
    (photos / "card.jpg").write_bytes(made.front.read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, (1700, 2300, 3), dtype=np.uint8)
    write_image(photos / "noise.png", noise)
    assert (photos / "noise.png").stat().st_size > 11_000_000, "more than one message of the server holds"
    with laboratory(tmp_path / "lab") as lab, browser(playwright) as opened:
        me = Grading(opened.new_context(viewport={"width": 1400, "height": 1300}), lab)
        me.open()
        me.tab("Grading")
        files = sorted(photos.iterdir())
        me.page.locator(".rcg-drop-root input[multiple]").first.set_input_files(files)
        me.page.wait_for_function(
            "() => [...document.querySelectorAll('textarea')].some(each => each.value.includes('/grades/photos/'))",
            timeout=60_000,
        )
        (folder,) = (lab.workspace / "grades" / "photos").iterdir()
        assert {each.name: each.read_bytes() for each in folder.iterdir()} == {
            each.name: each.read_bytes() for each in files
        }
        me.click(me.button("Grade"), "grade", expect="grading|starting")
        rows = me.page.locator(".rcg-sorted .rcg-open").locator("visible=true")
        me.page.get_by_text("2 cards, 1 to look at").locator("visible=true").first.wait_for(timeout=120_000)
        assert rows.count() == 2
        me.page.locator(".rcg-sorted th button[data-name=card]").locator("visible=true").first.click()
        me.page.locator("th[aria-sort=ascending]").locator("visible=true").first.wait_for(timeout=10_000)
        me.page.locator(".rcg-sorted").locator("visible=true").first.scroll_into_view_if_needed()
        me.shot("grading batch")
        with me.page.expect_download() as saved:
            me.button("Save the CSV").click()
        assert saved.value.suggested_filename.endswith("results.csv")
        me.page.locator(".rcg-sorted button.rcg-open", has_text="card").locator("visible=true").first.click()
        me.graded()
        x, y = me.at("left_inner", 0.4)
        me.page.mouse.move(x, y)
        me.page.mouse.down()
        me.page.mouse.move(x + 9, y, steps=6)
        me.page.mouse.up()
        me.settled("is set by hand and kept")
        share = me.left
        me.renew()
        me.open()
        me.tab("Grading")
        me.page.get_by_text("2 cards, 1 to look at").locator("visible=true").first.wait_for(timeout=30_000)
        me.page.locator(".rcg-sorted button.rcg-open", has_text="card").locator("visible=true").first.click()
        me.graded()
        me.page.get_by_text("front left inner").locator("visible=true").first.wait_for(timeout=10_000)
        assert me.left == pytest.approx(share, abs=0.11)
        assert max(me.answers.values()) < 1.0, me.answers


@pytest.mark.timeout(300)
def test_on_a_tablet_a_finger_drags_and_two_fingers_zoom(tmp_path, made):
    with laboratory(tmp_path) as lab, browser(playwright) as opened:
        context = opened.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
        me = Grading(context, lab)
        me.open()
        me.page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        me.tab("Grading")
        me.grade(made.front)
        me.graded()
        me.page.wait_for_timeout(1500)
        me.shot("grading tablet")
        session = context.new_cdp_session(me.page)

        def touch(kind, *places):
            points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        before = me.left
        x, y = me.at("left_inner", 0.3)
        touch("touchStart", (x, y))
        for step in range(1, 7):
            touch("touchMove", (x + step, y))
        touch("touchEnd")
        me.settled("is set by hand and kept")
        assert me.left > before + 1
        scale = me.overlay("view.scale()")
        stage = me.page.locator(".rcg-lines-stage").locator("visible=true").first
        stage.scroll_into_view_if_needed()
        box = stage.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        touch("touchStart", (x - 20, y), (x + 20, y))
        for step in range(1, 6):
            touch("touchMove", (x - 20 - 10 * step, y), (x + 20 + 10 * step, y))
        touch("touchEnd")
        assert me.overlay("view.scale()") > 2 * scale
        assert narrow(me), "nothing is wider than the panel"
