"""Where files and sockets stand, and what is said where they cannot."""

import os
import shutil
import stat

import pytest

from gpuadvisor.servers import attach, binaries, places, processes
from gpuadvisor.servers.errors import Refused
from tests.servers.conftest import gone

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another user")


def test_a_socket_path_stays_below_the_systems_limit_in_a_deep_checkout(folder):
    deep = folder.path / ("d" * 100) / ("e" * 100)
    found = places.settle(deep, by_hand=True)
    assert len(os.fsencode(found.sockets / ".s.PGSQL.5432")) < 107
    assert stat.S_IMODE(found.sockets.stat().st_mode) == 0o700


def test_a_long_tmpdir_is_passed_over(folder, monkeypatch):
    monkeypatch.setattr(places.tempfile, "gettempdir", lambda: str(folder.path / ("t" * 120)))
    found = places.settle(folder.path, by_hand=True)
    assert found.sockets.parent.name == "tmp"


def test_a_second_look_finds_the_same_sockets_under_another_tmpdir(folder, monkeypatch):
    first = places.settle(folder.path, by_hand=True)
    monkeypatch.setattr(places.tempfile, "gettempdir", lambda: str(folder.path))
    assert places.settle(folder.path, by_hand=True).sockets == first.sockets


@as_root
def test_a_closed_folder_given_by_hand_is_refused_in_one_sentence(folder):
    closed = folder.path / "closed"
    closed.mkdir(mode=0o700)
    output, code = folder.run(DATA_DIR=str(closed / "data"), PORT="8190")
    assert code == 1
    assert output == (
        f"{closed} is closed to the user 'nobody', under which PostgreSQL runs: chmod o+x {closed},"
        " or set DATA_DIR to another folder."
    )


@as_root
@pytest.mark.slow
def test_a_closed_checkout_gets_its_data_outside_and_copies_of_the_programs(folder, monkeypatch):
    closed = folder.path / "home"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(places, "STATE_FOLDER", folder.path)
    found = places.settle(closed / "var", by_hand=False)
    assert found.home.parent == folder.path
    assert found.home.name.startswith("gpuadvisor-")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700  # nothing of the user's was opened

    package = binaries.postgres_folder().parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, closed / part.name, symlinks=True, ignore=shutil.ignore_patterns("pginstall"))
    monkeypatch.setattr(binaries, "postgres_folder", lambda: closed / package.name / "pginstall18")
    copy = found.postgres_folder()
    assert copy.is_relative_to(found.home)
    for program in ("initdb", "postgres", "psql", "pg_isready"):  # with the libraries that lie beside the package
        told = processes.run_as(found.account, [str(copy / "bin" / program), "--version"])
        assert (told.returncode, "18" in told.stdout) == (0, True), told.stdout
    monkeypatch.undo()

    told = folder.attach("print(places.home)", DATA_DIR=str(closed / "var"))  # the memo leads there again
    assert told.strip() == str(found.home)
    assert (found.home / "pg" / "PG_VERSION").exists()
    assert gone(str(folder.path))


def test_data_of_somebody_else_is_refused_in_one_sentence(folder, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: os.stat_result)
    (folder.path / "pg").mkdir()
    with pytest.raises(Refused, match="belongs to another user"):
        places.server_account(folder.path / "pg")


def test_a_user_without_a_name_is_refused_in_one_sentence(folder, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 12345678)
    with pytest.raises(Refused, match="no line in /etc/passwd"):
        places.server_account(folder.path / "pg")


def test_a_full_disk_is_refused_in_one_sentence(folder, monkeypatch):
    monkeypatch.setattr(places, "FREE_BYTES", 10**18)
    found = places.settle(folder.path, by_hand=True)
    with pytest.raises(Refused, match="disk is nearly full"):
        places.check_free_space(found)


def test_without_the_wheel_a_server_of_the_path_is_taken_else_one_sentence(folder, monkeypatch):
    monkeypatch.setattr(binaries.util, "find_spec", lambda name: None)
    program = folder.path / "redis-server"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(folder.path))
    assert binaries.redis_server() == program
    program.unlink()
    with pytest.raises(Refused, match="valkey or redis"):
        binaries.redis_server()
    with pytest.raises(Refused, match="set DATABASE_URL"):
        binaries.postgres_folder()


def test_the_secret_key_is_made_once_and_is_ours_alone(folder):
    key = attach.secret_key(folder.path)
    assert len(key) >= 50
    assert attach.secret_key(folder.path) == key
    assert stat.S_IMODE((folder.path / "secret_key").stat().st_mode) == 0o600


def test_dot_env_is_read_where_the_environment_is_silent(folder, monkeypatch):
    for name in ("GPA_ONE", "GPA_TWO", "GPA_THREE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("GPA_TWO", "shell")
    (folder.path / ".env").write_text(
        "# a comment\nGPA_ONE='one # not a comment'\nexport GPA_TWO=file\nGPA_THREE=3 # three\n"
    )
    attach.read_dot_env(folder.path / ".env")
    assert (os.environ["GPA_ONE"], os.environ["GPA_TWO"], os.environ["GPA_THREE"]) == (
        "one # not a comment",
        "shell",
        "3",
    )


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["manage.py"], False),
        (["manage.py", "help"], False),
        (["manage.py", "migrate", "--help"], False),
        (["manage.py", "check", "--deploy"], False),
        (["manage.py", "check", "--database", "default"], True),
        (["manage.py", "collectstatic", "--noinput"], False),
        (["manage.py", "migrate"], True),
        (["manage.py", "makemigrations", "--check"], True),
        (["manage.py", "refresh_market"], True),
    ],
)
def test_only_commands_that_ask_a_database_start_servers(arguments, needed):
    assert attach.needs_servers(arguments) is needed
