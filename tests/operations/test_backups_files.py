"""Sealed files, names of WAL, the archiver and the spool (promises 12 and 13): no server is needed for these."""

import contextlib
import io
import os
import random
import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gpuadvisor.operations.backups import crypt, spool, wal
from gpuadvisor.operations.backups.configuration import BackupError, Configuration, Off, configuration
from gpuadvisor.operations.backups.moments import moment_of
from gpuadvisor.operations.backups.repository import Repository, systems
from gpuadvisor.servers import archive

KEY, OTHER = "k" * 43, "o" * 43
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
SIZE = 1 << 24
SYSTEM = 7_712_170_876_688_480_593


def sealed(content, key=KEY, name="wal/x"):
    file = io.BytesIO()
    sealer = crypt.Sealer(file, name=name, at=AT, key=key)
    sealer.write(content)
    sealer.finish()
    return file.getvalue()


def opened(data, keys=(KEY,), name="wal/x"):
    return crypt.Opener(io.BytesIO(data), name=name, keys=keys, path="x").read()


@pytest.fixture
def config(tmp_path):
    (tmp_path / "spool").mkdir()
    return Configuration(
        driver="basebackup",
        url="postgres:///none",
        folder=tmp_path / "backups",
        copy=None,
        keys=(KEY,),
        days=30,
        data=tmp_path,
        spool=tmp_path / "spool",
    )


def segment(number=1, system=SYSTEM, fill=b"\0"):
    """A WAL file as far as its first page tells."""
    page = struct.pack("=HHIQII", 0xD118, 0x0002, 1, number * SIZE, 0, 0) + struct.pack("=QII", system, SIZE, 8192)
    return page + fill * 5000


def lay(config, number, **how):
    file = config.spool / wal.name_of(1, number, SIZE)
    file.write_bytes(segment(number, **how))
    return file


# -- Sealed files ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [0, 1, crypt.CHUNK, 3 * crypt.CHUNK + 7])
def test_what_is_sealed_opens_as_it_was(size):
    content = random.Random(size).randbytes(size)
    assert opened(sealed(content)) == content


def test_a_wrong_key_says_so_at_once_and_an_older_key_opens():
    """Backups are encrypted with a key of their own; without it nothing opens, and the reason is told."""
    data = sealed(b"secret")
    with pytest.raises(crypt.WrongKeyError, match="made with another BACKUP_KEY"):
        opened(data, keys=(OTHER,))
    assert opened(data, keys=(OTHER, KEY)) == b"secret"
    assert b"secret" not in sealed(b"secret" * 100)


def test_a_flipped_bit_is_found_wherever_it_is():
    """Promise 13: a damaged backup is not restored."""
    data = sealed(random.Random(1).randbytes(crypt.CHUNK + 900))
    chance = random.Random(2)
    for _ in range(60):
        changed = bytearray(data)
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        with pytest.raises((crypt.DamagedError, crypt.WrongKeyError)):
            opened(bytes(changed))


@pytest.mark.parametrize("cut", [1, 100, crypt.CHUNK + 20])
def test_a_file_cut_short_or_grown_is_found(cut):
    data = sealed(random.Random(3).randbytes(2 * crypt.CHUNK))
    with pytest.raises(crypt.DamagedError):
        opened(data[:-cut])
    with pytest.raises(crypt.DamagedError):
        opened(data + b"\0")


def test_a_file_in_another_ones_place_is_found():
    with pytest.raises(crypt.DamagedError, match="moved"):
        opened(sealed(b"a", name="wal/a"), name="wal/b")


