"""Interwork: an open industrial internet with research and development at its core."""

__version__ = "0.1.0"
