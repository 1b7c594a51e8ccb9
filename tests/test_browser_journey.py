"""A user's way through JupyterLab in a real browser: goals U1 to U5 of the panels, measured.

U1 a raw YOLO folder to a started training: one path and at most 5 clicks.
U2 every button answers within a second, "starting" within 0.2 s.
U3 while work goes on, the page changes at least every 1.5 s, with count, rate and time left.
U4 a training stops after the step it is in, and is resumed.
U5 the kernel is killed in the middle of a training; the reopened page takes the training up where it is.
"""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from rcg.jobs import jobs
from rcg.synthetic import render_dataset

playwright = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).parents[1]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
TOKEN = "journey"  # of a server on 127.0.0.1 that lives as long as this test


def chromium():
    """Debian's chromium, installed where that is possible."""
    found = shutil.which("chromium")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-q"], check=False, timeout=120)
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", "chromium"], check=False, timeout=300)
        found = shutil.which("chromium")
    if found is None:
        pytest.skip("chromium is missing and cannot be installed here: apt-get install chromium, as root")
    return found


class Lab:
    """JupyterLab on a free port with folders of its own, so that no setting of this machine counts."""

    def __init__(self, folder, *, theme="JupyterLab Light"):
        self.folder = folder
        self.workspace = folder / "workspace"
        notebooks = folder / "notebooks"
        notebooks.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "notebooks" / "00_workbench.ipynb", notebooks)
        settings = folder / "lab" / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True, exist_ok=True)
        news = {"fetchNews": "false", "checkForUpdates": False}
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(news))
        (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        names = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        env = {**os.environ, "RCG_HOME": str(self.workspace), **{name: str(folder / name.lower()) for name in names}}
        env |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "lab" / "settings")}
        env |= {"JUPYTERLAB_WORKSPACES_DIR": str(folder / "lab" / "workspaces")}
        command = [
            sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={notebooks}", "--ServerApp.allow_root=True", "--LabApp.expose_app_in_browser=True",
        ]  # fmt: skip
        self.log = (folder / "jupyter.log").open("w")
        self.process = subprocess.Popen(command, env=env, stdout=self.log, stderr=self.log, start_new_session=True)

    def wait(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api?token={TOKEN}", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        pytest.fail(f"JupyterLab did not answer: {(self.folder / 'jupyter.log').read_text()[-2000:]}")

    def kernels(self):
        """The kernels that this server started."""
        found = []
        for each in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):  # a zombie, or gone meanwhile
                if "ipykernel_launcher" in " ".join(each.cmdline()):
                    found.append(each)
        return found

    def close(self):
        for job in jobs(self.workspace):
            job.cancel(now=True)
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.log.close()


READY = """async () => {
  const app = window.jupyterapp;
  if (!app) return false;
  await app.restored;
  const panel = app.shell.currentWidget;
  if (!panel || !panel.context) return false;
  await panel.context.ready;
  await panel.sessionContext.ready;
  const kernel = panel.sessionContext.session && panel.sessionContext.session.kernel;
  if (!kernel || kernel.connectionStatus !== "connected") return false;
  await kernel.info;
  return true;
}"""

