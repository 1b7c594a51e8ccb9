"""Grading a card: measurements in, a distribution over each standard's steps out, with what it rests on."""
