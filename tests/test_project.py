"""The project's own promises: one truth for versions, a thin environment.yml, CI that only calls `make test`."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CARD = [
    "jupyterlab",
    "ipywidgets",
    "tqdm",
    "pillow",
    "numpy",
    "matplotlib",
    "torch",
    "torchvision",
    "fiftyone",
    "pycocotools",
    "opencv-python",
]


def name_of(requirement):
    return re.split(r"[\s<>=!~\[]", requirement)[0].lower()


def test_the_environment_file_is_thin_and_asks_for_the_same_python():
    rattler = pytest.importorskip("rattler", reason="py-rattler is in the dev extra")
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    specs = [each for each in environment["dependencies"] if isinstance(each, str)]
    pip = next(each["pip"] for each in environment["dependencies"] if isinstance(each, dict))
    parsed = {str(rattler.MatchSpec(each).name.normalized): rattler.MatchSpec(each) for each in specs}
    assert set(parsed) == {"python", "pip"}
    assert str(parsed["python"].version) == PROJECT["requires-python"]
    assert pip == ["-e ."]


def test_what_the_project_is_for_is_among_its_requirements_and_every_range_has_an_upper_end():
    names = {name_of(each) for each in PROJECT["dependencies"]}
    assert set(CARD) <= names
    for each in PROJECT["dependencies"]:
        assert "==" in each or "<" in each, f"{each} has no upper end"


def test_every_requirement_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text().split("dependencies = [")[1].split("\n]\n")[0]
    for line in text.splitlines():
        if line.strip().startswith('"'):
            assert "#" in line, f"no reason for {line.strip()}"


def test_torch_and_the_two_opencv_packages_are_pinned_to_pairs():
    pins = {name_of(each): each.partition("==")[2] for each in PROJECT["dependencies"]}
    assert (pins["torch"], pins["torchvision"]) == ("2.14.1", "0.29.1")
    assert pins["opencv-python"] == pins["opencv-python-headless"]


def test_ci_calls_make_test_and_nothing_else():
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "exec make test"]


def test_the_targets_of_the_readme_are_in_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "lab", "lint", "bench"} <= targets
    for target in re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text()):
        assert target in targets, f"README names make {target}"


def test_the_readme_shows_verbs_that_exist():
    import typer

    from rcg.cli import app

    verbs = set(typer.main.get_command(app).commands)
    for verb in re.findall(r"^rcg ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert verb in verbs, f"README names rcg {verb}"


def test_the_readme_links_to_files_that_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
