"""Jobs outlive their parent, stop when asked, and are never mistaken for another process."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from rcg import job_process, jobs
from rcg.errors import RunError

# A command line of its own, so that this layer is tested without the layers above it. It speaks as `rcg` does.
COUNTING = """
import sys, time
from pathlib import Path
from rcg import job_process, jobs
from rcg.errors import Cancelled, DataError
from rcg.job_files import write_end
from rcg.progress import tracked

job = job_process.current()
report = job_process.job_report(job)
verb, *rest = sys.argv[1:sys.argv.index("--workspace")]
saved = Path(sys.argv[-1]) / "saved"
print("counting", verb, rest)
try:
    if verb == "crash":
        raise DataError("line 3 is short", where="a.txt", fix="mend line 3")
    if verb == "bug":
        raise ZeroDivisionError("division by zero")
    if verb == "broken":
        sys.exit(7)
    if verb == "sleep":
        time.sleep(float(rest[0]))
    if verb == "train":
        job.note(run="r1")
    begin = int(saved.read_text()) if saved.exists() else 0
    for number in tracked(range(begin, 200), task="counting", report=report, every_s=0):
        time.sleep(0.008)
        saved.write_text(str(number + 1))
    found = {"counted": int(saved.read_text()), "arguments": sys.argv[1:], "file": saved}
    write_end(job.folder, state="done", result=found)
except Cancelled:
    write_end(job.folder, state="cancelled")
