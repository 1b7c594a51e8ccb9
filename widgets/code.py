"""Copy as code: what a button does, as a command line, a Python call and a notebook run as a batch."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NOTEBOOKS = Path(__file__).absolute().parents[1] / "notebooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The same work in three ways; empty where there is no such way.

    Attributes:
        command: Lines for a terminal.
        python: Lines for a notebook or a script.
        papermill: The command that runs the notebook with these parameters.
    """

    command: str
    python: str
    papermill: str = ""


def code_of(arguments: Sequence[str], workspace: str | Path, *, before: Sequence[Sequence[str]] = ()) -> Code:
    """The code of an `rcg` command line.

    Args:
        arguments: What stands after `rcg`, without `--workspace`.
        workspace: The workspace it works in.
        before: Command lines that have to run first, such as the one that makes the dataset.

    Example:
        >>> print(code_of(["evaluate", "r1"], "data").command)
        rcg evaluate r1 --workspace data
    """
    steps = [*before, arguments]
    calls = [_python(each) for each in steps]
    mapped = any("ClassMap" in call for call in calls)
    head = ["import rcg", *(["from rcg.annotations.mapping import ClassMap"] if mapped else [])]
    head += ["", f"ws = rcg.Workspace({str(workspace)!r})"]
    return Code(
        command="\n".join(shlex.join(["rcg", *each, "--workspace", str(workspace)]) for each in steps),
        python="\n".join([*head, *calls]),
        papermill=_papermill(arguments, workspace, before),
    )


_FLAGS = ("link", "remove_gps", "copy", "measure", "all")


def _split(arguments: Sequence[str]) -> tuple[list[str], dict[str, str], list[str]]:
    """Words, options by name (a flag's value is empty), and what `--map` says of classes, however often it stands."""
    words: list[str] = []
    options: dict[str, str] = {}
    maps: list[str] = []
    rest = list(arguments)
    while rest:
        each = rest.pop(0)
        name = each[2:].replace("-", "_")
        if not each.startswith("--"):
            words.append(each)
        elif name == "map":
            maps.append(rest.pop(0))
        else:
            value = "" if not rest or rest[0].startswith("--") or name in _FLAGS else rest.pop(0)
            options[name] = f"{options[name]} {value}" if name == "standard" and name in options else value
    return words, options, maps


def _python(arguments: Sequence[str]) -> str:  # noqa: C901, PLR0911, PLR0912 - one case and return a verb
    words, options, maps = _split(arguments)
    match words:
        case ["dataset", "create", name]:
            return f"ws.create({name!r}{_named(options)})"
        case ["dataset", "add", name]:
            named = _named({"format" if key == "from" else key: value for key, value in options.items()})
            named += f", class_map=ClassMap.parse({maps!r})" if maps else ""
            return f"ws.dataset({name!r}).add({named.removeprefix(', ')}, report=rcg.bar())"
        case ["dataset", "map", name, *texts]:
            return f"ws.dataset({name!r}).map_classes(ClassMap.parse({texts!r}), report=rcg.bar())"
        case ["dataset", "restore", name, version]:
            return f"ws.dataset({name!r}).restore({version!r}, report=rcg.bar())"
        case ["dataset", "export", name]:
            target = repr(options.pop("out")) if "out" in options else "None"
            made = f"export(ws.dataset({name!r}), {target}{_named(options)}, report=rcg.bar())"
            return f"from rcg.exporting import export\n\nprint({made})"
        case ["validate", name]:
            return f"print(rcg.validate(ws.dataset({name!r}){_named(options)}, report=rcg.bar()))"
        case ["train"]:
            return f"rcg.resume(ws.run({options['resume']!r}), report=rcg.bar())"
        case ["train", name, *settings]:
            config = f"rcg.TrainConfig.parse({settings!r})"
            return f"run = rcg.train(ws.dataset({name!r}), config={config}, report=rcg.bar())"
        case ["evaluate", run]:
            return f"print(rcg.evaluate(ws.run({run!r}){_named(options)}, report=rcg.bar()))"
        case ["predict", run, name]:
            score = _number(options, "score")
            return (
                f"data = ws.dataset({name!r})\n"
                f"found = rcg.predict(ws.run({run!r}), data{score}, report=rcg.bar())\n"
                f"data.write_predictions({run!r}, found.records)"
            )
        case ["normals", frames, out]:
            size = f", mm_per_px={float(options.pop('px_mm')):g}" if "px_mm" in options else ""
            call = f"measure_surface({frames!r}, {out!r}{_named(options)}{size}, report=rcg.bar())"
            return f"from rcg.normals import measure_surface\n\nprint({call})"
        case ["grade", *pictures]:
            return _grade(pictures, options)
        case ["browse", name]:
            return f"from rcg.review import browse\n\nbrowse(ws.dataset({name!r}), report=rcg.bar())"
    return f"# no Python call is known for {shlex.join(arguments)}"


