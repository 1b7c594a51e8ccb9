"""Converts labels from one format to another, run by run, and goes on from where it was cut off."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rcg.annotations.checks import flat_boxes
from rcg.annotations.formats import Target, target_named
from rcg.annotations.mapped import MappedSource
from rcg.annotations.mapping import ClassMap
from rcg.annotations.opening import open_annotations
from rcg.annotations.quarantine import Quarantine, quarantine_path
from rcg.annotations.resume import Mark, Workplace
from rcg.annotations.source import AnnotationSource, BadMeter, Read, RecordWriter, Sums
from rcg.annotations.target import check_target
from rcg.errors import ConfigError, DataError
from rcg.files import remove_stale
from rcg.progress import Report, Tick, counted, duration, silent
from rcg.types import BadLine, LabelSet

LOOKING = "looking for images and labels"
_WIDENED = {"quarantine": (), "widen": ("boxes without width or height were made a pixel wide or high, as asked",)}
ZERO_AREA = tuple(_WIDENED)
_SHOWN = 2
_LOSSES = {
    "parts": "outlines of several parts",
    "mask": "masks",
    "crowd": "crowd marks",
    "card": "which card it shows",
    "box": "boxes that differ from their outline",
    "split": "the split (train, val or test)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What a conversion did.

    Attributes:
        target: The file or folder that was written.
        format: The format that was read.
        reason: Why it was recognised.
        images: Images written.
        annotations: Annotations written.
        dropped: Lines and files in the quarantine.
        quarantine: The quarantine file; None where nothing was dropped.
        seconds: How long it took.
        resumed: Images that an earlier call with the same arguments, which was cut off, had done already.
        losses: What the target could not carry: kind of information and number of annotations or images.
        notes: What else is worth knowing.
        labels: The classes.
    """

    target: Path
    format: str
    reason: str
    images: int
    annotations: int
    dropped: int
    quarantine: Path | None
    seconds: float
    resumed: int
    losses: dict[str, int]
    notes: tuple[str, ...]
    labels: LabelSet

    def summary(self) -> str:
        """One paragraph that says it all."""
        rate = f", {self.images / self.seconds:,.0f} images a second" if self.seconds > 0.5 else ""
        counts = f"{counted(self.images, 'image')} with {counted(self.annotations, 'annotation')}"
        classes = counted(len(self.labels.names), "class", "classes")
        text = f"{counts} in {classes} written to {self.target} ({duration(self.seconds)}{rate})."
        if self.resumed:
            text += f" {self.resumed:,} of the images had been done before it was cut off."
        if self.quarantine is not None:
            text += f" Left out: {self.dropped:,}; {self.quarantine} says which lines and files, and why."
        if self.losses:
            lost = ", ".join(f"{_told(what)} ({count:,})" for what, count in self.losses.items())
            text += f" The format cannot carry: {lost}."
        return " ".join([text, *(f"{_capital(note)}." for note in self.notes)])


