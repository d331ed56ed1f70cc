"""Normalization: scenes of different sensors made the same in position, radiometry, atmosphere, direction, spectrum."""
