"""One import, image by image: what did not change is passed over, what is new is placed and entered."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rcg.annotations.items import Item
from rcg.annotations.sizes import known_sizes
from rcg.annotations.source import Sums as ReadSums
from rcg.annotations.split import split_of_path
from rcg.corrections import read_maps
from rcg.dataset_writer import DatasetWriter
from rcg.datasets import GROUND_TRUTH, Splits
from rcg.errors import Cancelled, DataError, FormatError, MissingExtra
from rcg.files import Stamp, fingerprint, stamp_of
from rcg.fingerprints import remember_fingerprints
from rcg.images import max_pixels
from rcg.importing.call import Call, printable
from rcg.importing.entering import Entries, enter
from rcg.importing.given import WORK
from rcg.importing.index import NO_STAMP, AddedIndex, Known, Reading
from rcg.importing.naming import Naming, in_order
from rcg.importing.placing import Placed, Placer
from rcg.importing.ready import Ready
from rcg.importing.result import Added, Sums, about_cards, about_gone, write_quarantine
from rcg.importing.sources import (
    PlainImages,
    Source,
    bad_before,
    items_of,
    label_path,
    read_item,
    without_images,
)
from rcg.importing.unchanged import Unchanged
from rcg.journal import note
from rcg.progress import Report, Tick
from rcg.types import BadLine, ImageRecord

TASK = "adding images"


class Import:
    """An import under way.

    Args:
        out: Changes the dataset.
        source: What is added.
        call: How it was asked for.
        given: Where its images really are.
        index: What was added before.
    """

    def __init__(self, out: DatasetWriter, source: Source, call: Call, given: Ready, index: AddedIndex) -> None:
        self._out, self._dataset, self._source = out, out.dataset, source
        self._call, self._given, self._index = call, given, index
        self._same = Unchanged(out.dataset, source, call, given, index)
        self._truth = call.stage == GROUND_TRUTH
        standing = in_order(read_maps(out.dataset.path / "corrections.jsonl"))
        self._naming = Naming(call.how.class_map, standing)
        self._entries = Entries(index)
        self._bad: list[BadLine] = list(given.missing)
        self._sums = Sums()
        self._marks: dict[str, tuple[int, int, str]] = {}
        self._total = self._done = self._changed = 0
        self._told = 0.0

    def run(self, report: Report) -> Added:
        """Do it.

        Raises:
            DataError: If the source is refused as a whole; then nothing of it stays.
            Cancelled: If the sink asks for a stop; what was read so far is entered.
            RcgError: If the disk is full; the same call goes on from there.
        """
        how = self._call.how
        self._naming.classes(self._source.labels)  # refuses a class that is not there
        placer = Placer(
            self._dataset.images,
            link=how.link and not self._given.move,
            move=self._given.move,
            remove_gps=how.remove_gps,
        )
        arguments = self._call.arguments(self._dataset.cache / "added_list.txt")
        if self._truth and self._dataset.labels_file().exists():
            self._out.store_version(f"before adding {self._call.shown}", report=report)  # corrections made since
        self._begin(arguments)
        try:
            with placer:
                self._take_all(placer, report)
        except (DataError, FormatError):  # the source as a whole, however much of it was read
            self._take_back(arguments)
            raise
        except (Cancelled, KeyboardInterrupt):
            self._enter(lambda _: None)  # the sink would stop this too
            raise
        if not self._sums.images:
            self._take_back(arguments)
            raise self._nothing()
        new = self._enter(report)
        splits = self._out.store_splits()  # only now: half of a source does not tell which splits it leaves out
        done = self._finished(new, arguments, splits)
        self._out.store_version(f"{done.brought} from {self._call.shown}", report=report)
        return done

    def _begin(self, arguments: list[str]) -> None:
        calls = [each for each in _unfinished(self._dataset.config()) if each != arguments]
        self._out.change(unfinished=[*calls, arguments])

    def _end(self, arguments: list[str]) -> None:
        self._out.change(unfinished=[each for each in _unfinished(self._dataset.config()) if each != arguments])

    def _take_all(self, placer: Placer, report: Report) -> None:
        self._same.begin()
        items = items_of(self._source)
        if items is None:
            self._take_records(placer, report)
        else:
            self._take_items(placer, items, report)
        self._tell(report, always=True)

    def _take_items(self, placer: Placer, items: Sequence[Item], report: Report) -> None:
        self._total = len(items)
        sums = ReadSums()
        self._bad += bad_before(self._source)
        for item in items:
            path = self._same.original(item.name)
            label = label_path(self._source, item)
            stamps = stamp_of(path), NO_STAMP if label is None else stamp_of(label)
            if (same := self._same.find(path, label, stamps, item.split)) is not None:
                self._sums.pass_over(*same)
            else:
                outcome = read_item(self._source, item)
                self._bad += outcome.bad
                for kind, example in outcome.notes:
                    self._source.notes.add(kind, example)
                sums.unknown += outcome.unknown
                sums.unscored += outcome.unscored
                sums.annotations += 0 if outcome.result is None else len(outcome.result.annotations)
                if outcome.result is not None:
                    reading = None if outcome.bad or stamps[1] is None else (label, stamps[1], item.split)
                    self._take(placer, outcome.result, path, stamps[0], reading)
            self._step(report)
        if not self._sums.unchanged and not isinstance(self._source, PlainImages):
            self._source.check(sums)

    def _take_records(self, placer: Placer, report: Report) -> None:
        """The images of label files that speak of many; those of unchanged files that did not change stay closed."""
        source = self._source
        self._total = source.total
        same = self._same.rows()
        if len(same) < self._total:  # one with labels stays, so that the others are not judged as the whole source
            same.pop(next((name for name, (_, reading) in same.items() if reading.annotations), ""), None)
        for known, reading in same.values():
            self._sums.pass_over(known, reading)
        self._done = len(same)
        source = without_images(source, same.keys()) if same else source
        assert not isinstance(source, PlainImages)  # they are items
        count = len(self._bad)
        with known_sizes(self._same.size):  # of a label file that grew, only the new images are opened
            for record in source.records(self._bad.append) if source.total else ():
                path = self._same.original(record.file_name)
                said = (None, NO_STAMP, record.split) if len(self._bad) == count else None
                self._take(placer, record, path, stamp_of(path), said)
                count = len(self._bad)
                self._step(report)

    def _take(
        self,
        placer: Placer,
        record: ImageRecord,
        path: str,
        stamp: Stamp | None,
        reading: tuple[str | None, Stamp, str | None] | None,
    ) -> None:
        if record.width * record.height > max_pixels():
            size = f"{record.width:,} x {record.height:,} pixels"
            reason = f"the image has {size}, more than is decoded; scale it down, or set RCG_MAX_PIXELS"
            self._bad.append(BadLine(file=record.file_name, line=None, reason=reason))
            return
        placed = self._placed(placer, record, path, stamp)
        if placed is None:
            return
        known = Known(stamp or NO_STAMP, placed.kept, placed.size, record.width, record.height, _place_of(placed))
        self._index.remember(self._same.key(path), known)
        split = record.split or split_of_path(record.file_name)
        record = replace(record, file_name=placed.kept, image_id=None, split=split)
        record = self._naming.record(record)
        self._entries.add(record, new=placed.new)
        if reading is not None and self._truth:
            label, label_stamp, said = reading
            done = Reading(label, label_stamp, said, record.labelled, len(record.annotations))
            self._index.remember_reading(self._same.key(path), placed.kept, done)
        self._sums.add(record)
        self._sums.places += placed.had_place
        self._sums.left += placed.place
        self._sums.converted += placed.converted and placed.new
        if placed.mark is not None:
            self._marks[placed.kept] = (placed.size, *placed.mark)

    def _placed(self, placer: Placer, record: ImageRecord, original: str, stamp: Stamp | None) -> Placed | None:
        """Where the image is in the dataset now; None where it cannot be brought there, which is put down as bad."""
        inside, name, path = self._dataset.images, record.file_name, Path(original)
        try:
            own = path.is_relative_to(inside) and not path.is_relative_to(inside / WORK)
            if own and stamp is not None:
                return Placed(path.relative_to(inside).as_posix(), stamp[0], place=False, had_place=False, new=False)
            known, _ = self._index.look(self._same.key(original))
            if known is not None and stamp == known.stamp and self._same.still_there(known):
                return Placed(known.kept, known.kept_size, known.place == 1, known.place > 0, new=False)
            return placer.put(path, name)
        except FileNotFoundError:
            fix = "put the image there, or name the folder that holds it (images=DIR, --images DIR)"
            reason = f"there is no image {path.name}; {fix}"
        except OSError as error:
            reason = f"the image cannot be read ({error.strerror}); chmod u+r it, or copy it again"
        except (FormatError, MissingExtra) as error:
            reason = f"{error.what}; {error.fix}" if error.fix else error.what
        self._bad.append(BadLine(file=name, line=None, reason=reason))
        return None

    def _step(self, report: Report) -> None:
        self._done += 1
        self._tell(report)

    def _tell(self, report: Report, *, always: bool = False) -> None:
        now = time.monotonic()
        if always or now - self._told >= 0.1:
            self._told = now
            report(Tick(task=TASK, done=self._done, total=self._total, metrics={"bad lines": len(self._bad)}))

    def _take_back(self, arguments: list[str]) -> None:
        """Remove the images that this import brought; the labels were not touched yet."""
        entered = self._dataset.names()  # a call that was killed may have brought what another one entered since
        for name in self._index.brought():
            if name not in entered:
                (self._dataset.images / name).unlink(missing_ok=True)
        self._index.take_back()
        self._end(arguments)

    def _enter(self, report: Report) -> int:
        report(Tick(task="writing labels", done=0, total=1))
        remember_fingerprints(self._dataset.cache, self._marks)
        new = 0
        if self._index.pending_count():
            os.sync()  # one call for thousands of images: a label must not outlive its image
            classes = self._naming.classes(self._source.labels)
            done = enter(self._out, self._entries, classes, stage=self._call.stage, name=self._call.name)
            new, self._changed = done.new, done.changed
        self._index.entered(stamp_of(self._dataset.labels_file()))
        report(Tick(task="writing labels", done=1, total=1))
        return new

    def _nothing(self) -> DataError:
        what = "no image could be added"
        if self._bad:
            first = self._bad[0]
            place = first.file if first.line is None else f"{first.file}, line {first.line}"
            what += f": {len(self._bad)} were left out, the first is {place}: {first.reason}"
        fix = "name the folder that holds the images, and mend or remove the files that are listed"
        return DataError(what, where=self._call.shown, fix=fix)

    def _finished(self, new: int, arguments: list[str], splits: Splits) -> Added:
        call, sums, stage = self._call, self._sums, self._call.stage
        quarantine = write_quarantine(self._dataset, self._bad, source=call.shown, stage=stage)
        done = Added(
            images=sums.images,
            new=new,
            annotations=sums.annotations,
            labelled=sums.labelled,
            dropped=len(self._bad),
            quarantine=quarantine,
            format=self._source.format,
            reason=self._source.reason,
            notes=tuple(self._notes(splits)),
            unchanged=sums.unchanged,
            places=sums.places,
            changed=self._changed,
        )
        self._remember(done, arguments)
        self._index.finish({"stamp": stamp_of(call.shown), "images": done.images, "annotations": done.annotations,
                            "labelled": done.labelled, "dropped": done.dropped, "format": done.format,
                            "reason": done.reason, "places": done.places})  # fmt: skip
        return done

    def _notes(self, splits: Splits) -> Iterator[str]:
        yield from self._sums.notes(self._dataset, link=self._call.how.link)
        yield from self._naming.notes()
        if isinstance(self._call.images, Path) and self._call.images.is_dir():
            yield from about_gone(self._dataset, self._index, str(self._call.images))
        yield from about_cards(self._dataset, splits)
        yield from self._source.notes.lines()
        yield from self._given.notes.lines()

    def _remember(self, done: Added, arguments: list[str]) -> None:
        call = self._call
        about = {
            "path": call.shown,
            "labels": "" if call.labels is None else printable(call.labels),
            "stage": call.stage,
            "name": call.name or "",
        }
        origin = {
            **about,
            "arguments": arguments,
            "added": time.strftime("%Y-%m-%dT%H:%M:%S"),
            "format": done.format,
            "images": done.images,
            "annotations": done.annotations,
            "dropped": done.dropped,
            "linked": call.how.link,
            "fingerprint": fingerprint(self._dataset.labels_file(call.stage, call.name)),
        }
        others = [each for each in self._dataset.config()["sources"]
                  if {key: each.get(key, "") for key in about} != about]  # fmt: skip
        self._out.change(sources=[*others, origin])
        self._end(arguments)
        facts = {"images": done.images, "new": done.new, "annotations": done.annotations, "dropped": done.dropped}
        note(self._dataset.workspace, "images added", dataset=self._dataset.name, stage=call.stage, **facts)


def _place_of(placed: Placed) -> int:
    """1 where the file in the dataset says where it was taken, 2 where only the original does."""
    return 1 if placed.place else 2 if placed.had_place else 0


def _unfinished(config: dict[str, object]) -> list[list[str]]:
    calls = config.get("unfinished")
    return [list(each) for each in calls] if isinstance(calls, list) else []
