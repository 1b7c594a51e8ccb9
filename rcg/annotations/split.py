"""Which photos show the same card, and which split a card belongs to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

import xxhash

from rcg.errors import ConfigError

SPLITS = ("train", "val", "test")

_FOLDER = re.compile(r"(train|training|val|valid|validation|test|testing)(?:[-_]?\d{4})?")
_NAMES = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
_STRUCTURE = frozenset({"images", "image", "jpegimages", "imgs", "img", "photos", "pictures", "scans", "data", "obj"})
_COPY = re.compile(
    r"[._](?:jpe?g|png|webp|bmp|tiff?)\.rf\.[0-9a-z]{8,}$", re.IGNORECASE
)  # Roboflow's copies of a photo
_CLASH = re.compile(r"~[0-9a-f]{8}$")  # what importing adds to a name that is taken
_APART = r"(?<![^\W\d_])"  # no letter before: "storefront" keeps its front
_VIEW = re.compile(
    _APART + r"(?:front|back|obverse|reverse)(?![^\W\d_])"
    r"|(?<=[\s_.\-])[fb]$"
    r"|" + _APART + r"(?:view|light|frame)[\s_.\-]*\d{1,3}(?!\d)"
    r"|" + _APART + r"(?:photo|shot)[\s_.\-]*\d{1,2}(?!\d)"
    r"|[\s_]*\(\d{1,3}\)$",
    re.IGNORECASE,
)  # fmt: skip


def split_of_path(file_name: str) -> str | None:
    """The split that a folder of the path names, or None.

    Args:
        file_name: Path of an image, with forward slashes.

    Example:
        >>> split_of_path("valid/images/a.jpg"), split_of_path("train2017/a.jpg"), split_of_path("test.jpg")
        ('val', 'train', None)
    """
    for folder in reversed(file_name.split("/")[:-1]):
        if match := _FOLDER.fullmatch(folder.lower()):
            return _NAMES.get(match[1], match[1])
    return None


def card_of(file_name: str, pattern: str | re.Pattern[str] | None = None) -> str:
    """The card that a photo shows, by its name: what is left without the words that tell views apart.

    Only words such as front, back, obverse, reverse, `_f`, `_b`, `light 3`, `view 2` and `(2)` are taken away. A bare
    number stays, so that IMG_2385 and IMG_2386 are two cards. Folders count, but for those that only say train, test or
    images. Where nothing is left of the name, the card is the folder.

    Args:
        file_name: Path relative to the images folder, with forward slashes.
        pattern: A regular expression that finds the card in the path instead: its group `card`, or else its first
            group, is the card's id. Where it finds nothing, the rule above holds.

    Raises:
        ConfigError: If the pattern is no regular expression, or has no group.

    Example:
        >>> card_of("012_front.jpg"), card_of("012_b.jpg"), card_of("lot/7/light_03.png"), card_of("IMG_2385.JPG")
        ('012', '012', 'lot/7', 'IMG_2385')
        >>> card_of("train/images/012_front.jpg"), card_of("val/images/012_back~0a1b2c3d.jpg")
        ('012', '012')
    """
    if pattern is not None and (found := _by_pattern(file_name, pattern)):
        return found
    *folders, name = file_name.split("/")
    stem = _COPY.sub("", _CLASH.sub("", name.rpartition(".")[0] or name))
    own = [folder for folder in folders if not _is_structure(folder) and _tidy(_VIEW.sub("", folder))]
    rest = _tidy(_VIEW.sub("", stem))
    if not rest and not own:
        return stem
    return "/".join([*own, rest] if rest else own)


def _is_structure(folder: str) -> bool:
    lower = folder.lower()
    return lower in _STRUCTURE or _FOLDER.fullmatch(lower) is not None


def _tidy(text: str) -> str:
    return re.sub(r"([\s_.\-])[\s_.\-]+", r"\1", text).strip(" _.-")


def card_pattern_of(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    """A card pattern, compiled.

    Raises:
        ConfigError: If it is no regular expression, or has no group.
    """
    try:
        compiled = re.compile(pattern)  # kept by re, so that it costs nothing again
    except re.error as error:
        fix = r"write a regular expression such as (?P<card>\d+)_"
        raise ConfigError(f"the card pattern is no regular expression: {error}", where=pattern, fix=fix) from error
    if not compiled.groups:
        raise ConfigError("the card pattern has no group", where=pattern, fix=r"write the id in brackets: (card\d+)_")
    return compiled


def _by_pattern(file_name: str, pattern: str | re.Pattern[str]) -> str | None:
    found = card_pattern_of(pattern).search(file_name)
    if found is None:
        return None
    if "card" in found.groupdict():
        return found["card"]
    return found[1]


def assign_splits(
    cards: Iterable[str],
    *,
    seed: int = 0,
    fractions: Mapping[str, float] | None = None,
    given: Mapping[str, str] | None = None,
    existing: Mapping[str, str] | None = None,
    labelled: Collection[str] = (),
) -> dict[str, str]:
    """A split for every card, the same whenever it is asked and in whatever order the cards come.

    What a card was assigned before stays; else what the source says holds; else the hash of seed and card decides.
    Where the source gives every card a split but leaves out val or test, these are taken by hash from its train. With
    three cards or more neither val nor test is empty (unless its fraction is 0), and train never is: the cards
    nearest to the threshold move, those that had no assignment before first. Of labelled cards the same holds, as far
    as neither an earlier call nor the source has assigned them: images without labels are not trained on.

    Args:
        cards: The cards, as `card_of` names them.
        seed: Another seed gives another division.
        fractions: Parts of train, val and test, which add up to 1; 0.8, 0.1 and 0.1 by default.
        given: Splits that the source put cards in.
        existing: Splits of an earlier call.
        labelled: The cards that have labels, where that is known.

    Raises:
        ConfigError: If the fractions do not add up to 1, or a split has another name.

    Example:
        >>> sorted(assign_splits(["a", "b", "c"]).values())
        ['test', 'train', 'val']
    """
    parts = _checked(fractions)
    names = sorted(set(cards))
    given, existing = given or {}, existing or {}
    for split in {*given.values(), *existing.values()} - set(SPLITS):
        raise ConfigError(f"there is no split {split!r}", fix="use train, val or test")
    place = {card: xxhash.xxh64_intdigest(f"{seed}:{card}".encode()) / 2**64 for card in names}
    left_out = _left_out(names, given)
    chosen: dict[str, str] = {}
    for card in names:
        by_hash = _by_hash(place[card], parts)
        if card in existing:
            chosen[card] = existing[card]
        elif card in given:
            chosen[card] = by_hash if given[card] == "train" and by_hash in left_out else given[card]
        else:
            chosen[card] = by_hash
    fixed = frozenset(existing)
    mine = {card: chosen[card] for card in names if card in labelled} if labelled else {}
    if 0 < len(mine) < len(names):
        said = frozenset() if left_out else given.keys()  # who laid out val and test meant them so
        _fill(mine, place, parts, fixed | said, firm=True)
        chosen |= mine
        fixed |= mine.keys()
    _fill(chosen, place, parts, fixed)
    return chosen


def ways_to_fill(split: str, dataset: str) -> str:
    """What helps where no labelled image is in a split of a dataset; cards once assigned stay where they are.

    Args:
        split: The one that is empty: train, val or test.
        dataset: The dataset's name.
    """
    shares = "lower val_share and test_share" if split == "train" else f"raise {split}_share"
    folders = "folders called train, val and test say it themselves"
    return (
        f"add labelled images of more cards (rcg dataset add {dataset} --images FOLDER); cards that have a split keep "
        f"it, so else make a new dataset: {folders}, or {shares} in rcg.toml before its first add"
    )


def _checked(fractions: Mapping[str, float] | None) -> dict[str, float]:
    parts = {"train": 0.8, "val": 0.1, "test": 0.1} if fractions is None else dict(fractions)
    if set(parts) != set(SPLITS) or min(parts.values()) < 0 or abs(sum(parts.values()) - 1) > 1e-9:
        fix = "give train, val and test parts that add up to 1, such as 0.8, 0.1 and 0.1"
        raise ConfigError(f"the fractions {parts} do not divide the cards", fix=fix)
    return parts


def _left_out(cards: list[str], given: Mapping[str, str]) -> frozenset[str]:
    """The splits that the source leaves out, where it speaks of every card."""
    said = {given.get(card) for card in cards}
    return frozenset() if None in said else frozenset(SPLITS[1:]) - {split for split in said if split}


def _by_hash(place: float, parts: Mapping[str, float]) -> str:
    if place < parts["test"]:
        return "test"
    return "val" if place < parts["test"] + parts["val"] else "train"


def _fill(
    chosen: dict[str, str],
    place: Mapping[str, float],
    parts: Mapping[str, float],
    fixed: frozenset[str],
    *,
    firm: bool = False,
) -> None:
    """Move cards so that no split is empty that must not be: train with one card, val with two, test with three.

    Fixed cards move only where no other can, and never where `firm` is set.
    """
    for count, split in enumerate(("train", "val", "test"), 1):
        if len(chosen) < count or split in chosen.values() or (split != "train" and not parts[split]):
            continue
        donors = {name: [card for card in chosen if chosen[card] == name] for name in SPLITS if name != split}
        free = {name: [card for card in cards if card not in fixed] for name, cards in donors.items()}
        least = dict.fromkeys(donors, int(split != "train"))
        if len(chosen) == 2 and free.get("test"):
            least["test"] = 0  # val before test
        donors = {name: cards for name, cards in donors.items() if len(cards) > least[name]}
        if not donors or (firm and not any(free[name] for name in donors)):
            continue
        donor = max(donors, key=lambda name: (bool(free[name]), name == "train", len(donors[name])))
        nearest = max if split == "train" else min  # train lies above val and test on the line of hashes
        chosen[nearest(free[donor] or donors[donor], key=lambda card: (place[card], card))] = split
