"""The background services: shared, found again, and gone when the last user is, however it went; and the database."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rcg.errors import RunError
from rcg.review.database import database_state
from rcg.review.keeper import free_port, join, running

SERVER = "import socket,sys,time; s=socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"
USER = """
import sys, time
from rcg.review.keeper import join
service = join(sys.argv[1], lambda port: [sys.executable, "-c", sys.argv[2], str(port)])
print(service.port, flush=True)
time.sleep(600)
"""


def command(port):
    return [sys.executable, "-c", SERVER, str(port)]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition, *, seconds=15.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_two_processes_share_a_service_and_the_last_one_killed_ends_it(tmp_path):
    users = [
        subprocess.Popen([sys.executable, "-c", USER, str(tmp_path), SERVER], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ports = [int(user.stdout.readline()) for user in users]
    assert ports[0] == ports[1]
    assert until(lambda: listens(ports[0]))
    service = running(tmp_path)
    # Whoever ends a user with all its children must not end what the other one uses.
    family = {each.pid for user in users for each in psutil.Process(user.pid).children(recursive=True)}
    assert not {service["pid"], service["keeper"]} & family
    for at, user in enumerate(users):
        user.kill()
        user.communicate()
        if at == 0:
            time.sleep(4.5)
            assert listens(ports[0]), "the other one still uses it"
    assert until(lambda: not psutil.pid_exists(service["pid"]))
    assert until(lambda: not psutil.pid_exists(service["keeper"]))
    assert running(tmp_path) is None


def test_a_service_without_its_keeper_is_ended_and_started_anew(tmp_path):
    first = join(tmp_path, command)
    first.wait(listens, what="the server")
    known = running(tmp_path)
    os.kill(known["keeper"], signal.SIGKILL)
    assert until(lambda: not psutil.pid_exists(known["keeper"]))
    second = join(tmp_path, command)
    second.wait(listens, what="the server")
    assert not psutil.pid_exists(known["pid"])
    assert running(tmp_path)["pid"] != known["pid"]
    second.leave()
    assert until(lambda: running(tmp_path) is None)


def test_two_uses_in_one_process_end_one_by_one(tmp_path):
    first, second = join(tmp_path, command), join(tmp_path, command)
    first.wait(listens, what="the server")
    first.leave()
    first.leave()  # closing twice ends one use
    time.sleep(4.5)
    assert listens(second.port), "the other one still uses it"
    second.leave()
    assert until(lambda: running(tmp_path) is None)


def test_a_service_that_fails_says_why(tmp_path):
    def broken(port):
        return [sys.executable, "-c", "import sys; sys.exit('the disk is full of cards')"]

    with pytest.raises(RunError, match="the disk is full of cards") as caught:
        join(tmp_path, broken).wait(listens, what="the server", fix="buy a larger disk")
    assert caught.value.fix == "buy a larger disk"
    with pytest.raises(RunError, match=r"did not start.*no-such-program"):
        join(tmp_path / "other", lambda _: ["/no-such-program"])


def test_a_taken_port_is_passed_over():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(port) > port


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A FiftyOne without its database, in front of the one that is installed."""
    package = tmp_path / "site" / "fiftyone"
    (package / "db" / "bin").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    env = {**os.environ, "PYTHONPATH": f"{package.parent}{os.pathsep}{Path(__file__).parents[1]}", "PATH": ""}
    for name in ("FIFTYONE_DATABASE_URI", "RCG_FIFTYONE_OWN_URI"):
        env.pop(name, None)

    def run(code, **more):
        done = subprocess.run(
            [sys.executable, "-c", code], check=False, env={**env, **more}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return package / "db" / "bin" / "mongod", run


STATE = "from rcg.review import database_state as s; r = s(); print(r.ready, r)"
TRY = """
from rcg.errors import RcgError
try: {}
except RcgError as error: print(type(error).__name__, error)
"""


def test_a_missing_database_is_said_with_its_fix(bare, tmp_path):
    _, run = bare
    assert "False FiftyOne is installed, but its database (mongod) is missing; fix: run `rcg info --fix`" in run(STATE)
    assert "True FiftyOne's database is ready: mongodb://x" in run(STATE, FIFTYONE_DATABASE_URI="mongodb://x")
    said = run(TRY.format(f"from rcg.review import configure; configure({str(tmp_path / 'ws')!r})"))
    assert "MissingExtra" in said
    assert "rcg info --fix" in said
    assert not (tmp_path / "ws").exists()


def test_a_database_that_does_not_start_is_not_called_ready(bare):
    mongod, run = bare
    mongod.write_text("#!/bin/sh\necho libcrypto.so.3 is missing >&2\nexit 127\n")
    mongod.chmod(0o755)
    assert "libcrypto.so.3 is missing" in run(STATE)
    mongod.write_text("#!/bin/sh\necho db version v6.0.5\n")
    assert run(STATE).startswith("True")


def test_installing_without_a_network_says_what_to_do(bare):
    _, run = bare
    said = run(TRY.format("from rcg.review import install_database; install_database()"), PIP_NO_INDEX="1")
    assert "RunError" in said
    assert "could not be installed" in said
    assert "rcg info --fix" in said


def test_a_running_database_of_ones_own_is_left_alone(tmp_path):
    said = TRY.format(f"from rcg.review import configure; configure({str(tmp_path)!r})")
    env = {**os.environ, "RCG_FIFTYONE_DATABASE_URI": "mongodb://127.0.0.1:1"}
    done = subprocess.run([sys.executable, "-c", said], check=False, env=env, capture_output=True, text=True)
    assert "RunError mongodb://127.0.0.1:1: the database does not answer" in done.stdout, done.stderr
    assert not (tmp_path / "fiftyone" / "run").exists()


def test_the_state_here_is_told_without_loading_fiftyone():
    code = "import sys; from rcg.review import database_state; database_state(); print('fiftyone' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
    state = database_state()
    assert state.ready or state.fix


@pytest.mark.skipif(not database_state().ready, reason=str(database_state()))
def test_a_fiftyone_that_was_imported_before_uses_the_workspace_as_well(tmp_path):
    code = (
        "import sys, fiftyone; from rcg.review import configure; fo = configure(sys.argv[1])\n"
        "print(fo.list_datasets(), fo.config.do_not_track, fo.config.default_app_port, fo.config.plugins_dir)"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("FIFTYONE_")}
    env |= {"HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "ws")], check=True, env=env, capture_output=True, text=True
    )
    assert done.stdout.strip() == f"[] True 5151 {tmp_path}/ws/fiftyone/plugins"
    assert not list((tmp_path / "home").rglob("*mongo*")), "nothing of it outside the workspace"
