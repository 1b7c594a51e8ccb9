"""The demo: the whole path, killed in the middle of its training and called again."""

import os
import signal
import subprocess
import sys
import time

from rcg.files import read_json
from rcg.workspace import Workspace


def test_a_killed_demo_goes_on_and_ends_with_three_lines(tmp_path):
    home = tmp_path / "home"
    command = [sys.executable, "-m", "rcg", "demo", "--profile", "smoke", "--workspace", str(home)]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.time() + 240
    ticks = []
    while not ticks and first.poll() is None and time.time() < deadline:
        ticks = [each for each in home.glob("runs/*/ticks.jsonl") if each.stat().st_size]
        time.sleep(0.02)
    assert ticks, "the training of the demo did not begin"
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
    assert again.returncode == 0, again.stderr
    lines = again.stdout.strip().splitlines()
    assert len(lines) == 3
    assert "AP50" in lines[0]
    assert "next: rcg browse demo" in lines[2]
    ws = Workspace(home)
    runs, dataset = ws.runs(), ws.dataset("demo")
    assert [run.state() for run in runs] == ["done"]
    assert dataset.prediction_names() == (runs[0].name,)
    assert read_json(runs[0].path / "metrics.json")
    told = read_json(home / "demo" / "last.json")
    assert told["run"] == runs[0].name
    assert (runs[0].path / "report.md").exists()
    assert dataset.coverage().images == 36
