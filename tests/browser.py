"""JupyterLab in a real browser: a server of its own, and a page in which clicks are counted and timed."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from rcg.jobs import jobs

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
        for path in (ROOT / "notebooks").glob("*.ipynb"):
            shutil.copy(path, notebooks)
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

    def open(self, notebook="00_workbench.ipynb"):
        self.page.goto(f"http://127.0.0.1:{self.lab.port}/lab/tree/{notebook}?token={TOKEN}")
        self.page.wait_for_function("() => window.jupyterapp !== undefined", timeout=60_000)
        end = time.monotonic() + 60
        while not self.page.evaluate(READY):
            assert time.monotonic() < end, "the kernel was not connected within a minute"
            time.sleep(0.3)
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        try:
            self.page.locator(".rcg-panel").locator("visible=true").first.wait_for(timeout=60_000)
        except Exception:  # noqa: BLE001 - whatever it was, the cells tell more
            pytest.fail("no panel: " + " ".join(self.page.locator(".jp-OutputArea-output").all_inner_texts())[-2000:])
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


@contextlib.contextmanager
def laboratory(folder, **options):
    """A running JupyterLab, ended with the block."""
    running = Lab(folder, **options)
    try:
        running.wait()
        yield running
    finally:
        running.close()


@contextlib.contextmanager
def browser(playwright, *, more=()):
    """A browser of this machine, without a screen; `more` are further flags of its command line."""
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium(), args=[*FLAGS, *more])
        try:
            yield opened
        finally:
            opened.close()


def settle(condition, timeout_s):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.1)
