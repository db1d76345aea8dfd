"""The published runner over one instance of each family there is: a checked line with its gap to the best known."""

import gzip
import json
import os
from pathlib import Path

import pytest

from interwork.cli import main

SHARED = Path(os.environ.get("INTERWORK_SHARED_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
FILES = SHARED / "allocation"
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="the shared test data is not on this machine")
NAMES = (
    "fjsp/brandimarte/mk02.txt",
    "fjsp/hurink-edata/la03.txt",
    "fjsp/fattahi/mfjs02.txt",
    "fjsp_transport/MK01.txt",
    "rcpsp/j60_25_2.rcp",
    "rcmpsp/MPLIB1_Set3_0.txt",
    "gap/e05100",
)


def test_one_of_each_family_has_a_checked_line_with_its_gap(capsys):
    """allocation 31: Brandimarte, Hurink, Fattahi, transport, PSPLIB, MPLIB and assignment, recognised by content."""
    words = ["bench", "allocation", *(str(FILES / name) for name in NAMES), "--json", "--seconds", "2"]
    assert main([*words, "--best", str(FILES / "SOURCES.md")]) == 0
    rows = {row["instance"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert list(rows) == [Path(name).stem for name in NAMES]
    assert all(row["checked"] == "ok" and row["bound"] <= row["objective"] for row in rows.values())
    for name in ("mk02", "la03", "j60_25_2", "MPLIB1_Set3_0", "e05100"):
        row = rows[name]
        assert row["gap_to_best"] == pytest.approx(row["objective"] / row["best"] - 1, abs=1e-5)
        assert row["bound"] <= row["best"]
    assert rows["mfjs02"]["best"] is rows["mfjs02"]["gap_to_best"] is None


@pytest.mark.parametrize("name", [each for each in NAMES if "rcmpsp" not in each])
def test_an_instance_that_went_through_windows_and_gzip_is_the_same(name, tmp_path, capsys):
    """allocation 31: the same bound and objective of the same rule, whatever the line ends and the compression."""
    path = FILES / name
    packed = tmp_path / f"{path.stem}.txt.gz"
    packed.write_bytes(gzip.compress(b"# a comment\r\n" + path.read_bytes().replace(b"\n", b" \r\n") + b"\r\n\x1a"))
    main(["bench", "allocation", str(path), str(packed), "--json", "--seconds", "0.1"])
    plain, other = map(json.loads, capsys.readouterr().out.splitlines())
    assert (plain["instance"], plain["activities"], plain["checked"]) == (other["instance"], other["activities"], "ok")
