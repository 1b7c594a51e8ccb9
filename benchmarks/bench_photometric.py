"""How exact the normals are, and then what they cost: against the floor of reading and writing, lstsq, torch.

    OMP_NUM_THREADS=1 python benchmarks/bench_photometric.py [--seeds 10] [--rows 3000] [--data DIR] [--skip-cards]

Results first: the solvers must agree before any time is printed. CPU time of one thread, the least of some runs; peak
memory in a process of its own, with the output. "lstsq" restates RobustPhotometricStereo's L2 solver: np.linalg.lstsq
in float64 of the same stack, then scikit-learn's normalize, from a stack that is there, from the frames, and from the
frames in its own way (its load_images appends one column after the other; decoding is left out). That package itself is
not run here. What is rendered is told in photometric_cards.py.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from photometric_cards import degrees, normals

from rcg.photometric import Capture, LightRig, NormalMap
from rcg.photometric.reading import read_capture
from rcg.photometric.relief import integrate
from rcg.photometric.solving import solve_normals

FIRST_SEED = 5000


def objects(data: Path) -> None:
    for folder in sorted(data.glob("diligent_*")):
        whole, truth = read_capture(folder), np.load(folder / "normals.npy")
        rng = np.random.default_rng(42)
        errors: dict[str, list[float]] = {"least-squares": [], "auto": [], "robust": []}
        for _ in range(20):
            which = np.sort(rng.choice(whole.lights, 8, replace=False))
            rig = LightRig(directions=whole.rig.directions[which], intensities=whole.rig.intensities[which])
            images = np.ascontiguousarray(whole.images[which])
            capture = Capture(images=images, rig=rig, mask=whole.mask, full_scale=whole.full_scale)
            for method, values in errors.items():
                values.append(degrees(solve_normals(capture, method=method).normals, truth, whole.mask))
        least, auto, robust = (float(np.mean(values)) for values in errors.values())
        gain = robust / least - 1
        print(f"{folder.name}: least squares {least:.2f}, auto {auto:.2f}, robust {robust:.2f} ({gain:+.1%})")


def stack(rows: int) -> Capture:
    """Frames of a waved surface with sensor noise, uint8, far lights."""
    rng = np.random.default_rng(FIRST_SEED)
    rig = LightRig(directions=LightRig.ring(8).directions)
    y, x = np.mgrid[:rows, :4000].astype(np.float32)
    p, q = 0.05 * np.sin(x / 40), 0.05 * np.cos(y / 50)
    images = np.empty((8, rows, 4000), np.uint8)
    for image, light in zip(images, rig.directions.astype(np.float32), strict=True):
        image[:] = 180 * (light[2] - light[0] * p - light[1] * q) + rng.normal(0.5, 1.2, x.shape).astype(np.float32)
    return Capture(images=images, rig=rig, noise=(0.0, 1.2**2 + 1 / 12), mm_per_px=None)


def floor(images: np.ndarray) -> None:
    """Read every frame, write four float32 planes."""
    for frame in images:
        int(frame.reshape(-1).view(np.uint64).sum())
    for _ in range(4):
        np.empty(images.shape[1:], np.float32)[:] = 1


def whole_floor(images: np.ndarray) -> None:
    """The same with all planes that a solver here writes: chi2 and slope sd (float16) and the count of lights too."""
    floor(images)
    for kind in (np.float16, np.float16, np.uint8):
        np.empty(images.shape[1:], kind)[:] = 1


def pixel_rows(capture: Capture) -> np.ndarray:
    """The stack as RobustPhotometricStereo holds it: (pixels, lights) float64."""
    return np.ascontiguousarray(capture.images.reshape(capture.lights, -1).T, np.float64)


def lstsq(capture: Capture, rows: np.ndarray) -> np.ndarray:
    """What RobustPhotometricStereo's L2 solver does: lstsq of the transposed rows, then scikit-learn's normalize."""
    from sklearn.preprocessing import normalize

    found = np.linalg.lstsq(capture.rig.directions, rows.T, rcond=None)[0].T
    return normalize(found, axis=1).reshape(*capture.images.shape[1:], 3)


def grown_rows(capture: Capture) -> np.ndarray:
    """The same stack built as RobustPhotometricStereo's load_images does: a float64 column appended for each frame."""
    matrix = capture.images[0].astype(np.float64).reshape(-1, 1)
    for frame in capture.images[1:]:
        matrix = np.append(matrix, frame.astype(np.float64).reshape(-1, 1), axis=1)
    return matrix


