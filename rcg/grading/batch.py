"""Many cards in one call: a report each, one table. Cut off, the same call goes on where it was."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import xxhash

from rcg.annotations.parallel import ordered_map
from rcg.card_specs import CardSpec, card_spec
from rcg.errors import ConfigError, DataError, RcgError
from rcg.files import fingerprint, read_json, write_bytes, write_json, write_text
from rcg.grading.batch_page import table_page
from rcg.grading.batch_rows import FAILED, Row, csv_of, failed_row, row_of
from rcg.grading.grading import Graded, chosen_standards, grade_card, grade_cards
from rcg.grading.hand_file import hand_path
from rcg.grading.pairing import Pair, pairs
from rcg.grading.report_files import check_place, page_of, thumbnail
from rcg.grading.report_json import report_values
from rcg.images import Pixels
from rcg.measuring.types import MEASURED
from rcg.progress import Report, counted, silent, tracked


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a batch reached.

    Attributes:
        out: The folder with index.html, results.csv and the cards' reports in `cards`.
        rows: The table, a row a card.
        kept: How many pictures were graded by an earlier call and not again.
    """

    out: Path
    rows: tuple[Row, ...]
    kept: int = 0

    @property
    def page(self) -> Path:
        """The table to look at."""
        return self.out / "index.html"

    @property
    def csv(self) -> Path:
        """The table for a spreadsheet."""
        return self.out / "results.csv"

    def count(self, status: str) -> int:
        """How many cards are "measured", "undetermined" or "failed"."""
        return sum(row["status"] == status for row in self.rows)

    def __str__(self) -> str:
        told = (
            f"{counted(len(self.rows), 'card')}: {self.count(MEASURED):,} measured, "
            f"{self.count('undetermined'):,} undetermined, {self.count(FAILED):,} could not be read"
        )
        kept = f" ({self.kept:,} from an earlier call)" if self.kept else ""
        failed = [f"  {row['card']}: {row['reason']}" for row in self.rows if row["status"] == FAILED]
        return "\n".join([told + kept, *failed[:20], f"look at {self.page}; the table is in {self.csv}"])

    def values(self) -> dict[str, Any]:
        """What a program reads of it."""
        return {
            "cards": len(self.rows), "measured": self.count(MEASURED), "undetermined": self.count("undetermined"),
            "failed": self.count(FAILED), "kept": self.kept, "page": str(self.page), "csv": str(self.csv),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What a worker does to each card; it is sent to worker processes, so it must pickle."""

    out: Path
    every: bool
    options: Mapping[str, Any]
    alike: str
    fresh: bool
    single: bool

    def __call__(self, pair: Pair) -> tuple[list[Row], bool]:
        """The rows of a card, and whether an earlier call had made them already."""
        if self.single:
            import cv2

            cv2.setNumThreads(1)  # each worker has a core of its own
        key = self._key(pair)
        done = self.out / "items" / f"{pair.name}.json"
        if not self.fresh and (rows := _made(done, key, self.out)) is not None:
            return rows, True
        rows, failed = self._rows(pair)
        write_json(done, {"key": key, "rows": rows, "traceback": failed})
        return rows, False

    def _rows(self, pair: Pair) -> tuple[list[Row], str | None]:
        front, back = str(pair.front or ""), str(pair.back or "")
        if pair.front is None:
            reason, fix = "this is a back without its front", f"add {_front_of(pair)}, or give the picture another name"
            return [failed_row(pair.name, front=front, back=back, reason=reason, fix=fix)], None
        try:
            return [_written(self.out, each, front, back) for each in self._graded(pair)], None
        except RcgError as error:
            what = f"{error.where}: {error.what}" if error.where and error.where != front else error.what
            return [failed_row(pair.name, front=front, back=back, reason=what, fix=error.fix or "")], None
        except Exception as error:  # noqa: BLE001 - a fault of ours on one picture leaves the others their grades
            told = failed_row(
                pair.name, front=front, back=back, reason=f"{type(error).__name__}: {error}",
                fix=f"this is a bug in RCG; items/{pair.name}.json holds the traceback",
            )  # fmt: skip
            return [told], "".join(traceback.format_exception(error))

    def _graded(self, pair: Pair) -> list[Graded]:
        from dataclasses import replace

        front = pair.front or Path()
        found = (
            list(grade_cards(front, **self.options))
            if self.every
            else [grade_card(front, back=pair.back, **self.options)]
        )
        names = [pair.name] if len(found) == 1 else [f"{pair.name}_{at:02d}" for at in range(1, len(found) + 1)]
        return [replace(each, report=replace(each.report, name=name)) for each, name in zip(found, names, strict=True)]

    def _key(self, pair: Pair) -> str:
        """What tells whether the same was graded before: the pictures' bytes and all that was asked for."""
        digest = xxhash.xxh3_128(self.alike.encode())
        for each in (pair.front, pair.back):
            digest.update(b"|")
            if each is not None:
                try:
                    digest.update(f"{each}:{fingerprint(each)}".encode())
                except OSError:  # told as the reason when it is read
                    digest.update(f"{each}:unreadable".encode())
        return digest.hexdigest()


def grade_batch(
    pictures: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    every: bool = False,
    spec: str | CardSpec | None = None,
    reference: str | Path | Pixels | None = None,
    standards: Sequence[str] | None = None,
    workspace: str | Path | None = None,
    jobs: int = 1,
    fresh: bool = False,
    report: Report = silent,
) -> Batch:
    """Grade many cards: a report each (JSON and a page), a table as a page to sort and as CSV.

    Fronts and backs are told by their names, see `rcg.grading.pairing`. A picture that cannot be read, or shows no
    card, has its row with the reason and stops nothing.

    Args:
        pictures: A folder, with all folders in it; or pictures.
        out: Where to. The same call again grades only what is new or changed, and ends with the same bytes as one
            that was never cut off.
        every: Whether every card of a photo is graded, and not the largest alone; backs are then pictures like others.
        spec: The kind of all the cards; guessed one by one unless given.
        reference: The official picture of the front, where all cards are of one print.
        standards: Names of the standards to grade by; all that are known unless given.
        workspace: Whose hand-set lines and own standards count.
        jobs: Worker processes.
        fresh: Whether what an earlier call made is made again.
        report: Where the progress goes; it may raise `Cancelled`: the table then holds what was done.

    Raises:
        DataError: If there is no picture, or the reports would stand among the pictures.
        ConfigError: If a name is not known.
        Cancelled: If the sink asks for a stop.
    """
    if jobs < 1:
        raise ConfigError(f"{jobs} worker processes grade nothing", fix="give 1 or more: --jobs 2")
    place = Path(out).expanduser()
    found = _checked(pairs(pictures), pictures, place, every=every)
    known = chosen_standards(standards, workspace)
    options = {
        "spec": card_spec(spec) if isinstance(spec, str) else spec, "reference": reference,
        "standards": list(known), "workspace": workspace,
    }  # fmt: skip
    job = _Job(
        out=place, every=every, options=options, fresh=fresh, single=jobs > 1,
        alike=_alike(known, options, every=every),
    )  # fmt: skip
    rows: list[Row] = []
    kept = 0
    try:
        results = ordered_map(job, found, jobs=min(jobs, len(found)), clean=True)
        for made, earlier in tracked(results, task="grade cards", total=len(found), report=report):
            rows += made
            kept += earlier
    finally:
        write_text(place / "results.csv", csv_of(rows, list(known)))
        write_text(place / "index.html", table_page(rows, known, missing=len(found) - len({r["card"] for r in rows})))
    return Batch(out=place, rows=tuple(rows), kept=kept)


def _checked(found: tuple[Pair, ...], pictures: object, place: Path, *, every: bool) -> tuple[Pair, ...]:
    source = Path(pictures).expanduser().absolute() if isinstance(pictures, str | Path) else None
    if source is not None and source.is_dir() and place.absolute() == source:
        raise DataError("the reports would stand among the pictures", where=place, fix="name another folder: --out DIR")
    check_place(place)
    inside = [each for each in found if not _below(each, place)]
    if not inside:
        raise DataError("there is no picture to grade", where=source, fix="name a folder that holds pictures of cards")
    if every and any(each.back is not None for each in inside):
        what = "with every card of a photo wanted, nothing says which back belongs to which front"
        raise ConfigError(what, fix="leave out --all, or grade a folder without backs")
    return tuple(inside)


def _below(pair: Pair, place: Path) -> bool:
    """Whether a picture is one of an earlier batch's own thumbnails."""
    path = (pair.front or pair.back or Path()).absolute()
    return path.is_relative_to(place.absolute())


def _front_of(pair: Pair) -> str:
    name = (pair.back or Path()).name
    swapped = name.replace("back", "front").replace("Back", "Front").replace("BACK", "FRONT")
    return swapped if swapped != name else f"front/{name}"


def _alike(known: Mapping[str, object], options: Mapping[str, Any], *, every: bool) -> str:
    """All but the pictures that the grades depend on."""
    import rcg

    hand = None if options["workspace"] is None else hand_path(options["workspace"])
    reference = options["reference"]
    seen = None
    if isinstance(reference, str | Path):
        seen = fingerprint(Path(reference).expanduser())
    elif reference is not None:
        seen = xxhash.xxh3_128_hexdigest(reference.tobytes())
    parts = [rcg.__version__, repr(known), repr(options["spec"]), seen, every]
    parts.append(fingerprint(hand) if hand is not None and hand.exists() else None)
    return xxhash.xxh3_128_hexdigest(repr(parts).encode())


def _made(done: Path, key: str, out: Path) -> list[Row] | None:
    """The rows that an earlier call made of the same; None where it did not, or its files are gone."""
    try:
        found = read_json(done)
    except RcgError:
        return None
    if not isinstance(found, dict) or found.get("key") != key:
        return None
    rows: list[Row] = found["rows"]
    if any(row["status"] == FAILED for row in rows):
        return None  # what could not be read may be readable now: a package installed, a disk back again
    files = [out / "cards" / f"{row['card']}{ending}" for row in rows for ending in (".json", ".html")]
    files += [out / "thumbs" / f"{row['card']}.jpg" for row in rows]
    return rows if all(each.exists() for each in files) else None


def _written(out: Path, graded: Graded, front: str, back: str) -> Row:
    """A card's files, and its row."""
    name = graded.report.name
    values = report_values(graded.report)
    write_bytes(out / "thumbs" / f"{name}.jpg", thumbnail(graded.pictures["front"], graded.report.front))
    write_bytes(out / "cards" / f"{name}.json", orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE))
    write_text(out / "cards" / f"{name}.html", page_of(graded))
    return row_of(graded.report, front=front, back=back)
