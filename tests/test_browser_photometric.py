"""Relighting in a real browser: the exported page, and the panel in JupyterLab."""

import numpy as np
import pytest

from rcg.photometric.types import SurfaceDefect
from rcg.relight import write_relight_page
from rcg.workspace import Workspace
from tests.browser import FLAGS, Journey, browser, chromium, laboratory
from widgets.example_frames import made_frames

playwright = pytest.importorskip("playwright.sync_api")

SOFTWARE = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # WebGL2 without a graphics card
BALL = 120


def ball_page(path):
    """A matte ball on a level ground, and one defect on it."""
    height, width = 320, 400
    rows, columns = np.mgrid[:height, :width]
    x, y = (columns - width / 2) / BALL, (height / 2 - rows) / BALL
    inside = x**2 + y**2 < 0.9
    up = np.sqrt(np.maximum(1 - x**2 - y**2, 0.1))
    normals = np.where(inside[..., None], np.dstack([x, y, up]), np.array([0.0, 0.0, 1.0])).astype(np.float32)
    ring = ((250.0, 150.0), (270.0, 150.0), (270.0, 170.0), (250.0, 170.0))
    mark = SurfaceDefect(
        label="dent", polygon=ring, length_mm=1, width_mm=1, height_um=-5, height_sigma_um=1, confidence=0.9
    )
    colour = np.full((height, width, 3), 150, np.uint8)
    return write_relight_page(path, normals, colour, defects=[mark], mm_per_px=0.05, title="A ball")


@pytest.fixture
def page(tmp_path):
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=chromium(), args=[each for each in FLAGS if each != "--disable-gpu"] + SOFTWARE
        )
        made = opened.new_context(viewport={"width": 1200, "height": 900}).new_page()
        made.problems = []
        made.on("pageerror", lambda error: made.problems.append(str(error)))
        made.on("request", lambda each: each.url.startswith("http") and made.problems.append(each.url))
        made.goto(ball_page(tmp_path / "ball.html").as_uri())
        made.wait_for_function("() => document.querySelector('#view').relight?.draws > 0", timeout=30_000)
        yield made
        opened.close()


def view(page, what):
    return page.evaluate(f"() => {{ const view = document.querySelector('#view').relight; return {what}; }}")


def light_at(page, x, y=0.5):
    box = page.locator(".rcg-relight-stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
    page.wait_for_timeout(120)


def sides(page):
    """Brightness of the ball's left and right, upper and lower side."""
    return [view(page, f"view.pixel({x}, {y})")[0] for x, y in ((0.32, 0.5), (0.68, 0.5), (0.5, 0.25), (0.5, 0.75))]


def test_the_page_follows_the_mouse_and_fetches_nothing(page):
    light_at(page, 0.05)
    left, right, *_ = sides(page)
    first = page.locator(".rcg-relight-stage").screenshot()
    assert left > right + 40
    light_at(page, 0.95)
    left, right, *_ = sides(page)
    assert right > left + 40
    assert page.locator(".rcg-relight-stage").screenshot() != first
    light_at(page, 0.5, 0.05)
    *_, top, bottom = sides(page)
    assert top > bottom + 40, "up is up"
    assert page.problems == []


def test_wheel_drag_keys_and_the_list_move_the_view(page):
    box = page.locator(".rcg-relight-stage").bounding_box()
    light_at(page, 0.5)
    page.mouse.wheel(0, -600)
    page.wait_for_timeout(100)
    assert view(page, "view.state.zoom") > 1.5
    before = view(page, "view.state.middle[0]")
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5, steps=4)
    page.mouse.up()
    assert view(page, "view.state.middle[0]") > before + 0.02, "the card goes with the mouse"
    page.keyboard.press("0")
    assert view(page, "view.state.zoom") == 1
    page.get_by_role("button", name="dent").click()
    x, y = view(page, "view.state.middle")
    assert (x, y) == pytest.approx((260 / 400, 160 / 320))
    assert view(page, "view.state.zoom") > 2
    page.locator(".rcg-relight-stage").focus()
    page.keyboard.press("d")
    assert page.locator(".rcg-relight-stage svg g").evaluate("each => each.style.display") == "none"
    low = view(page, "view.state.light[0]")
    page.keyboard.press("ArrowRight")
    assert view(page, "view.state.light[0]") == pytest.approx(low + 0.1)
    page.get_by_role("button", name="Raking light").click()
    assert view(page, "view.state.low") < 0.2
    page.evaluate("() => document.querySelector('#view').relight.set('sure', 0.95)")
    assert not page.get_by_role("button", name="dent").is_visible(), "its confidence is 0.9"
    assert page.get_by_text("Defects (0 of 1)").is_visible()


