"""Runs conversions in processes of their own, by turns, and prints what came of them."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convert_compare import compare
from convert_run import PEERS
from convert_sets import NAMES, Made, jpegs, make

HERE = Path(__file__).parent
SLOW_S = 20  # whatever takes longer runs once
PACKAGES = ("yolococo==0.2.1", "globox==2.9.0", "labelformat==0.1.17", "supervision", "datumaro")
CARD, TINY = (1500, 2100), (32, 32)


@dataclass(kw_only=True)
class Bench:
    """What a whole run shares."""

    work: Path
    peers: Path
    quick: bool
    large: bool
    versions: dict[str, str] = field(default_factory=dict)
    pictures: dict[tuple[int, int], list[bytes]] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    number: int = 0

    def make(self, kind: str, count: int, size: tuple[int, int] = CARD, *, own: bool = False) -> tuple[Made, Path]:
        """A set, and a small one of the same kind to warm up with."""
        if size not in self.pictures:
            self.pictures[size] = jpegs(size, distinct=20 if self.quick else 100)
        self.number += 1
        folder = self.work / f"set{self.number}"
        made = make(folder / "full", kind, count, self.pictures[size], size, own=own)
        make(folder / "warm", kind, 3, self.pictures[size], size)
        return made, folder / "warm"

    def run(self, tool: str, task: str, made: Made, warm: Path | None, **options: Any) -> tuple[dict[str, Any], Path]:
        """One measured conversion, and the folder of its result."""
        out = Path(tempfile.mkdtemp(dir=self.work, prefix="out"))
        request = {"tool": tool, "task": task, "set": str(made.folder), "out": str(out), "names": NAMES, **options}
        if warm is not None:
            request["warm"] = str(warm)
        return self.child(tool, request), out / "made"

    def child(self, tool: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer of convert_run.py."""
        own = sys.executable if tool in ("rcg", "floor", "naive") else str(self.peers / "bin/python")
        asked = self.work / "request.json"
        asked.write_text(json.dumps(request))
        done = subprocess.run([own, HERE / "convert_run.py", asked], capture_output=True, check=False)
        if done.returncode:
            return {"error": f"ended with {done.returncode}: {done.stderr.decode()[-300:]}"}
        return dict(json.loads(done.stdout))


def install_peers(bench: Bench) -> None:
    """The peers' environment, made on first use; what cannot be installed is left out."""
    python = bench.peers / "bin/python"
    if not python.exists():
        print(f"making the peers' environment in {bench.peers}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", bench.peers], check=True)
        for package in PACKAGES:
            command = [python, "-m", "pip", "install", "-q", package]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"  {package} cannot be installed: {done.stderr.strip().splitlines()[-1]}", flush=True)
    names = [name.partition("=")[0] for name in PACKAGES]
    found = bench.child("peer", {"versions": names})
    bench.versions = {name: each for name, each in found.items() if each}
    print("peers:", ", ".join(f"{name} {each}" for name, each in bench.versions.items()) or "none")


def rivals(
    bench: Bench,
    title: str,
    task: str,
    *,
    made: Made,
    warm: Path,
    runs: list[tuple[str, str, dict[str, Any]]],
    rounds: int,
) -> dict[str, dict[str, float]]:
    """The same set by each tool in turns; results compared in the first round, medians printed."""
    print(f"\n{title}: {len(made.names):,} images, {len(made.boxes):,} labels, {rounds} rounds")
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name, _, _ in runs}
    verdicts: dict[str, str] = {}
    size = 0
    for turn in range(rounds):
        for name, tool, options in runs:
            slow = turn > 0 and bool(seen[name]) and seen[name][0]["wall"] > SLOW_S
            if slow or verdicts.get(name, "").startswith("failed"):
                continue
            extra = {"bytes": size // len(made.names)} if tool == "floor" and size else {}
            found, out = bench.run(tool, task, made, warm, **options, **extra)
            if "error" in found:
                verdicts[name] = f"failed: {found['error']}"
            else:
                if turn == 0 and tool != "floor":
                    verdicts[name] = str(compare(made, out))
                if tool == "rcg" and (out / "out.json").exists():
                    size = (out / "out.json").stat().st_size
                seen[name].append(found)
            shutil.rmtree(out.parent)
    table = {name: _median(each, len(made.names)) for name, each in seen.items() if each}
    for name, each in seen.items():
        if 0 < len(each) < rounds:
            verdicts[name] = f"{verdicts.get(name, '')} (run {len(each)} times)"
    _print(table, verdicts)
    bench.results[title] = {"table": table, "verdicts": verdicts}
    return table


def _median(runs: list[dict[str, Any]], images: int) -> dict[str, float]:
    speeds = [images / each["cpu"] for each in runs]
    return {
        "speed": statistics.median(speeds),
        "best": max(speeds),
        "wall": statistics.median(each["wall"] for each in runs),
        "peak": max(max(each["peak"], each["children"]) for each in runs),
    }


def _print(table: dict[str, dict[str, float]], verdicts: dict[str, str]) -> None:
    floor = table.get("floor", {}).get("speed")
    fastest = max(peers(table), default=None)
    print(f"  {'':22}{'images/CPU-s':>13} {'(best)':>9} {'x floor':>8} {'peer x':>7} {'peak MB':>8}  result")
    for name, each in table.items():
        below = f"{floor / each['speed']:8.1f}" if floor else " " * 8
        above = f"{each['speed'] / fastest:7.1f}" if fastest else " " * 7
        line = f"  {name:22}{each['speed']:13,.0f} {each['best']:9,.0f} {below} {above} {each['peak']:8.0f}"
        print(f"{line}  {verdicts.get(name, '')}")
    for name, said in verdicts.items():
        if name not in table:
            print(f"  {name:22}{said}")


def target(bench: Bench, what: str, value: float | None, bound: float, *, most: bool = False, unit: str = "") -> None:
    """Print a figure beside what is aimed at."""
    if value is None:
        print(f"  -> {what}: not measured")
        return
    reached = value <= bound if most else value >= bound
    word = "at most" if most else "at least"
    said = "reached" if reached else "NOT REACHED"
    print(f"  -> {what}: {value:.2f}{unit}, aimed at {word} {bound:g}{unit}: {said}")
    bench.results.setdefault("targets", {})[what] = {"value": value, "bound": bound, "reached": reached}


def times(table: dict[str, dict[str, float]], first: str, second: str) -> float | None:
    """How many times faster the first is than the second; None where one of them failed."""
    return table[first]["speed"] / table[second]["speed"] if first in table and second in table else None


def times_peer(table: dict[str, dict[str, float]]) -> float | None:
    """How many times faster RCG is than the fastest peer."""
    return table["rcg"]["speed"] / max(peers(table)) if peers(table) and "rcg" in table else None


def peers(table: dict[str, dict[str, float]]) -> list[float]:
    return [each["speed"] for name, each in table.items() if not name.startswith(("rcg", "floor", "naive"))]


def runs_of(bench: Bench, task: str, *more: tuple[str, str, dict[str, Any]]) -> list[tuple[str, str, dict[str, Any]]]:
    """RCG, what else is named, and the peers that can do a task."""
    names = [name for name in PEERS[task] if name in bench.versions]
    return [("rcg", "rcg", {}), *more, *((name, name, {}) for name in names[: 2 if bench.quick else None])]
