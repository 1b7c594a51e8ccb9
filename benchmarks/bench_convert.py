"""Conversions by RCG against the floor of Python's input and output and against other converters, in one run.

    python benchmarks/bench_convert.py [--quick] [--large] [--only SECTION ...] [--peers DIR] [--work DIR] [--json FILE]

The unit is images per CPU-second, user and system, child processes included; every run has a process of its own, what
it imports is loaded before, repetitions take turns, medians count. Results are compared with the truth first. The floor
opens each image, reads its first 4 KiB, reads its label file, and writes as many bytes as the result has. RCG runs as
anybody calls it: with validation, quarantine and meter. Peers are installed into an environment of their own (--peers,
build/peers by default); without a package index those that are missing are left out.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from convert_harness import Bench, install_peers, rivals, runs_of, target, times, times_peer
from convert_sets import LONG_EXIF, Made

FLOOR = ("floor", "floor", {})
TWO = ("rcg jobs=2", "rcg", {"jobs": 2})


def yolo(bench: Bench) -> None:
    """YOLO boxes, on images as they are and on tiny ones."""
    count, rounds = (300, 2) if bench.quick else (2000, 7)
    for size, name, bound in (((1500, 2100), "1500 x 2100", 8), ((32, 32), "tiny", 6)):
        made, warm = bench.make("yolo", count, size)
        runs = runs_of(bench, "yolo", TWO, FLOOR)
        title = f"YOLO boxes to COCO, JPEGs of {size[0]} x {size[1]}"
        table = rivals(bench, title, "yolo", made=made, warm=warm, runs=runs, rounds=rounds)
        target(bench, f"{name}: times the fastest peer", times_peer(table), bound)
        target(bench, f"{name}: floor over RCG", times(table, "floor", "rcg"), 3, most=True)


def polygons(bench: Bench) -> None:
    """YOLO outlines of 60 corners."""
    count, rounds = (60, 1) if bench.quick else (500, 5)
    made, warm = bench.make("polygons", count)
    runs = runs_of(bench, "polygons", FLOOR, ("naive loop", "naive", {}))
    title = "YOLO outlines of 60 corners to COCO"
    table = rivals(bench, title, "polygons", made=made, warm=warm, runs=runs, rounds=rounds)
    target(bench, "outlines: times the naive loop", times(table, "rcg", "naive loop"), 8)


def others(bench: Bench) -> None:
    """Pascal VOC and LabelMe to COCO, COCO to YOLO."""
    count, rounds = (300, 2) if bench.quick else (2000, 5)
    for task, title, bound in (("voc", "Pascal VOC to COCO", 5), ("labelme", "LabelMe to COCO", 6)):
        made, warm = bench.make(task, count)
        table = rivals(bench, title, task, made=made, warm=warm, runs=runs_of(bench, task), rounds=rounds)
        target(bench, f"{title}: times the best peer", times_peer(table), bound)


def to_yolo(bench: Bench) -> None:
    """COCO to YOLO: two thousand small files to write.

    In memory where that can be: on ext4 a new file costs up to twenty times as much within minutes of others having
    been deleted in the same folder's group, so each tool would pay for what was removed before it.
    """
    count, rounds = (300, 2) if bench.quick else (2000, 7)
    disk, memory = bench.work, Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else disk, prefix="rcg_bench") as folder:
        bench.work = Path(folder)
        made, warm = bench.make("coco-yolo", count)
        runs = runs_of(bench, "coco-yolo", ("floor", "floor", {}))
        title = f"COCO to YOLO, written to {bench.work.parent}"
        table = rivals(bench, title, "coco-yolo", made=made, warm=warm, runs=runs, rounds=rounds)
        bench.work = disk
    target(bench, "COCO to YOLO: times the best peer", times_peer(table), 2)


def many(bench: Bench) -> None:
    """Memory at many images, and two workers against one."""
    counts = [2_000, 5_000] if bench.quick else [5_000, 50_000, *([500_000] if bench.large else [])]
    print("\nmany images: peak of memory, and two workers against one by wall time")
    peaks: dict[int, float] = {}
    for count in counts:
        made, warm = bench.make("yolo", count)
        found, out = bench.run("rcg", "yolo", made, warm)
        peaks[count] = found["peak"]
        print(
            f"  {count:9,} images: peak {found['peak']:.0f} MB ({found['before']:.0f} before), {found['wall']:.1f} s",
            flush=True,
        )
        shutil.rmtree(out.parent)
        if count == counts[1]:
            _workers(bench, made, warm)
        shutil.rmtree(made.folder.parent)
    bench.results["peaks"] = peaks
    target(bench, f"peak at {counts[1]:,} images", peaks[counts[1]], 80, most=True, unit=" MB")
    for few, more in pairwise(counts):
        each = (peaks[more] - peaks[few]) * 1e3 / (more - few)
        target(bench, f"memory from {few:,} to {more:,} images", each, 0.5, most=True, unit=" kB an image")


def _workers(bench: Bench, made: Made, warm: Path) -> None:
    """One and two workers in turns, their bytes compared, and what two processes give on this machine now."""
    seen: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    content: set[bytes] = set()
    gains = []
    for _ in range(2 if bench.quick else 5):
        gains.append(_two_processes())
        for jobs, runs in seen.items():
            found, out = bench.run("rcg", "yolo", made, warm, jobs=jobs)
            runs.append(found)
            content.add((out / "out.json").read_bytes())
            shutil.rmtree(out.parent)
    one, two = (statistics.median(each["wall"] for each in seen[jobs]) for jobs in (1, 2))
    same = "byte-identical" if len(content) == 1 else "NOT THE SAME BYTES"
    parent, worker = (max(each[key] for each in seen[2]) for key in ("peak", "children"))
    print(
        f"  one worker {one:.2f} s, two {two:.2f} s, output {same}; memory with two: "
        f"{parent:.0f} MB and {worker:.0f} MB a worker"
    )
    print(
        f"  (two processes that only count get {statistics.median(gains):.2f} times the work of one done here just now)"
    )
    target(bench, "two workers: times one", one / two, 1.7)
    bench.results["workers"] = {"one": one, "two": two, "same": len(content) == 1, "machine": statistics.median(gains)}


def _two_processes() -> float:
    """How much two processes that only count get done against one: what the machine leaves to workers."""
    command = [
        sys.executable,
        "-c",
        "import time\nt = time.perf_counter()\nfor _ in range(12_000_000): pass\nprint(time.perf_counter() - t)",
    ]

    def seconds(together: int) -> float:
        running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(together)]
        return max(float(each.communicate()[0]) for each in running)

    return 2 * seconds(1) / seconds(2)


def cold(bench: Bench) -> None:
    """What is read from a cold disk: bytes of the image files that a run leaves in the page cache."""
    made, warm = bench.make("yolo", 60 if bench.quick else 300, own=True)
    paths = [made.folder / "images/train" / name for name in made.names]
    long = frozenset(range(0, len(paths), LONG_EXIF))
    os.sync()
    print("\ncold reads: KiB of an image file that are in the page cache after a run")
    print(f"  {'':22}{'all':>8} {'short EXIF':>11} {'12 KiB of EXIF':>15}")
    for name in ("floor", "rcg", *(each for each in ("globox", "yolococo") if each in bench.versions)):
        if left := sum(_evicted(path) for path in paths):
            print(f"  {left:,} bytes cannot be driven out of the page cache here; not measured")
            return
        _, out = bench.run(name, "yolo", made, warm)
        shutil.rmtree(out.parent)
        there = [_resident(path) / 1024 for path in paths]
        short = statistics.mean(each for place, each in enumerate(there) if place not in long)
        tall = statistics.mean(each for place, each in enumerate(there) if place in long)
        print(f"  {name:22}{statistics.mean(there):8.1f} {short:11.1f} {tall:15.1f}")
        if name == "rcg":
            target(bench, "cold reads, short EXIF", short, 8, most=True, unit=" KiB an image")


def _evicted(path: Path) -> int:
    """Drive a file out of the page cache; returns the bytes that stayed."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
    return _resident(path)