def test_a_page_says_when_nobody_looked_for_defects(page, tmp_path):
    level = np.zeros((40, 50, 3), np.float32) + np.array([0, 0, 1], np.float32)
    print_ = np.full((40, 50, 3), 150, np.uint8)
    for size, words in ((None, "Defects were not looked for"), (0.05, "No defects found")):
        page.goto(write_relight_page(tmp_path / "level.html", level, print_, mm_per_px=size).as_uri())
        assert page.get_by_text(words).is_visible()


def test_it_draws_only_when_something_changed_and_often_when_it_does(page):
    light_at(page, 0.4)
    page.wait_for_timeout(600)
    before = view(page, "view.draws")
    page.wait_for_timeout(500)
    assert view(page, "view.draws") == before
    rate = page.evaluate(
        """async () => {
          const view = document.querySelector('#view').relight, start = performance.now(), before = view.draws;
          for (let step = 0; performance.now() - start < 1500; step++) {
            view.set('low', 0.3 + 0.2 * Math.sin(step / 9));
            await new Promise(requestAnimationFrame);
          }
          return 1000 * (view.draws - before) / (performance.now() - start);
        }"""
    )
    print(f"{rate:.0f} pictures a second by software")
    assert rate > 10


def test_a_lost_context_comes_back(page):
    page.evaluate(
        """() => { const gl = document.querySelector('canvas').getContext('webgl2');
                   window.lost = gl.getExtension('WEBGL_lose_context'); window.lost.loseContext(); }"""
    )
    page.get_by_text("returns by itself").wait_for(timeout=5000)
    page.evaluate("() => window.lost.restoreContext()")
    page.get_by_text("returns by itself").wait_for(state="hidden", timeout=5000)
    light_at(page, 0.95)
    left, right, *_ = sides(page)
    assert right > left + 40


def test_without_webgl_it_says_so_and_shows_the_card(tmp_path):
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium(), args=[*FLAGS, "--disable-3d-apis"])
        page = opened.new_page()
        page.goto(ball_page(tmp_path / "ball.html").as_uri())
        page.get_by_text("offers no WebGL2").wait_for(timeout=10_000)
        assert page.locator("img.rcg-relight-plain").is_visible()
        opened.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("look", ["Light", "Dark"])
def test_frames_are_measured_and_relit_in_jupyterlab(tmp_path, look):
    frames = made_frames(Workspace(tmp_path / "made"), "smoke")
    options = {"viewport": {"width": 1400, "height": 1300}}
    with laboratory(tmp_path, theme=f"JupyterLab {look}") as lab, browser(playwright, more=SOFTWARE) as opened:
        me = Journey(opened.new_context(**options), lab)
        me.open()
        me.tab("Surface")
        me.page.get_by_placeholder("/path/to/folder with one frame for each light").fill(str(frames))
        me.page.keyboard.press("Tab")
        me.page.get_by_text("8 frames of").locator("visible=true").first.wait_for(timeout=20_000)
        me.shot(f"photometric frames {look}")
        me.click(me.button("Measure"), "measure", expect="starting|measuring")
        me.page.wait_for_function(
            "() => [...document.querySelectorAll('.rcg-relight')].some(each => each.relight?.draws > 0)", timeout=90_000
        )
        me.page.locator(".rcg-relight-list button").first.click()
        me.page.wait_for_timeout(1000)
        me.shot(f"photometric relit {look}")
        me.page.locator(".rcg-relight-foot").locator("visible=true").first.scroll_into_view_if_needed()
        me.page.wait_for_timeout(400)
        me.shot(f"photometric relight {look}")
        narrow = me.page.evaluate(
            "() => [...document.querySelectorAll('.rcg-panel')].every(each => each.scrollWidth <= each.clientWidth + 1)"
        )
        assert narrow, "nothing is wider than the panel"
        assert max(me.answers.values()) < 1.0, me.answers