except Exception as error:
    write_end(job.folder, state="failed", error=error)
    sys.exit(2)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "counting.py").write_text(COUNTING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    workspace = tmp_path / "ws"
    workspace.mkdir()
    yield workspace
    for job in jobs.jobs(workspace):
        job.cancel(now=True)


def start(place, *arguments, title="count"):
    return jobs.start(place, arguments, title=title, module="counting")


def until(condition, timeout_s=10.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.008)


def test_a_job_runs_to_its_end_and_tells_what_it_found(place):
    job = start(place, "count")
    assert job.state == "running"
    assert job.wait(20).state == "done"
    assert job.result["counted"] == 200
    assert job.result["arguments"] == ["count", "--workspace", str(place)]
    assert job.result["file"] == str(place / "saved")
    assert (job.tick().task, job.tick().done, job.tick().total) == ("counting", 200, 200)
    assert "counting count []" in job.log()
    assert job.error is None
    assert job.ended is not None


def test_the_heartbeat_is_renewed_each_second_while_no_tick_comes(place):
    job = start(place, "sleep", "3.5")
    until((job.folder / "progress.jsonl").exists)
    ages = []
    for _ in range(30):
        ages.append(job.heartbeat_age_s)
        time.sleep(0.1)
    assert job.tick() is None
    assert max(ages) < 1.4


def test_cancel_stops_it_after_the_step_and_resume_goes_on(place):
    job = start(place, "count")
    until(lambda: job.tick() is not None and job.tick().done > 5)
    asked = time.monotonic()
    job.cancel()
    assert job.stopping
    assert job.wait(5).state == "cancelled"
    assert time.monotonic() - asked < 2
    counted = int((place / "saved").read_text())
    again = job.resume().wait(20)
    assert again.state == "done"
    assert again.result["counted"] == 200
    assert again.tick().total == 200 - counted


def test_a_job_that_does_not_listen_is_ended_at_once(place):
    job = start(place, "sleep", "60")
    until((job.folder / "progress.jsonl").exists)
    job.cancel(now=True)
    assert job.state == "cancelled"
    assert not job.stopping


def test_a_training_is_resumed_by_its_run(place):
    job = start(place, "train", "cards", "epochs=3")
    until(lambda: job.notes.get("run") == "r1")
    job.cancel(now=True)
    again = job.resume()
    assert again.arguments == ("train", "--resume", "r1")
    assert again.command == f"rcg train --resume r1 --workspace {place}"


def test_what_runs_or_is_done_is_not_resumed(place):
    job = start(place, "sleep", "60")
    with pytest.raises(RunError, match="running"):
        job.resume()


def test_a_killed_job_is_lost_and_says_how_to_go_on(place):
    job = start(place, "train", "cards")
    until(lambda: job.notes.get("run") == "r1")
    pid = json.loads((job.folder / "job.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: job.state == "lost")
    assert "vanished" in job.error.what
    assert "rcg train --resume r1" in job.error.fix
    assert job.resume().wait(20).state == "done"


def test_a_failure_carries_what_where_and_fix_and_a_bug_its_traceback(place):
    mendable = start(place, "crash").wait(20)
    assert mendable.state == "failed"
    assert str(mendable.error) == "a.txt: line 3 is short\nfix: mend line 3"
    assert type(mendable.error).__name__ == "DataError"
    bug = start(place, "bug").wait(20)
    assert bug.error.what == "ZeroDivisionError: division by zero"
    assert "Traceback" in bug.traceback


def test_a_process_that_could_not_even_begin_is_failed_with_its_last_words(place):
    job = jobs.start(place, ["count"], title="no such module", module="no_such_module_at_all").wait(20)
    until(lambda: job.state == "failed")
    assert "no_such_module_at_all" in job.error.what


def test_the_job_survives_the_death_of_its_parent(place):
    code = "import sys, time\nfrom rcg import jobs\n"
    code += (
        "print(jobs.start(sys.argv[1], ['count'], title='count', module='counting').folder, flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(place)], stdout=subprocess.PIPE, text=True)
    folder = parent.stdout.readline().strip()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    job = jobs.Job.open(folder)
    assert job.state == "running"
    assert [each.id for each in jobs.jobs(place)] == [job.id]
    assert job.wait(20).state == "done"


def test_ctrl_c_ends_the_waiting_and_not_the_job(place):
    code = "import sys\nfrom rcg import jobs\n"
    code += "job = jobs.start(sys.argv[1], ['count'], title='count', module='counting')\n"
    code += "print(job.folder, flush=True)\ntry:\n    job.wait()\nexcept KeyboardInterrupt:\n    print('interrupted')"
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(place)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    folder = parent.stdout.readline().strip()
    time.sleep(0.3)
    os.killpg(parent.pid, signal.SIGINT)  # what a terminal does: everyone in the group gets it
    said, _ = parent.communicate(timeout=10)
    assert said.strip() == "interrupted"
    assert jobs.Job.open(folder).wait(20).state == "done"


def test_a_reused_pid_is_not_trusted(place):
    job = start(place, "count").wait(20)
    (job.folder / "state.json").unlink()
    record = json.loads((job.folder / "job.json").read_text())
    me = psutil.Process()
    (job.folder / "job.json").write_text(json.dumps({**record, "pid": me.pid, "started": me.create_time()}))
    assert job.state == "running"  # the control: with the right start time it would be believed
    (job.folder / "job.json").write_text(json.dumps({**record, "pid": me.pid, "started": me.create_time() - 100}))
    assert job.state == "lost"
    job.cancel(now=True)  # and it is not killed either: this very process would be
    assert job.state == "lost"


def test_a_start_that_died_before_it_had_a_process_is_lost(place):
    job = start(place, "count").wait(20)
    (job.folder / "state.json").unlink()
    record = json.loads((job.folder / "job.json").read_text())
    old = {**record, "pid": None, "created": time.time() - 3600}
    (job.folder / "job.json").write_text(json.dumps(old))
    assert jobs.Job.open(job.folder).state == "lost"


def test_a_child_of_the_job_is_not_the_job(place, monkeypatch):
    job = start(place, "sleep", "60")
    monkeypatch.setenv(job_process.VARIABLE, str(job.folder))
    assert job_process.current() is None
    monkeypatch.delenv(job_process.VARIABLE)
    assert job_process.current() is None


def test_jobs_are_listed_newest_first_and_waiting_has_an_end(place):
    first, second = start(place, "sleep", "60", title="a"), start(place, "sleep", "60", title="b")
    assert [job.id for job in jobs.jobs(place)] == [second.id, first.id]
    with pytest.raises(RunError, match="still running"):
        first.wait(0.2)
    with pytest.raises(RunError, match="no job"):
        jobs.Job.open(place / "jobs" / "nothing")


def test_the_last_word_fits_on_a_full_disk(place, job_disk):
    job = start(job_disk, "sleep", "1.5")
    until((job.folder / "progress.jsonl").exists)
    fill(job_disk / "filler")
    assert job.wait(10).state == "failed"
    assert "full" in job.error.what
    assert "free some space" in job.error.fix


def fill(path):
    with path.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"\0" * 4096)


@pytest.fixture
def job_disk(small_disk):
    """A disk of 1 MB on which no job goes on after the test."""
    yield small_disk
    for job in jobs.jobs(small_disk):
        job.cancel(now=True)


def test_a_file_called_like_one_of_pythons_own_does_no_harm(place, tmp_path):
    (tmp_path / "shlex.py").write_text("raise ImportError('not the one')\n")
    job = jobs.start(place, ["sleep", "0"], title="count", module="counting", cwd=tmp_path).wait(20)
    assert (job.state, job.log().count("not the one")) == ("done", 0)