# Notes the time of every click and of every text that changes where the user sees it, in the page's own clock. Big
# elements are left out: their text holds words that stood there before.
WATCH = """() => {
  const log = window.rcg = {clicks: [], changes: []};
  document.addEventListener("click", () => log.clicks.push(performance.now()), true);
  new MutationObserver(records => {
    for (const each of records) {
      const text = each.target.textContent || "";
      const shown = (each.target.parentElement || document.body).offsetParent !== null;
      if (shown && text.length < 800) log.changes.push({at: performance.now(), text});
    }
  }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


class Journey:
    """A page in which clicks are counted and timed."""

    def __init__(self, context, lab):
        self.context, self.lab, self.clicks, self.answers = context, lab, 0, {}
        self.page = context.new_page()

    def renew(self):
        """Close the page as one closes a browser, and begin with another."""
        self.page.close()
        self.page = self.context.new_page()

    def open(self):
        self.page.goto(f"http://127.0.0.1:{self.lab.port}/lab/tree/00_workbench.ipynb?token={TOKEN}")
        self.page.wait_for_function("() => window.jupyterapp !== undefined", timeout=60_000)
        end = time.monotonic() + 60
        while not self.page.evaluate(READY):
            assert time.monotonic() < end, "the kernel was not connected within a minute"
            time.sleep(0.3)
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        self.page.locator(".rcg-panel").locator("visible=true").first.wait_for(timeout=60_000)
        self.page.evaluate(WATCH)

    def tab(self, name):
        self.click(self.page.get_by_role("tab", name=name, exact=True).last, name)

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True).locator("visible=true").first

    def click(self, target, name, *, expect=None):
        """Click, and note how long the page took to show a word that matches `expect`."""
        target.scroll_into_view_if_needed(timeout=5000)
        before = self.page.evaluate("() => window.rcg.clicks.length")
        target.click(timeout=5000)
        self.clicks += 1
        if expect:
            self.answers[name] = self.answer(before, expect)

    def answer(self, number, expect, timeout_s=10.0):
        """Seconds from click `number` to the first change whose text matches `expect`."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            log = self.page.evaluate("() => window.rcg")
            if len(log["clicks"]) > number:
                at = log["clicks"][number]
                for change in log["changes"]:
                    if change["at"] >= at and re.search(expect, change["text"]):
                        return (change["at"] - at) / 1000
            time.sleep(0.05)
        pytest.fail(f"no answer like {expect!r}")

    def bar(self):
        return self.page.locator(".rcg-job .rcg-line").locator("visible=true").first

    def shot(self, name):
        if folder := os.environ.get("RCG_SCREENSHOTS"):
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))


@pytest.fixture
def lab(tmp_path):
    running = Lab(tmp_path)
    try:
        running.wait()
        yield running
    finally:
        running.close()


def settle(condition, timeout_s):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.1)


@pytest.mark.timeout(420)
def test_from_a_raw_folder_to_a_training_that_survives_the_kernel(lab, tmp_path):
    folder = tmp_path / "attic cards" / "yolo"
    render_dataset(folder, counts={"train": 40, "val": 6, "test": 6}, size=(240, 320))
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            context = browser.new_context(viewport={"width": 1400, "height": 1100})
            walk(Journey(context, lab), folder)
        finally:
            browser.close()


def walk(me, folder):
    me.open()
    to_a_started_training(me, folder)
    assert me.clicks <= 5, "U1"
    print("U1 clicks:", me.clicks)
    gap = largest_gap(me, seconds=8)
    assert gap < 1.5, "U3"
    print(f"U3 largest gap: {gap:.2f} s")
    end_at_once(me)
    train_small(me)
    print(f"U4 stop: {stop_and_resume(me):.2f} s")
    through_the_death_of_the_kernel(me)
    correct_and_undo(me)
    print("U2 answers, s:", {name: round(value, 3) for name, value in me.answers.items()})
    assert max(me.answers.values()) < 1.0, f"U2: {me.answers}"
    assert statistics.median(me.answers.values()) < 0.2, f"U2: {me.answers}"


def to_a_started_training(me, folder):
    """U1: the path of a raw YOLO folder, and five clicks at most."""
    path = me.page.get_by_placeholder("/path/to/folder with images and labels")
    me.click(path, "path")
    me.page.keyboard.insert_text(str(folder))
    me.page.get_by_text("52 images").wait_for(timeout=10_000)
    me.click(me.button("Create and add"), "add", expect="starting")
    me.button("Train on this").wait_for(timeout=30_000)
    me.shot("added")
    me.click(me.button("Train on this"), "train on this", expect="opening the training panel")
    me.button("Start training").wait_for(timeout=10_000)
    me.click(me.button("Start training"), "start", expect="starting")
    settle(lambda: any(job.arguments[0] == "train" for job in jobs(me.lab.workspace)), 5)
    me.bar().wait_for(timeout=5000)


