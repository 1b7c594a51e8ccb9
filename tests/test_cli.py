"""The command line as a user meets it: exit codes, the JSON line, messages that say how to mend it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from rcg.files import read_jsonl
from rcg.workspace import Workspace
from tests.test_workspace import yolo_folder


def rcg(*arguments, home, env=None, timeout=120):
    """Run the command line; returns exit code, last line as JSON (or None), standard output and error."""
    done = subprocess.run(
        [sys.executable, "-m", "rcg", *map(str, arguments)],
        capture_output=True, text=True, timeout=timeout, check=False,
        env={**os.environ, "RCG_HOME": str(home), **(env or {})},
    )  # fmt: skip
    last = done.stdout.strip().splitlines()[-1] if "--json" in arguments else "null"
    return done.returncode, json.loads(last), done.stdout, done.stderr


def test_a_dataset_from_making_to_showing(tmp_path):
    home, source = tmp_path / "home", yolo_folder(tmp_path / "source")
    code, made, *_ = rcg("dataset", "create", "cards", "--type", "custom", "--json", home=home)
    assert (code, made["name"]) == (0, "cards")
    code, added, _, progress = rcg("dataset", "add", "cards", "--images", source, "--json", home=home)
    assert (code, added["images"], added["annotations"], added["dropped"]) == (0, 20, 16, 0)
    assert "20/20" in progress
    code, shown, text, _ = rcg("dataset", "show", "cards", "--json", home=home)
    assert shown["coverage"]["per_label"] == {"card": 8, "stain": 8}
    assert "any classes" in text
    code, listed, *_ = rcg("dataset", "list", "--json", home=home)
    assert listed["datasets"] == [{"name": "cards", "type": "custom", "images": 20, "labelled": 20}]
    code, ready, *_ = rcg("validate", "cards", "--json", home=home)
    assert (code, ready["verdict"]) == (0, "go")
    code, told, *_ = rcg("journal", "--json", home=home)
    assert [each["event"] for each in told["entries"]] == ["dataset created", "images added"]


def test_convert_prints_what_the_contract_names_and_keeps_bad_lines(tmp_path):
    source = yolo_folder(tmp_path / "source")
    (source / "labels" / "card_000.txt").write_text("0 0.5 0.5 0.25 0.5\nnonsense\n")
    target = tmp_path / "out.json"
    code, told, *_ = rcg("convert", source, target, "--json", home=tmp_path)
    assert code == 0
    assert {"images", "annotations", "dropped", "quarantine", "seconds"} <= told.keys()
    assert (told["images"], told["annotations"], told["dropped"]) == (20, 16, 1)
    assert told["quarantine"] == f"{target}.quarantine.jsonl"
    row = next(read_jsonl(told["quarantine"]))
    assert (row["line"], row["text"]) == (2, "nonsense")
    before = target.read_bytes()
    code, refused, *_ = rcg("convert", source, target, "--strict", "--json", home=tmp_path)
    assert code == 2
    assert refused["error"]["fix"]
    assert target.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["convert", "/nowhere", "x.json"], "no such"),
        (["convert", ".", "x.json", "--to", "cocoo"], "coco"),
        (["dataset", "create", "x", "--type", "custm"], "write custom"),
        (["dataset", "add", "none", "--images", "."], "no dataset"),
        (["dataset", "show", "none"], "no dataset"),
        (["dataset", "versions", "none"], "no dataset"),
        (["dataset", "map", "none", "a=b"], "no dataset"),
        (["dataset", "map", "none"], "Missing argument"),
        (["dataset", "export", "none", "--to", "coco"], "no dataset"),
        (["train", "none"], "no dataset"),
        (["train"], "nothing to train on"),
        (["train", "none", "epohcs=3"], "write epochs"),
        (["train", "none", "--detach"], "no dataset"),
        (["train", "cards", "--resume", "x"], "would be ignored"),
        (["train", "--resume", "x", "--name", "y"], "would be ignored"),
        (["evaluate", "none"], "no run"),
        (["predict", "none", "."], "no run"),
        (["runs", "show", "none"], "no run"),
        (["validate", "none"], "no dataset"),
        (["browse", "none"], "no dataset"),
        (["frobnicate"], "No such command"),
        (["convert"], "Missing argument"),
    ],
)
def test_what_a_user_can_mend_exits_with_2_and_says_how(tmp_path, arguments, word):
    code, told, _, text = rcg(*arguments, "--json", home=tmp_path / "home")
    assert code == 2, text
    assert word in text
    assert "Traceback" not in text
    assert told["error"]["what"]
    assert "fix: " in text


def run_verb(body, *arguments, **streams):
    """Run a command line of one verb with this body, as `rcg` runs its own."""
    code = (
        "import typer\nfrom rcg.console import *\napp = typer.Typer()\n@app.command()\ndef verb(json: bool = False):\n"
    )
    code += "".join(f"    {line}\n" for line in body.splitlines()) + "run_command(app)\n"
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run([sys.executable, "-c", code, *arguments], text=True, check=False, timeout=60, **streams)


def test_versions_maps_and_exports_from_the_command_line(tmp_path):
    home, source = tmp_path / "home", yolo_folder(tmp_path / "source")
    rcg("dataset", "create", "cards", "--type", "custom", home=home)
    code, nothing, *_ = rcg("dataset", "versions", "cards", "--json", home=home)
    assert (code, nothing["versions"]) == (0, [])
    rcg("dataset", "add", "cards", "--images", source, home=home)
    code, mapped, text, _ = rcg("dataset", "map", "cards", "stain=spot", "--json", home=home)
    assert (code, mapped["before"], mapped["classes"]) == (0, ["card", "stain"], ["card", "spot"])
    assert "renamed to 'spot' (8 annotations)" in text
    code, told, text, _ = rcg("dataset", "versions", "cards", "--json", home=home)
    first, second = (each["id"] for each in told["versions"])
    assert told["now"] == second == mapped["version"]
    assert f"* {second[:12]}" in text
    code, told, text, _ = rcg("dataset", "diff", "cards", first[:10], "--json", home=home)
    assert (code, len(told["relabelled"]), told["per_label"]["spot"]) == (0, 8, [0, 8])
    assert "8 images relabelled" in text
    code, told, *_ = rcg("dataset", "restore", "cards", first[:10], "--json", home=home)
    assert (code, told["id"]) == (0, first)
    code, told, text, _ = rcg("dataset", "show", "cards", "--json", home=home)
    assert told["coverage"]["per_label"] == {"card": 8, "stain": 8}
    assert told["versions"] == [first, second]
    assert "versions: 2" in text
    for to, name in (("detectron2", "train.py"), ("ultralytics", "data.yaml"), ("yolo", "data.yaml")):
        code, told, *_ = rcg("dataset", "export", "cards", "--to", to, "--json", home=home)
        assert (code, told["images"]) == (0, 20)
        assert (home / "exports" / f"cards-{to}" / name).is_file()
    code, told, *_ = rcg("dataset", "export", "cards", "--to", "csv", "--out", tmp_path / "a.csv", "--json", home=home)
    assert (code, told["path"]) == (0, str(tmp_path / "a.csv"))
    assert [each.event for each in Workspace(home).journal()][2:4] == ["classes mapped", "version restored"]


def test_a_bug_of_ours_exits_with_1_and_shows_the_traceback():
    done = run_verb("raise KeyError('x')", "--json")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "bug" in json.loads(done.stdout)["error"]["fix"]


@pytest.mark.parametrize(("raised", "code"), [("3", 3), ("0", 0), ("None", 0), ("'no way'", 1)])
def test_an_exit_from_below_keeps_its_code(raised, code):
    done = run_verb(f"raise SystemExit({raised})")
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_pipe_that_breaks_elsewhere_is_not_taken_for_a_reader_that_went():
    done = run_verb("import os\nthere, here = os.pipe()\nos.close(there)\nos.write(here, b'x')")
    assert done.returncode == 1
    assert "BrokenPipeError" in done.stderr


def test_the_verb_decides_how_it_ends_when_its_reader_went():
    read, write = os.pipe()
    os.close(read)
    assert run_verb("tell('x' * 100000)\nreturn 2", stdout=write).returncode == 2
    assert run_verb("tell('x' * 100000)", "--json", stdout=write).returncode == 0
    assert run_verb("pass", "--help", stdout=write).returncode == 0
    os.close(write)


def test_the_work_goes_on_when_nobody_reads_its_progress(tmp_path):
    home, source = tmp_path / "home", yolo_folder(tmp_path / "source")
    Workspace(home).create("cards", type="custom")
    read, write = os.pipe()
    os.close(read)
    command = ["dataset", "add", "cards", "--images", str(source), "--workspace", str(home), "--json"]
    done = subprocess.run([sys.executable, "-m", "rcg", *command], stdout=subprocess.PIPE, stderr=write, check=False)
    os.close(write)
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["images"] == 20


@pytest.mark.parametrize(
    ("file", "content", "word"),
    [
        ("rcg.toml", b"# caf\xe9\nval_share = 0.1\n", "byte 0xe9 on line 1 is not UTF-8"),
        ("datasets/cards/dataset.toml", b'type = "custom"\n\xff\n', "byte 0xff on line 2 is not UTF-8"),
        ("datasets/cards/dataset.toml", b'classes = ["a"]\n', "type is not a dataset type"),
        ("datasets/cards/dataset.toml", b'type = "custom"\nclasses = 3\n', "classes is not a list"),
        ("datasets/cards/splits.json", b"[]", "no table of cards"),
        ("datasets/cards/splits.json", b'{"cards": {"a": 3}}', "no table of cards"),
        ("datasets/cards/splits.json", b"[", "this is not JSON"),
    ],
)
def test_files_mended_by_hand_are_told_with_the_place_that_is_wrong(tmp_path, file, content, word):
    home = tmp_path / "home"
    Workspace(home).create("cards", type="custom")
    (home / file).write_bytes(content)
    code, told, _, text = rcg("dataset", "show", "cards", "--json", home=home)
    assert code == 2
    assert word in text
    assert file in told["error"]["where"]
    assert told["error"]["fix"]
    assert "Traceback" not in text


def test_the_settings_of_a_detached_training_are_read_before_it_starts(tmp_path):
    home = tmp_path / "home"
    Workspace(home).create("cards", type="custom")
    code, told, *_ = rcg("train", "cards", "epohcs=3", "--detach", "--json", home=home)
    assert code == 2
    assert told["error"]["fix"] == "write epochs"
    assert not list(home.glob("jobs/*"))
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    code, told, *_ = rcg("train", "cards", "--config", tmp_path / "latin.toml", "--detach", "--json", home=home)
    assert (code, "not UTF-8" in told["error"]["what"]) == (2, True)


def test_the_journal_shows_as_many_entries_as_asked_for(tmp_path):
    home = tmp_path / "home"
    for name in ("a", "b"):
        Workspace(home).create(name, type="custom")
    for last, names in ((0, []), (1, ["b"]), (9, ["a", "b"])):
        code, told, *_ = rcg("journal", "--last", last, "--json", home=home)
        assert (code, [each["facts"]["dataset"] for each in told["entries"]]) == (0, names)
    assert rcg("journal", "--last", "-1", "--json", home=home)[0] == 2


def test_a_broken_dataset_does_not_hide_the_others(tmp_path):
    home = tmp_path / "home"
    for name in ("good", "broken"):
        Workspace(home).create(name, type="custom")
    (home / "datasets" / "broken" / "dataset.toml").write_text("type = ")
    code, told, text, _ = rcg("dataset", "list", "--json", home=home)
    assert code == 0
    assert [row["name"] for row in told["datasets"]] == ["broken", "good"]
    assert "cannot be read" in text


def test_ctrl_c_stops_an_import_with_what_it_has(tmp_path):
    home, source = tmp_path / "home", yolo_folder(tmp_path / "source", 3000)
    rcg("dataset", "create", "cards", "--type", "custom", home=home)
    child = subprocess.Popen(
        [sys.executable, "-m", "rcg", "dataset", "add", "cards", "--images", str(source), "--workspace", str(home)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    images = home / "datasets" / "cards" / "images"
    deadline = time.time() + 60
    while len(list(images.glob("*.jpg"))) < 50 and time.time() < deadline:
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    error = child.communicate(timeout=60)[1]
    assert child.returncode == 2
    assert "repeat the command" in error
    assert 0 < Workspace(home).dataset("cards").coverage().images < 3000
    code, added, *_ = rcg("dataset", "add", "cards", "--images", source, "--json", home=home)
    assert (code, added["images"]) == (0, 3000)
    assert Workspace(home).dataset("cards").coverage().annotations == 2400


def test_info_names_every_part_and_the_main_job_can_run(tmp_path):
    code, told, text, _ = rcg("info", "--json", home=tmp_path / "home")
    assert (code, told["usable"]) == (0, True)
    names = {part["name"] for part in told["parts"]}
    assert {"python", "torch", "torchvision", "fiftyone", "fiftyone database", "compiled parts", "workspace"} <= names
    assert "the main job can run" in text


def test_info_says_2_where_the_workspace_cannot_be_written(tmp_path):
    code, told, text, _ = rcg("info", "--json", "--workspace", "/proc/nowhere", home=tmp_path)
    assert (code, told["usable"]) == (2, False)
    assert "name a folder that you may write to" in text


def test_no_verb_shows_the_help(tmp_path):
    code, _, text, error = rcg(home=tmp_path)
    assert code == 2
    assert "Usage" in text + error


def test_a_reader_that_goes_away_is_no_bug(tmp_path):
    home = tmp_path / "home"
    for number in range(40):
        Workspace(home).create(f"cards-{number}", type="custom")
    command = f"{sys.executable} -m rcg journal --workspace {home} --last 100000 | true"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr


def test_a_mapping_stands_when_the_same_folder_is_added_again(tmp_path):
    home, source = tmp_path / "home", yolo_folder(tmp_path / "source")
    rcg("dataset", "create", "cards", "--type", "custom", home=home)
    _, _, text, _ = rcg("dataset", "add", "cards", "--images", source, home=home)
    assert text.startswith("read as YOLO: ")
    first = Workspace(home).dataset("cards").versions()[0]
    rcg("dataset", "map", "cards", "stain=mark", home=home)
    _, added, text, _ = rcg("dataset", "add", "cards", "--images", source, "--json", home=home)
    assert (added["unchanged"], added["changed"]) == (20, 0)
    assert "the mappings of this dataset: stain=mark" in text
    assert "it holds" not in rcg("dataset", "show", "cards", home=home)[2]
    rcg("dataset", "restore", "cards", first.id, home=home)
    _, shown, text, _ = rcg("dataset", "show", "cards", "--json", home=home)
    assert f"it holds {first.id[:12]}" in text
    assert "the newest is" not in text
    assert shown["coverage"]["per_label"] == {"card": 8, "stain": 8}


def test_a_conversion_says_what_it_read_and_why(tmp_path):
    _, told, text, _ = rcg("convert", yolo_folder(tmp_path / "a"), tmp_path / "a.json", "--json", home=tmp_path)
    assert text.splitlines()[0] == f"read as YOLO: {told['reason']}"


@pytest.mark.parametrize("inside", ["", "deeper/still"])
@pytest.mark.parametrize("verb", [["list"], ["create", "cards", "--type", "custom"]])
def test_a_workspace_that_is_a_file_is_told(tmp_path, verb, inside):
    (tmp_path / "notes").write_text("years")
    code, _, _, error = rcg("dataset", *verb, home=tmp_path / "notes" / inside)
    assert code == 2
    assert "is a file" in error
    assert "RCG_HOME" in error
    assert (tmp_path / "notes").read_text() == "years"


def test_a_workspace_that_cannot_be_made_is_told(tmp_path):
    code, _, _, error = rcg("dataset", "create", "cards", "--type", "custom", home="/proc/nowhere")
    assert code == 2
    assert "the workspace cannot be" in error
    assert "RCG_HOME" in error


def test_a_dataset_is_gone_with_its_folder(tmp_path):
    home, source = tmp_path / "home", yolo_folder(tmp_path / "source")
    for name in ("cards", "others"):
        rcg("dataset", "create", name, "--type", "custom", home=home)
        rcg("dataset", "add", name, "--images", source, home=home)
    code, _, _, error = rcg("dataset", "delete", "cards", home=home)
    assert code == 2
    assert "remove its folder datasets/NAME" in error
    assert "restore" not in error
    shutil.rmtree(home / "datasets" / "cards")
    code, told, *_ = rcg("dataset", "list", "--json", home=home)
    assert (code, [each["name"] for each in told["datasets"]]) == (0, ["others"])
    assert rcg("journal", home=home)[0] == 0
    assert rcg("validate", "others", home=home)[0] == 0
    assert "no dataset 'cards'" in rcg("dataset", "show", "cards", home=home)[3]
    rcg("dataset", "create", "cards", "--type", "custom", home=home)
    assert rcg("dataset", "add", "cards", "--images", source, "--json", home=home)[1]["new"] == 20
