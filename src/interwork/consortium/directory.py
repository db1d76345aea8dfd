"""The public directory: facts of real institutes, from a data file whose source is named."""

import csv
from io import StringIO

from interwork.core.errors import BadInput
from interwork.core.ids import derived_id
from interwork.core.organisation import Organisation, OrganisationKind, Place

_FIELDS = ("name", "network", "founding_year", "lat", "lon", "hq_city", "country")


def read_directory(text: str, source: str) -> list[Organisation]:
    """Read institutes from CSV; raise BadInput naming the row and column that cannot be read."""
    rows = csv.DictReader(StringIO(text))
    missing = [name for name in _FIELDS if name not in (rows.fieldnames or ())]
    if missing:
        raise BadInput(f"The directory lacks the columns {', '.join(missing)}.", where=source)
    found = []
    for number, row in enumerate(rows, start=2):
        try:
            place = Place(
                city=row["hq_city"],
                region=row.get("hq_region", ""),
                country=row["country"],
                latitude=float(row["lat"]),
                longitude=float(row["lon"]),
            )
            founded = int(row["founding_year"])
        except (TypeError, ValueError) as fault:
            raise BadInput(f"Line {number} is not a directory row: {fault}.", where=source) from fault
        found.append(
            Organisation(
                id=derived_id("org", row["network"], row["name"]),
                name=row["name"],
                kind=OrganisationKind.RESEARCH_INSTITUTE,
                place=place,
                acronym=row.get("acronym", ""),
                focus=row.get("technology_focus", ""),
                lead_agency=row.get("lead_agency", ""),
                founded=founded,
                source=source,
                note="; ".join(part for part in (row["network"], row.get("note", ""), _doubt(row)) if part),
            )
        )
    return found


def _doubt(row: dict[str, str]) -> str:
    status = row.get("status", "certain")
    return "" if status == "certain" else f"facts marked «{status}» by the source"
