"""Photometric stereo: from frames under several lights to the shape of a card's surface and what damaged it."""

from rcg.photometric.types import Capture, LightField, LightRig, NormalMap, SurfaceDefect

__all__ = ["Capture", "LightField", "LightRig", "NormalMap", "SurfaceDefect"]