def _resident(path: Path) -> int:
    """Bytes of a file in the page cache, by mincore."""
    libc, size = ctypes.CDLL(None, use_errno=True), path.stat().st_size
    with path.open("rb") as file:
        view = mmap.mmap(file.fileno(), size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    try:
        pages = (ctypes.c_ubyte * ((size + mmap.PAGESIZE - 1) // mmap.PAGESIZE))()
        start = ctypes.c_char.from_buffer(view)
        if libc.mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size), pages):
            raise OSError(ctypes.get_errno(), "mincore")
        del start
    finally:
        view.close()
    return sum(each & 1 for each in pages) * mmap.PAGESIZE


SECTIONS: dict[str, Callable[[Bench], None]] = {
    "yolo": yolo,
    "polygons": polygons,
    "others": others,
    "to_yolo": to_yolo,
    "many": many,
    "cold": cold,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sets and few repetitions, under a minute")
    parser.add_argument("--large", action="store_true", help="500,000 images too")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="these sections")
    parser.add_argument("--peers", type=Path, default=Path("build/peers"), help="the peers' environment")
    parser.add_argument("--work", type=Path, help="a folder on the disk to measure on; a temporary one by default")
    parser.add_argument("--json", type=Path, help="where the figures go too")
    asked = parser.parse_args()
    began = time.perf_counter()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory(dir=asked.work, prefix="bench_convert") as folder:
        bench = Bench(work=Path(folder), peers=asked.peers.absolute(), quick=asked.quick, large=asked.large)
        install_peers(bench)
        for name in asked.only or SECTIONS:
            SECTIONS[name](bench)
    print(f"\n{time.perf_counter() - began:.0f} s, load {os.getloadavg()[0]:.1f}")
    if asked.json is not None:
        asked.json.write_text(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg(), **bench.results}, indent=2))


if __name__ == "__main__":
    main()