def test_an_object_broken_off_is_not_there(config):
    repository = Repository(config, "1")
    with contextlib.suppress(ZeroDivisionError), repository.put("backups/a/base", at=AT) as sealer:
        sealer.write(b"half" * (1 // 0))
    assert not repository.has("backups/a/base")
    assert list(config.folder.rglob("*.*")) == []


def test_the_second_place_gets_everything_and_serves_what_the_first_lost(config, tmp_path):
    copy = tmp_path / "elsewhere"
    config = Configuration(**(vars(config) | {"copy": copy}))
    repository = Repository(config, "1")
    with repository.put("marks/a", at=AT) as sealer:
        sealer.write(b"rows")
    with pytest.raises(BackupError, match="is not there"):
        repository.copy_missing()  # a store that is not mounted is not made anew below its mount point
    copy.mkdir()
    assert repository.copy_missing() == 1
    assert repository.copy_missing() == 0
    (config.folder / "1" / "marks" / "a.gpa").unlink()
    assert repository.read("marks/a") == b"rows"
    assert repository.names("marks") == ["marks/a"]
    assert systems(config) == ["1"]


# -- Names of WAL ------------------------------------------------------------------------------------------------------
def test_names_and_numbers_of_segments_agree():
    assert wal.number_of("16/B374D848", SIZE) == 0x16B3
    assert wal.name_of(3, 0x16B3, SIZE) == "0000000300000016000000B3"
    assert wal.parse("0000000300000016000000B3", SIZE) == (3, 0x16B3)


def names(line, *numbers):
    return {wal.name_of(line, number, SIZE) for number in numbers}


@pytest.mark.parametrize(
    ("there", "last", "missing"),
    [
        pytest.param(names(1, 4, 5, 6), 6, None, id="whole"),
        pytest.param(names(1, 4, 5, 7), 5, wal.name_of(1, 6, SIZE), id="gap"),
        pytest.param(names(1, 1, 2, 4), 4, None, id="older ones do not matter"),
        pytest.param(names(1, 254, 255, 256, 4), 4, wal.name_of(1, 5, SIZE), id="gap of many"),
    ],
)
def test_a_gap_in_the_wal_is_found(there, last, missing):
    """Promise 13; pgBackRest's `verify` says nothing of a missing file (d1)."""
    found = wal.chain(there, start=wal.name_of(1, 4, SIZE), timeline=1, ends={}, segment_bytes=SIZE)
    assert found.names[-1] == wal.name_of(1, last, SIZE)
    assert found.missing == missing


def test_the_way_leads_over_into_the_line_that_a_restore_began():
    there = names(1, 4, 5, 6, 7) | names(2, 6, 7)
    history = "1\t0/6000028\tbefore 2026\n"
    ends = wal.ends_of(history, SIZE)
    assert ends == {1: 6}
    after = wal.chain(there, start=wal.name_of(1, 4, SIZE), timeline=2, ends=ends, segment_bytes=SIZE)
    assert after.names == (*sorted(names(1, 4, 5)), *sorted(names(2, 6, 7)))
    before = wal.chain(there, start=wal.name_of(1, 4, SIZE), timeline=1, ends={}, segment_bytes=SIZE)
    assert before.names == tuple(sorted(names(1, 4, 5, 6, 7)))


# -- The archiver ------------------------------------------------------------------------------------------------------
def run_archiver(source, target):
    script = Path(archive.__file__)
    return subprocess.run(
        [sys.executable, "-ISE", str(script), str(source), str(target)], capture_output=True, check=False
    )


def test_the_archiver_keeps_nothing_before_the_first_backup_and_is_idempotent_after(tmp_path):
    """It may be called again for a file that it has brought already (a crash between the two), never for another."""
    source, target = tmp_path / "s", tmp_path / "spool" / "000000010000000000000001"
    target.parent.mkdir()
    source.write_bytes(segment())
    assert archive.keep(source, target) == ""
    assert not target.exists()
    (target.parent / "armed").touch()
    (target.parent / f"{target.name}.part.1").write_bytes(b"of a run that was killed")
    assert run_archiver(source, target).returncode == 0
    assert run_archiver(source, target).returncode == 0
    assert target.read_bytes() == source.read_bytes()
    assert sorted(file.name for file in target.parent.iterdir()) == [target.name, "armed"]
    source.write_bytes(segment(fill=b"x"))
    refused = run_archiver(source, target)
    assert refused.returncode == 1
    assert b"with other bytes" in refused.stderr


def test_the_archiver_fails_without_a_spool_or_source(tmp_path):
    assert "is missing" in archive.keep(tmp_path, tmp_path / "none" / "target")
    (tmp_path / "armed").touch()
    assert archive.keep(tmp_path / "none", tmp_path / "target")
    assert not (tmp_path / "target").exists()


# -- From the spool into the repository --------------------------------------------------------------------------------
def test_wal_goes_from_the_spool_into_the_repository_oldest_first(config):
    assert spool.push(config).number == 0  # nothing before a backup
    spool.arm(config.spool, str(SYSTEM))
    old = lay(config, 2)
    lay(config, 1)
    os.utime(old, (AT.timestamp(), AT.timestamp()))
    (config.spool / "000000010000000000000001.00000028.backup").write_text("label")
    done = spool.push(config)
    assert done.names == [wal.name_of(1, 2, SIZE), wal.name_of(1, 1, SIZE)]
    assert [file.name for file in config.spool.iterdir()] == ["armed"]
    repository = Repository(config, str(SYSTEM))
    assert repository.header(wal.object_name(wal.name_of(1, 2, SIZE))).at == AT
    assert repository.read(wal.object_name(wal.name_of(1, 1, SIZE))) == segment(1)
    assert datetime.now(UTC) - spool.newest(repository)[1] > timedelta(0)


def test_a_job_killed_between_sealing_and_removing_goes_on(config):
    spool.arm(config.spool, str(SYSTEM))
    file = lay(config, 1)
    spool.push(config)
    lay(config, 1)
    half = config.folder / str(SYSTEM) / "wal" / "00000001" / "00000000" / f"{wal.name_of(1, 2, SIZE)}.gpa.part"
    half.write_bytes(b"of a run that was killed")
    lay(config, 2)
    assert spool.push(config).number == 2
    assert not file.exists()
    assert not half.exists()


def test_two_servers_in_one_place_are_found_and_nothing_is_overwritten(config):
    spool.arm(config.spool, str(SYSTEM))
    lay(config, 1)
    spool.push(config)
    other = lay(config, 1, fill=b"x")
    with pytest.raises(BackupError, match="with other bytes"):
        spool.push(config)
    assert other.exists()
    lay(config, 1, system=SYSTEM + 1)  # another cluster has a folder of its own
    assert spool.push(config).number == 1
    assert systems(config) == [str(SYSTEM), str(SYSTEM + 1)]


def test_a_full_disk_leaves_wal_in_the_spool(config, monkeypatch):
    """e35: the archive fails, the site serves, the alarm comes by the age of the newest WAL."""
    spool.arm(config.spool, str(SYSTEM))
    file = lay(config, 1)
    monkeypatch.setattr("gpuadvisor.operations.backups.repository.FREE_BYTES", 1 << 62)
    with pytest.raises(BackupError, match="MB free"):
        spool.push(config)
    assert file.exists()


# -- Settings ----------------------------------------------------------------------------------------------------------
def test_without_settings_backups_are_off_and_say_so(settings):
    settings.BACKUP_DRIVER, settings.EMBEDDED_POSTGRES = "off", ""
    with pytest.raises(Off, match="a server of your own"):
        configuration()
    settings.BACKUP_DRIVER, settings.BACKUP_KEY, settings.BACKUP_DIR = "basebackup", "", "/x"
    with pytest.raises(Off, match="BACKUP_KEY"):
        configuration()


def test_moments_are_utc_unless_they_say_otherwise():
    assert moment_of("2026-11-25 18:30") == datetime(2026, 11, 25, 18, 30, tzinfo=UTC)
    assert moment_of("2026-11-25T18:30:00+02:00") == datetime(2026, 11, 25, 16, 30, tzinfo=UTC)
