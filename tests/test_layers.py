"""The order of imports: lower layers never import higher ones, and `import rcg` stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKSPACE = {
    "settings", "journal", "runs", "captures", "corrections", "dataset_types", "datasets", "dataset_writer",
    "fingerprints", "export_detectron2", "export_detectron2_script", "export_folder", "export_ultralytics", "exporting",
    "importing", "quality", "remapping", "table", "version_content", "version_store", "versions", "workspace",
}  # fmt: skip
ORDER = [
    {"errors", "lazy"}, {"progress"}, {"types", "figures", "card_specs"}, {"geometry", "processes"}, {"files"},
    {"locks", "folders"},
    {"image_headers"}, {"images", "places"},
    {"annotations", "photometric"},
    {"synthetic", "measuring", "relight"}, {*WORKSPACE, "job_files", "jobs", "job_process"}, {"training"},
    {"normals", "surface_files"}, {"grading", "readiness", "review"},
    {"cluster", "capture", "info", "demo", "making", "surface_dataset", "console"},
    {"cli", "cli_dataset", "cli_grade", "cli_normals"}, {"__init__", "__main__"},
]  # fmt: skip
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
HEAVY = {"torch", "torchvision", "PIL", "cv2", "matplotlib", "fiftyone", "pycocotools", "tensorboard", "ipywidgets"}


def imports(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "rcg").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_lower_layers_never_import_higher_ones(path):
    part = path.relative_to(ROOT / "rcg").parts[0].removesuffix(".py")
    assert part in RANK, f"{part} has no place in the order of imports"
    for name in imports(ast.parse(path.read_text())):
        top, _, rest = name.partition(".")
        assert top not in {"widgets", "ipywidgets", "IPython"}, f"{path} imports {name}"
        other = rest.split(".")[0]
        if top == "rcg" and other in RANK:
            assert RANK[other] <= RANK[part], f"{path} ({part}) imports {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "rcg").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_command_line_prints(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    prints = [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
    assert path.name == "cli.py" or not prints, f"{path} prints on lines {prints}"


def test_importing_rcg_loads_nothing_heavy():
    code = f"import sys, rcg; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
