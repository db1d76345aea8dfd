"""Files are named by their content, whole or not there."""

import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interwork.core.errors import BadInput, Damaged, DiskFull, NotFound, Unusable
from interwork.core.ids import digest_of
from interwork.store import Files


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "files")


def all_files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=20
)
@given(content=st.binary(max_size=200))
def test_what_was_put_is_got_by_its_digest(files, content):
    digest = files.put(content)
    assert digest == digest_of(content)
    assert files.get(digest) == content
    assert files.path(digest).read_bytes() == content


def test_the_same_content_is_kept_once_two_levels_deep(files, tmp_path):
    digest = files.put(b"part")
    before = files.path(digest).stat()
    assert files.put(b"part") == digest
    assert files.path(digest).stat().st_ino == before.st_ino
    name = digest.removeprefix("sha256:")
    assert all_files(tmp_path) == [tmp_path / "files" / name[:2] / name[2:4] / name]


def test_an_unknown_digest_is_not_found(files):
    with pytest.raises(NotFound, match="is held here"):
        files.get(digest_of(b"never"))


def test_changed_bytes_are_damaged_until_the_original_is_put_again(files):
    digest = files.put(b"part")
    files.path(digest).write_bytes(b"tarp")
    with pytest.raises(Damaged, match="no longer has the content"):
        files.get(digest)
    files.put(b"part")
    assert files.get(digest) == b"part"


@pytest.mark.parametrize(
    "digest", ["", "sha256:", "sha256:../../etc/passwd", "md5:" + "0" * 64, "sha256:" + "A" * 64, "sha256:" + "0" * 63]
)
def test_what_is_no_digest_reaches_no_file(files, digest):
    with pytest.raises(BadInput, match="is not a digest"):
        files.get(digest)


def test_a_part_left_behind_by_a_crash_is_removed_after_a_day(files, tmp_path):
    for name, age_s in (("old", 100_000), ("new", 0)):
        part = tmp_path / "files" / "parts" / name
        part.write_bytes(b"x")
        os.utime(part, (part.stat().st_mtime - age_s,) * 2)
    Files(tmp_path / "files")
    assert [path.name for path in all_files(tmp_path)] == ["new"]


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unusable, match="file"):
        Files(tmp_path / "file")


PUT_UNDER_A_LIMIT = """
import resource, sys
from pathlib import Path
from interwork.core.errors import DiskFull
from interwork.store import Files
files = Files(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    files.put(bytes(200_000))
except DiskFull as fault:
    print(fault)
print(files.get(files.put(b"small")))
"""


def test_where_there_is_no_room_nothing_is_left_and_the_node_goes_on(tmp_path):
    command = [sys.executable, "-c", PUT_UNDER_A_LIMIT, tmp_path]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert said.startswith("There is no room for ")
    assert said.endswith("b'small'\n")
    assert [path.name for path in all_files(tmp_path)] == [digest_of(b"small").removeprefix("sha256:")]


def test_a_full_volume_leaves_no_part(small_volume):
    files = Files(small_volume / "files")
    kept = files.put(bytes(100_000))
    with pytest.raises(DiskFull):
        files.put(os.urandom(2**22))
    assert [path.name for path in all_files(small_volume)] == [kept.removeprefix("sha256:")]
    assert files.get(kept) == bytes(100_000)
