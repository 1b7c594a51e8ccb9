"""Fingerprints of a dataset: whether what a training sees is still the same."""

from __future__ import annotations

from dataclasses import replace

import orjson
import xxhash

from rcg.datasets import Dataset
from rcg.errors import DataError
from rcg.files import fingerprint, write_bytes


def dataset_fingerprint(dataset: Dataset) -> str:
    """A hash of all that a training sees: images, labels, corrections, classes and splits.

    Raises:
        DataError: If images are missing.
    """
    digest = xxhash.xxh3_128()
    for record in dataset.records():
        digest.update(repr(replace(record, image_id=None)).encode())
    for name, mark in sorted(image_fingerprints(dataset).items()):
        digest.update(f"{name}\0{mark}\0".encode())
    splits = dataset.splits()
    digest.update(repr((dataset.labels, sorted(splits.cards.items()), sorted(splits.assigned.items()))).encode())
    return digest.hexdigest()


def image_fingerprints(dataset: Dataset) -> dict[str, str]:
    """The hash of every image; files whose size and time did not change are not read again.

    Raises:
        DataError: If images are missing, such as originals of links that were moved.
    """
    store = dataset.cache / "fingerprints.json"
    known = orjson.loads(store.read_bytes()) if store.exists() else {}
    marks, missing, changed = {}, [], False
    for record in dataset.records(corrected=False):
        path = dataset.images / record.file_name
        try:
            stat = path.stat()
        except FileNotFoundError:
            missing.append(record.file_name)
            continue
        entry = known.get(record.file_name)
        if entry is None or entry[:2] != [stat.st_size, stat.st_mtime_ns]:
            entry, changed = [stat.st_size, stat.st_mtime_ns, fingerprint(path)], True
        marks[record.file_name] = entry
    if missing:
        what = f"{len(missing)} images are missing, such as {missing[0]}"
        fix = "put the originals back where they were, or add the folder that holds them again"
        raise DataError(what, where=dataset.images, fix=fix)
    if changed or len(known) != len(marks):
        write_bytes(store, orjson.dumps(marks))
    return {name: entry[2] for name, entry in marks.items()}