def convert(
    source: str | Path,
    target: str | Path,
    *,
    to: str = "coco",
    from_: str = "auto",
    labels: str | Path | None = None,
    images: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
    stage: str = "ground_truth",
    strict: bool = False,
    zero_area: str = "quarantine",
    jobs: int = 1,
    first_id: int | None = None,
    class_map: ClassMap | None = None,
    fresh: bool = False,
    report: Report = silent,
) -> Conversion:
    """Convert labels from one format to another, image by image; no image is decoded or copied.

    What cannot be read goes to `TARGET.quarantine.jsonl`, one line each with file, line, reason and text; the rest is
    kept. The target appears whole when all is done: a stop, an error or a full disk leaves what stood there, and the
    same call again goes on from where it was cut off.

    Args:
        source: A folder, or a label or class file.
        target: The file (COCO, CSV) or folder (YOLO, Pascal VOC, LabelMe) to write.
        to: One of `TARGETS`, such as "coco", "yolo" or "labelme".
        from_: One of `FORMATS`, such as "yolo", or "auto" to find out.
        labels: The labels' folder or file, where it is not to be found out.
        images: The images' folder, where it is not to be found out.
        classes: A class file, or the class names in their order.
        stage: "ground_truth", or "predictions": then a label without a score is left out.
        strict: Refuse to write if anything would be left out or lost.
        zero_area: "quarantine" leaves boxes without width or height out; "widen" makes them a pixel wide or high.
        jobs: Worker processes for YOLO, Pascal VOC and LabelMe sources; worth it from some 20,000 images on.
        first_id: The first category id of a COCO target, instead of the usual (0 from YOLO, 1 from Pascal VOC, the
            source's own from COCO).
        class_map: Classes to rename, merge or drop.
        fresh: Ignore what an earlier call left to go on from.
        report: Where progress goes; `metrics` holds the count of bad lines.

    Raises:
        ConfigError: If an argument does not fit.
        FormatError: If the source cannot be understood.
        DataError: If there is nothing to read, `strict` refuses, or another process makes the same target.
        Cancelled: If `report` asks for a stop; the target is untouched.
        RcgError: If the disk is full; the target is untouched.
    """
    began = time.perf_counter()
    made = target_named(to)
    if first_id is not None and to != "coco":
        raise ConfigError(f"{made.title} has no category ids to begin at {first_id}", fix="leave first_id out")
    if first_id is not None and first_id < 0:
        raise ConfigError(f"category ids cannot begin at {first_id}", fix="give first_id (--first-id) as 0 or more")
    if zero_area not in ZERO_AREA:
        raise ConfigError(f"zero_area={zero_area!r} is not known", fix=f"choose one of {', '.join(ZERO_AREA)}")
    target = Path(target)
    check_target(target, made, source=source, labels=labels, classes=classes)
    report(Tick(task=LOOKING, done=0))
    read = open_annotations(
        source, format=from_, images=images, labels=labels, classes=classes, stage=stage, ignore=target
    )
    if class_map:
        read = MappedSource(read, class_map)
    if made.keypoints and not read.labels.keypoints:
        fix = "write boxes instead: to='yolo-detect' (--to yolo-detect)"
        raise ConfigError("these labels have no keypoints", where=source, fix=fix)
    for path in (target, quarantine_path(target)):
        remove_stale(path)
    names = read.labels if first_id is None else read.labels.renumbered(first_id)
    asked = (str(Path(source).absolute()), read.format, to, stage, read.images, names, read.total, read.key, zero_area)
    with Workplace(target, key=repr(asked), fresh=fresh) as place, flat_boxes(widen=zero_area == "widen"):
        work = _Work(read, made.write(target, names, read.images), place, Quarantine(target, place.folder))
        done = work.run(report, jobs=jobs, strict=strict)
    there = not made.folder or done.there
    advice = work.writer.advice() or ((made.advice,) if made.folder and made.advice else ())
    return Conversion(
        target=target,
        format=read.format,
        reason=read.reason,
        images=done.sums.images,
        annotations=done.sums.annotations,
        dropped=work.quarantine.count,
        quarantine=work.quarantine.path if work.quarantine.count else None,
        seconds=time.perf_counter() - began,
        resumed=done.resumed,
        losses=dict(done.lost),
        notes=(*read.notes.lines(), *_WIDENED[zero_area], *_about_images(made, read.images, there=there), *advice),
        labels=names,
    )


def _told(loss: str) -> str:
    """A kind of loss in words that say what is lost."""
    return _LOSSES.get(loss, loss)


