"""Keeps every reading for as long as it is wanted, and answers every question about them: no acknowledged one is lost.

Arrivals rest in a DuckDB table (`engine`) until they are sealed into sorted Parquet files (`lake`); the questions
(`queries`) see both as one. `service` is the face: it brings threads, limits and the upkeep by the hour.
"""

from interwork.stream.historian.queries import Trend as Trend
from interwork.stream.historian.queries import Usage as Usage
from interwork.stream.historian.service import Health as Health
from interwork.stream.historian.service import Historian as Historian