def cpu(work: Callable[[], Any], runs: int) -> float:
    best = np.inf
    for _ in range(runs):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def peak_mb(rows: int) -> float:
    """Extra peak of resident memory of least squares with its output, in MB of 10^6 bytes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (rows,))


def _peak(rows: int) -> float:
    solve_normals(stack(200), method="least-squares")
    capture = stack(rows)
    base = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    kept = solve_normals(capture, method="least-squares")
    status = Path("/proc/self/status").read_text()
    high = int(status.split("VmHWM:")[1].split()[0]) * 1024
    return (high - base) / 1e6 if kept.used.any() else 0.0


def costs(rows: int) -> None:
    capture = stack(rows)
    part = Capture(images=np.ascontiguousarray(capture.images[:, :200]), rig=capture.rig, noise=capture.noise)
    agreed: list[NormalMap] = [solve_normals(part, method="least-squares", device=at) for at in ("cpu", "torch-cpu")]
    solve_normals(part, method="robust")
    gap = max(float(np.abs(one.normals - lstsq(part, pixel_rows(part))).max()) for one in agreed)
    assert gap < 1e-4, f"the solvers differ by {gap}"
    print(f"\n{rows * 4000 / 1e6:.1f} MP x 8 uint8; numba, torch and lstsq agree within {gap:.1e}")
    least = cpu(lambda: floor(capture.images), 5)
    table = {
        "floor: read all, write four planes": least,
        "floor with confidence: all planes written": cpu(lambda: whole_floor(capture.images), 5),
        "least squares, numba": cpu(lambda: solve_normals(capture, method="least-squares"), 5),
        "least squares, torch on the CPU": cpu(
            lambda: solve_normals(capture, method="least-squares", device="torch-cpu"), 3
        ),
        "auto, numba": cpu(lambda: solve_normals(capture), 3),
        "robust, numba": cpu(lambda: solve_normals(capture, method="robust"), 2),
    }
    sure = Capture(images=capture.images, rig=capture.rig, noise=(0.0, 0.01))  # every residual seems too large
    table["robust where every pixel is solved again"] = cpu(lambda: solve_normals(sure, method="robust"), 1)
    near = Capture(images=capture.images, rig=LightRig.ring(8), noise=capture.noise, mm_per_px=0.0215)
    table["least squares, near lights, numba"] = cpu(lambda: solve_normals(near, method="least-squares"), 3)
    solved = solve_normals(capture, method="least-squares")
    table["relief (integrate)"] = cpu(lambda: integrate(solved, mm_per_px=0.0215), 2)
    matrix = pixel_rows(capture)
    table["lstsq in float64, as RobustPhotometricStereo's L2"] = cpu(lambda: lstsq(capture, matrix), 2)
    table["the same from the uint8 frames"] = cpu(lambda: lstsq(capture, pixel_rows(capture)), 2)
    table["the same with its way of building the stack"] = cpu(lambda: lstsq(capture, grown_rows(capture)), 1)
    ours = table["least squares, numba"]
    for name, seconds in table.items():
        print(f"{name:50} {seconds:8.3f} s CPU {seconds / least:8.1f} x floor {seconds / ours:8.1f} x ours")
    print(f"extra peak memory, least squares with output: {peak_mb(rows):.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rows", type=int, default=3000)
    default = Path(__file__).parents[2] / "shared" / "data" / "photometric"
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--skip-cards", action="store_true")
    given = parser.parse_args()
    if not given.skip_cards:
        normals(given.seeds)
    objects(given.data)
    costs(given.rows)


if __name__ == "__main__":
    main()