class _Work:
    """One conversion at work: what has been read, written, noted and lost so far."""

    def __init__(
        self, source: AnnotationSource, writer: RecordWriter, place: Workplace, quarantine: Quarantine
    ) -> None:
        self.source, self.writer, self.place, self.quarantine = source, writer, place, quarantine
        self.sums = Sums()
        self.lost = Counter[str]()
        self.lost_first: list[str] = []
        self.resumed = 0
        self.there = False  # whether an image stands where it is said to be
        writer.work = place.folder

    def run(self, report: Report, *, jobs: int, strict: bool) -> _Work:
        self._go_on()
        meter = BadMeter(self.source.total, report, self.quarantine.add, done=self.resumed, count=self.quarantine.count)
        with self.quarantine as quarantine, self.writer as writer:
            if not self.resumed:
                for line in self.source.before():
                    meter.bad(line)
            for read in self.source.reads(start=self.resumed, jobs=jobs):
                for line in read.bad:
                    meter.bad(line)
                self._put(read)
                self._note(meter.done + read.images, read)  # before the meter, which may raise Cancelled
                meter.step(read.images)
            self.source.check(self.sums)
            meter.close()
            if not self.sums.images:
                raise _all_bad(self.source, quarantine.first)
            if strict and (quarantine.count or self.lost):
                raise _refusal(writer.path, quarantine, self.lost_first)
            quarantine.flush()
        return self

    def _put(self, read: Read) -> None:
        for loss in self.writer.put_block(read.block):
            if loss.what not in self.lost:
                self.lost_first.append(f"{loss.file_name}: {_told(loss.what)}")
            self.lost[loss.what] += loss.count
        self.source.notes.take(read.notes)
        self.sums.add(read)
        if not self.there and read.block.names:
            first = f"{self.source.images}/{read.block.names[0]}"
            self.there = os.path.isfile(first)  # noqa: PTH113 - Path's raises an error for a name that is too long

    def _note(self, done: int, read: Read) -> None:
        """Remember how far it is; a source that cannot be gone on with is remembered only for its last run."""
        if not read.stamp:
            return
        self.place.note(
            Mark(
                done=done,
                run=read.images,
                stamp=read.stamp,
                began=read.began,
                quarantine=self.quarantine.mark(),
                writer=self.writer.mark(),
                sums=asdict(self.sums),
                notes=read.notes,
                lost=dict(self.lost),
                lost_first=tuple(self.lost_first),
                there=self.there,
            )
        )

    def _go_on(self) -> None:
        """Take up what the same command left behind, as far as the files it read are still the same."""
        marks = self.place.marks(self.source)
        if not marks or not (self.writer.holds(marks[-1].writer) and self.quarantine.holds(marks[-1].quarantine)):
            self.place.clear()
            return
        last = marks[-1]
        self.place.keep(marks)
        self.writer.go_on(last.writer)
        self.quarantine.go_on(last.quarantine)
        self.sums, self.lost, self.lost_first = Sums(**last.sums), Counter(last.lost), list(last.lost_first)
        self.resumed = last.done
        self.there = last.there
        for mark in marks:
            self.source.notes.take(mark.notes)


def _about_images(made: Target, images: Path, *, there: bool) -> tuple[str, ...]:
    """What a folder of labels leaves open: where its images are."""
    if not made.folder:
        return ()
    if not there:
        return (f"the images were not found in {images} (images=DIR, --images DIR names their folder)",)
    return (f"the images were not copied, they stay in {images}",)


def _cases(lines: Sequence[BadLine]) -> str:
    return "; ".join(f"{line.file}{f', line {line.line}' if line.line else ''}: {line.reason}" for line in lines)


def _all_bad(read: AnnotationSource, first: Sequence[BadLine]) -> DataError:
    what = f"no image can be read, of {read.total:,}: {_cases(first[:2])}"
    return DataError(what, where=read.images, fix="copy or export the images again")


def _refusal(target: Path, quarantine: Quarantine, first_lost: Sequence[str]) -> DataError:
    parts, fixes = [], []
    if quarantine.count:
        more = f"; and {quarantine.count - _SHOWN:,} more" if quarantine.count > _SHOWN else ""
        cases = _cases(quarantine.first[:_SHOWN]) + more
        parts.append(f"{counted(quarantine.count, 'line or file', 'lines or files')} would be left out ({cases})")
        fixes.append("mend those lines and files, or leave strict out to have them listed in the quarantine file")
    if first_lost:
        more = f"; and {len(first_lost) - _SHOWN:,} more kinds" if len(first_lost) > _SHOWN else ""
        parts.append(f"the format cannot carry everything ({'; '.join(first_lost[:_SHOWN])}{more})")
        fixes.append("choose a format that carries it (coco carries all), or leave strict out to write the rest")
    return DataError("nothing was written, since " + ", and ".join(parts), where=target, fix="; ".join(fixes))


def _capital(sentence: str) -> str:
    """The sentence with a capital at its beginning, unless it begins with a name such as data.yaml."""
    return f"{sentence[0].upper()}{sentence[1:]}" if sentence.split(" ", 1)[0].strip(",").isalpha() else sentence