def _grade(pictures: list[str], options: dict[str, str]) -> str:
    """The call that grades one card, all cards of a photo, or a batch."""
    batch, every = "out" in options, "all" in options
    names = {"card_spec": "spec", "frames": "capture", "back_frames": "back_capture"}
    given = [f"{names.get(name, name)}={value!r}" for name, value in options.items() if name in _GRADED]
    given += [f"standards={options['standard'].split()!r}"] if "standard" in options else []
    given += [f"jobs={int(options['jobs'])}"] if "jobs" in options else []
    given += ["every=True"] if batch and every else []
    more = ", ".join([*given, "workspace=ws.path", "report=rcg.bar()"])
    source = repr(pictures[0] if len(pictures) == 1 else pictures)
    if batch:
        return f"from rcg.grading import grade_batch\n\nprint(grade_batch({source}, {options['out']!r}, {more}))"
    if every:
        head = "from rcg.grading import grade_all, summary\n\n"
        return f"{head}for report in grade_all({source}, {more}):\n    print(summary(report))"
    return f"from rcg.grading import summary\n\nreport = rcg.grade({source}, {more})\nprint(summary(report))"


_GRADED = ("back", "frames", "back_frames", "card_spec", "reference")


def _named(options: dict[str, str]) -> str:
    values = {name: True if value == "" else value for name, value in options.items()}
    return "".join(f", {name}={value!r}" for name, value in values.items())


def _number(options: dict[str, str], name: str) -> str:
    return f", {name}={float(options[name]):g}" if name in options else ""


def _papermill(arguments: Sequence[str], workspace: str | Path, before: Sequence[Sequence[str]]) -> str:
    words, options, maps = _split(arguments)
    match words:
        case ["dataset", "add", name]:
            made = next((_split(each)[1] for each in before), {})
            values = {"source": options.get("images", options.get("labels", "")), "dataset": name}
            values |= {"dataset_type": made["type"]} if "type" in made else {}
            values |= {"stage": options["stage"].replace("-", "_")} if "stage" in options else {}
            known = {"from": "read_as", "classes": "classes", "name": "predictions"}
            values |= {known[key]: value for key, value in options.items() if key in known}
            values |= {"labels": options["labels"]} if {"labels", "images"} <= options.keys() else {}
            values |= {"class_map": shlex.join(maps)} if maps else {}
            flags = {flag: flag in options for flag in ("link", "remove_gps")}
            return _batch("01_datasets", workspace, values, flags=flags)
        case ["train", name, *settings]:
            return _batch("03_training", workspace, {"dataset": name, "settings": shlex.join(settings)})
        case ["grade", *pictures] if len(pictures) == 1:
            known = {"back": "back", "frames": "frames", "card_spec": "card", "reference": "reference"}
            values = {known[key]: value for key, value in options.items() if key in known}
            values |= {"standards": options["standard"]} if "standard" in options else {}
            values |= {"photos" if "out" in options else "front": pictures[0]}
            return _batch("05_grading", workspace, values) if "all" not in options else ""
        case ["normals", frames, out]:
            known = {"method": "method", "flat": "flat", "calibration": "calibration", "px_mm": "mm_per_px"}
            values = {known[key]: value for key, value in options.items() if key in known}
            return _batch("02_photometric_stereo", workspace, {"frames": frames, "out": out, **values})
    return ""


def _batch(
    notebook: str, workspace: str | Path, values: dict[str, str], *, flags: dict[str, bool] | None = None
) -> str:
    words = ["papermill", str(NOTEBOOKS / f"{notebook}.ipynb"), f"{notebook}_out.ipynb"]
    for name, value in {"workspace": str(workspace), **values}.items():
        words += ["-r", name, value]  # raw: a dataset called 2024 stays text
    for name, flag in (flags or {}).items():
        words += ["-y", f"{name}: {str(flag).lower()}"]
    return shlex.join(words)