def largest_gap(me, *, seconds):
    """U3: the longest time without a change of the job bar, in seconds; from the click on, Python's start included."""
    page = me.page
    page.evaluate(
        """() => {
          const bar = [...document.querySelectorAll(".rcg-job")].find(each => each.offsetParent !== null);
          const times = window.rcg.beats = [performance.now()];
          new MutationObserver(() => times.push(performance.now())).observe(bar, {subtree: true, childList: true,
            characterData: true, attributes: true});
        }"""
    )
    page.wait_for_timeout(1000 * seconds)
    times = page.evaluate("() => [...window.rcg.beats, performance.now()]")
    assert "running for" in me.bar().inner_text()
    return max(after - before for before, after in itertools.pairwise(times)) / 1000


def end_at_once(me):
    """A step of the full profile is long on a small machine: a second click does not wait for its end."""
    me.click(me.button("Stop"), "stop", expect="[Ss]topping|Stop now")
    job = newest(me)
    try:
        me.click(me.button("Stop now"), "stop now", expect="[Ss]topping|cancelled")
    except playwright.TimeoutError:
        assert job.state == "cancelled", "the button went before the job ended"  # the step was the faster one
    settle(lambda: job.state == "cancelled", 10)
    me.button("Resume").wait_for(timeout=5000)
    me.shot("stopped at once")


def train_small(me):
    """A training whose steps are short, and whose end is far."""
    me.page.get_by_label("Profile").locator("visible=true").select_option("smoke")
    me.page.get_by_label("Epochs").locator("visible=true").fill("400")
    me.page.keyboard.press("Tab")
    me.click(me.button("Start training"), "start again", expect="starting")
    settle(lambda: len([job for job in jobs(me.lab.workspace) if job.arguments[0] == "train"]) == 2, 10)
    counted = re.compile(r"train: [\d,]+ of [\d,]+ · \d+ % · .*/s · .* left")
    me.page.locator(".rcg-line", has_text=counted).locator("visible=true").first.wait_for(timeout=60_000)
    settle(lambda: newest(me).tick().done > 10, 60)
    me.shot("training")


def newest(me):
    return next(job for job in jobs(me.lab.workspace) if job.arguments[0] == "train")


def stop_and_resume(me):
    """U4: stopped after the step it is in, then resumed to a higher count; the seconds that the stop took."""
    job, asked = newest(me), time.monotonic()
    me.click(me.button("Stop"), "stop small", expect="[Ss]topping|Stop now")
    settle(lambda: job.state == "cancelled", 5)
    took = time.monotonic() - asked
    done, run = job.tick().done, job.notes["run"]
    me.button("Resume").wait_for(timeout=5000)
    me.click(me.button("Resume"), "resume", expect="starting")
    settle(lambda: newest(me).arguments == ("train", "--resume", run), 5)
    settle(lambda: (tick := newest(me).tick()) is not None and tick.task == "train" and tick.done > done, 60)
    return took


def through_the_death_of_the_kernel(me):
    """U5: the kernel dies in the middle; the page is opened again and shows the training where it is."""
    job = newest(me)
    (kernel,) = me.lab.kernels()
    kernel.kill()
    done = job.tick().done
    settle(lambda: job.tick().done > done, 60)  # it goes on without a kernel
    me.renew()
    settle(lambda: me.lab.kernels() and kernel not in me.lab.kernels(), 30)
    me.open()
    me.tab("Training")
    me.page.get_by_text(job.title).locator("visible=true").first.wait_for(timeout=10_000)
    shown = re.search(r"([\d,]+) of ([\d,]+)", me.bar().inner_text())
    assert job.state == "running"
    assert done <= int(shown[1].replace(",", "")) <= job.tick().done
    assert int(shown[2].replace(",", "")) == job.tick().total
    me.shot("taken up again")
    me.click(me.button("Stop"), "stop again", expect="[Ss]topping|Stop now")
    settle(lambda: job.state == "cancelled", 15)


def correct_and_undo(me):
    """The review's buttons, on labels alone."""
    me.tab("Review")
    me.button("Next →").wait_for(timeout=10_000)
    me.click(me.button("Next →"), "next", expect="2 of 52")
    me.click(me.button("Labels are right"), "confirm", expect="writing the correction")
    me.button("Undo the newest").wait_for(timeout=10_000)
    me.click(me.button("Undo the newest"), "undo", expect="undoing")
    me.page.get_by_text("undone", exact=True).first.wait_for(timeout=10_000)
    me.shot("reviewed")
