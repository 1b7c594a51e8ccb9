"""What a training is asked to do: typed, checked, read from TOML or `key=value`, saved with the run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from rcg.errors import ConfigError
from rcg.files import read_toml

PROFILES = ("full", "smoke")
DEFAULT_BUDGET = "15 min"
_UNITS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_BUDGET = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(cpu)?[ -]*(s|sec|second|min|minute|h|hour)s?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a training may take.

    Attributes:
        seconds: The time, validation included.
        clock: "wall" for time as it passes, "cpu" for the processor time of all threads.
    """

    seconds: float
    clock: Literal["wall", "cpu"] = "wall"

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read a time such as "5 min", "1.5 h" or "20 cpu min".

        Raises:
            ConfigError: If it is none.

        Example:
            >>> Budget.parse("20 cpu min")
            Budget(seconds=1200.0, clock='cpu')
        """
        found = _BUDGET.fullmatch(text)
        if found is None or float(found[1]) <= 0:
            raise ConfigError(f"{text!r} is no budget", where="budget", fix='write it as "5 min" or "20 cpu min"')
        return cls(float(found[1]) * _UNITS[found[3].lower()], "cpu" if found[2] else "wall")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """The settings of a training. What is None is chosen for the architecture and the machine when it begins.

    Attributes:
        architecture: A name that `architectures()` lists, or "auto": lite0 on a CPU, ResNet-50 on a GPU.
        profile: "full", or "smoke" for tiny settings that end within a minute on a CPU.
        epochs: Passes through the training images; exclusive with `budget`.
        budget: Time instead of epochs, such as "5 min" or "20 cpu min"; 15 minutes where neither is given.
        image_size: Pixels of the longer side that images are scaled to; lite0 takes 320, from 10 minutes on 448.
        batch_size: Images a step.
        rois: Boxes an image that the box head learns from; cards hold 1 to 10 things, 128 suffice.
        learning_rate: The peak of the schedule, for the new layers.
        backbone_rate: The backbone's share of the learning rate.
        weight_decay: The optimiser's weight decay.
        warmup_steps: Steps until the learning rate stands at its peak.
        trainable_layers: Stages of the backbone that learn, from the last one back; 0 freezes it, which is best for
            lite0 within 10 minutes.
        pretrained: "auto" takes weights where they are to be had, "none" begins at random.
        flip: Share of images mirrored left to right.
        turn: Share of images turned by a quarter, a half or three quarters.
        scale: Images are scaled by up to exp(scale) up or down.
        colour: Brightness, contrast and saturation change by up to this share.
        patience: Validations without a better AP until it stops early; 0 never stops.
        evaluation_share: The largest share of the time that validation may take, 0 to 1.
        seed: Decides order, augmentation and initial weights.
        threads: CPU threads; a resumed run uses the same number.
        device: "auto", "cpu", "cuda" or "cuda:1".
        amp: Half precision on a GPU.
        checkpoint_every_s: Seconds between two checkpoints; there is one at the end of each epoch too.
        keep_best: Checkpoints with the best validation AP that are kept beside the last two.
        unreadable: "stop" ends with a list of images that cannot be decoded, "skip" leaves them out.
        limit_images: At most so many images of each split; None takes all.
    """

    architecture: str = "auto"
    profile: str = "full"
    epochs: int | None = None
    budget: str | None = None
    image_size: int | None = None
    batch_size: int | None = None
    rois: int = 128
    learning_rate: float | None = None
    backbone_rate: float = 0.3
    weight_decay: float = 1e-4
    warmup_steps: int = 50
    trainable_layers: int | None = None
    pretrained: str = "auto"
    flip: float = 0.5
    turn: float = 0.0
    scale: float = 0.2
    colour: float = 0.2
    patience: int = 10
    evaluation_share: float = 0.2
    seed: int = 0
    threads: int | None = None
    device: str = "auto"
    amp: bool = False
    checkpoint_every_s: float = 60.0
    keep_best: int = 1
    unreadable: str = "stop"
    limit_images: int | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ConfigError(f"{value} is not between {low:g} and {high:g}", where=name, fix=f"change {name}")
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                raise ConfigError(f"{getattr(self, name)!r} is unknown", where=name, fix=f"write {' or '.join(words)}")
        if self.epochs is not None and self.budget is not None:
            raise ConfigError("epochs and budget are both given", where="epochs", fix="give one of them")
        if self.budget is not None:
            Budget.parse(self.budget)

    @classmethod
    def parse(cls, settings: Iterable[str] = (), *, file: str | Path | None = None, **given: Any) -> TrainConfig:
        """Settings from a TOML file, `key=value` texts and keyword arguments; the later ones win, None is passed over.

        Raises:
            ConfigError: If a key is unknown (it names the nearest), or a value is of the wrong kind or out of range.

        Example:
            >>> TrainConfig.parse(["budget=5 min", "rois=64"]).rois
            64
        """
        values = {} if file is None else read_toml(file, error=ConfigError)
        for text in settings:
            key, equals, value = text.partition("=")
            if not equals:
                raise ConfigError(f"{text!r} is no setting", fix="write key=value, such as epochs=10")
            values[key.strip()] = _typed(key.strip(), value.strip())
        values.update({key: value for key, value in given.items() if value is not None})
        return cls.of(values, where=file)

    @classmethod
    def of(cls, values: Mapping[str, Any], *, where: object = None) -> TrainConfig:
        """Settings from a mapping, such as a TOML table or a run's saved configuration."""
        checked = {key: _checked(key, value, where) for key, value in values.items()}
        return cls(**checked)

    @classmethod
    def saved(cls, config: Mapping[str, Any], *, where: object) -> TrainConfig:
        """The settings in a run's saved configuration, which says more than settings."""
        return cls.of({key: value for key, value in config.items() if key in _KINDS}, where=where)

    def values(self) -> dict[str, Any]:
        """The settings by name, as they are saved; None values left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def shaped(self) -> TrainConfig:
        """The settings with those of the profile, and a budget where no length was given."""
        chosen: dict[str, Any] = {}
        if self.profile == "smoke":
            chosen = {"image_size": 160, "batch_size": 2, "limit_images": 16}
            chosen |= {} if self.budget else {"epochs": 1}
        elif self.epochs is None:
            chosen = {"budget": DEFAULT_BUDGET}
        return replace(self, **{key: value for key, value in chosen.items() if getattr(self, key) is None})


_RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 100_000), "image_size": (64, 4096), "batch_size": (1, 1024), "rois": (1, 4096),
    "learning_rate": (1e-8, 10), "backbone_rate": (0, 10), "weight_decay": (0, 1), "warmup_steps": (0, 1_000_000),
    "trainable_layers": (0, 7), "flip": (0, 1), "turn": (0, 1), "scale": (0, 1), "colour": (0, 0.9),
    "patience": (0, 100_000), "evaluation_share": (0.01, 0.9), "seed": (0, 2**31 - 1),
    "threads": (1, 1024), "checkpoint_every_s": (0, 86_400), "keep_best": (1, 100), "limit_images": (1, 10**9),
}  # fmt: skip
_WORDS = {"profile": PROFILES, "pretrained": ("auto", "none"), "unreadable": ("stop", "skip")}
_KINDS: dict[str, type] = {}
for _each in fields(TrainConfig):
    _KINDS[_each.name] = {"str": str, "int": int, "float": float, "bool": bool}[str(_each.type).partition(" ")[0]]


def _known(key: str, where: object) -> type:
    if key not in _KINDS:
        near = get_close_matches(key, _KINDS, n=1)
        fix = f"write {near[0]}" if near else f"known are {', '.join(_KINDS)}"
        raise ConfigError(f"unknown setting {key!r}", where=where, fix=fix)
    return _KINDS[key]


def _typed(key: str, text: str) -> Any:
    """The value that a text on the command line stands for."""
    kind, text = _known(key, None), text.strip("\"'")
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        return words[text.lower()] if text.lower() in words else _refuse(key, text, kind)
    try:
        return kind(text)
    except ValueError:
        return _refuse(key, text, kind)


def _checked(key: str, value: Any, where: object) -> Any:
    kind = _known(key, where)
    if kind is float and type(value) is int:
        value = float(value)
    if value is not None and type(value) is not kind:
        _refuse(key, value, kind, where)
    return value


def _refuse(key: str, value: Any, kind: type, where: object = None) -> Any:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    raise ConfigError(f"{key} = {value!r} is not {words[kind]}", where=where, fix=f"give {key} {words[kind]}")
