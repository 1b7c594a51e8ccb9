"""What several test files share."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from rcg.jobs import jobs
from tests.panel_data import fill

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as rcg.training sets it; here torch may be imported before

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def quick(tmp_path_factory):
    """A folder in memory where there is one, for tests that make and flush thousands of files."""
    memory = Path("/dev/shm")
    disk = tmp_path_factory.getbasetemp()
    made = Path(tempfile.mkdtemp(prefix="rcg_test_", dir=memory if os.access(memory, os.W_OK) else disk))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte: only root can mount one."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    yield folder
    for _ in range(50):  # a process that has said its last word may still hold a file
        if subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def shared_data():
    """The folder of real photos and labels, where it is present."""
    if not SHARED.is_dir():
        pytest.skip(f"the folder of real data is absent ({SHARED.name})")
    return SHARED


@pytest.fixture(scope="session")
def yolo(tmp_path_factory):
    """Ten small photos of cards with YOLO labels."""
    from rcg.synthetic import render_dataset

    folder = tmp_path_factory.mktemp("made") / "Attic Cards" / "yolo"
    render_dataset(folder, counts={"train": 6, "val": 2, "test": 2}, size=(240, 320))
    return folder


@pytest.fixture
def place(tmp_path):
    """A folder for a workspace, whose jobs end with the test."""
    yield tmp_path / "ws"
    for job in jobs(tmp_path / "ws"):
        job.cancel(now=True)


@pytest.fixture
def filled(place, yolo):
    """A workspace with one dataset and one set of predictions."""
    fill(place, yolo)
    return place
