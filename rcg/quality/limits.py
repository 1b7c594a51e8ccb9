"""What counts as a bad picture: one place for all limits, each with its reason. They flag, and never refuse."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on a picture is flagged.

    Tried on 745 real photos of cards, none of which is blurred, too dark or too bright: no card was missed, and their
    lowest sharpness is 0.66.

    Attributes:
        shorter_side: Pixels. Below it a card that fills the picture has less than 5 pixels a millimetre (63 mm), and
            whitening of half a millimetre is two pixels wide.
        sharpness: 0 to 1. A Gaussian blur of 4 pixels at 960 brings every one of the photos below it, one of 2 pixels
            most of them.
        darkest: Grey value. Where only 2 % of a picture are brighter, it is underexposed; a card on black cloth has a
            brighter frame or text.
        brightest: Grey value. Where only 2 % are darker, it is overexposed; a card on white paper has dark print.
        burned: Share of the picture that is paper without any texture left, white to the limit of the sensor.
        glare: Share of the picture under white spots that fade at their rim; smaller ones are beads of light.
        twin_px: Grey values, mean over 16 x 16. What is nearer is one photo saved twice, in other sizes or qualities;
            two photos of one print differ by more, and stay.
    """

    shorter_side: int = 300
    sharpness: float = 0.5
    darkest: float = 70.0
    brightest: float = 190.0
    burned: float = 0.01
    glare: float = 0.002
    twin_px: float = 1.0


LIMITS = Limits()
