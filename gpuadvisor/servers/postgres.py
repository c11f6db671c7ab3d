"""One PostgreSQL 18 on a socket: made, configured, its roles, and what an earlier run may have left."""

import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from gpuadvisor.servers import processes
from gpuadvisor.servers.errors import Refused
from gpuadvisor.servers.places import Places

DATABASE = "gpuadvisor"
MAJOR = "18"
STOP_SECONDS = 15

SETTINGS = {
    "listen_addresses": "''",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "'256MB'",
    "max_wal_size": "'2GB'",
    "random_page_cost": "1.1",
    "jit": "off",
    "wal_level": "replica",
    "archive_mode": "off",
    "max_slot_wal_keep_size": "'10GB'",
    "max_standby_streaming_delay": "'30s'",
    "hot_standby_feedback": "on",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] %q%u '",
}
QUICK_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "'128MB'"}

# Timeouts belong to the role, so a pooler in between cannot lose them. `worker` inherits what the owner owns: it makes
# and drops months. The owner itself has no limit, for migrations.
ROLES = """
select 'create database gpuadvisor' where not exists (select from pg_database where datname = 'gpuadvisor') \\gexec
select 'create role ' || name || ' login' from unnest(array['web', 'worker']) as name
 where not exists (select from pg_roles where rolname = name) \\gexec
grant pg_read_all_data, pg_write_all_data to web, worker;
grant app to worker;
alter role web set statement_timeout = '5s';
alter role worker set statement_timeout = '60s';
alter role web set lock_timeout = '2s';
alter role worker set lock_timeout = '2s';
alter role web set idle_in_transaction_session_timeout = '30s';
alter role worker set idle_in_transaction_session_timeout = '30s';
"""


def url(places: Places, role: str = "app", database: str = DATABASE) -> str:
    """Host and port are named, so that PGHOST and PGPORT of the caller change nothing."""
    return f"postgres://{role}@/{database}?host={places.sockets}&port=5432"


def command(places: Places) -> list[str]:
    return [str(places.postgres_folder() / "bin" / "postgres"), "-D", str(places.pg)]


def answers(places: Places) -> bool:
    """Whether the server takes connections."""
    if not (places.sockets / ".s.PGSQL.5432").exists():
        return False
    tool = str(places.postgres_folder() / "bin" / "pg_isready")
    ready = [tool, "-q", "-h", str(places.sockets), "-U", "app", "-d", "postgres", "-t", "5"]
    return processes.run_as(places.account, ready).returncode == 0


def prepare(places: Places) -> None:
    """Make the cluster where there is none, write its settings, and clear what a killed server left.

    Raises: Refused where the cluster cannot be made, is another version's, or still runs elsewhere.
    """
    if not places.pg.exists():
        _make(places)
    _make_spool(places)
    version = (places.pg / "PG_VERSION").read_text().strip()
    if version != MAJOR:
        raise Refused(
            f"{places.pg} was made by PostgreSQL {version}, and this is {MAJOR}: set DATA_DIR to a new folder."
        )
    lines = SETTINGS | {"unix_socket_directories": "'" + str(places.sockets).replace("'", "''") + "'"}
    lines |= QUICK_SETTINGS if places.is_temporary else _archiving(places)
    file = places.pg / "gpuadvisor.conf"
    file.write_text("# Written anew at each start. Changes of your own: local.conf beside this file.\n")
    with file.open("a") as settings:
        settings.writelines(f"{name} = {value}\n" for name, value in lines.items())
    places.account.own(file, 0o600)
    _clear_stale(places)


def _make(places: Places) -> None:
    half = places.home / "pg.new"  # renamed once whole: a killed initdb leaves no half cluster
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    places.account.own(half, 0o700)
    initdb = [str(places.postgres_folder() / "bin" / "initdb"), "-D", str(half), "-U", "app", "-A", "trust", "-k"]
    initdb += ["-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
    initdb += ["--locale=C.UTF-8" if os.uname().sysname == "Linux" else "--locale=C"]
    initdb += ["--no-sync"] if places.is_temporary else []
    done = processes.run_as(places.account, initdb)
    if done.returncode:
        complaint = [
            line for line in done.stdout.splitlines() if "rror" in line or "FATAL" in line or "could not" in line
        ]
        raise Refused(
            f"PostgreSQL could not make its folder {places.pg}: {(complaint or ['unknown error'])[-1].strip()}"
        )
    with (half / "postgresql.conf").open("a") as settings:
        settings.write("\ninclude_if_exists = 'gpuadvisor.conf'\ninclude_if_exists = 'local.conf'\n")
    if places.spool.exists():  # WAL of a cluster that is gone, under names that ours will use
        places.spool.rename(places.spool.with_name(f"spool.{int(time.time())}"))
    half.rename(places.pg)


def _make_spool(places: Places) -> None:
    """The folder for finished WAL, closed to all but the server's account (and root)."""
    places.spool.mkdir(mode=0o700, exist_ok=True)
    places.account.own(places.spool, 0o700)


def _archiving(places: Places) -> dict[str, str]:
    """Settings by which finished WAL goes into the spool; none where it is switched off, or nothing could do it."""
    python = None if os.environ.get("BACKUP_DRIVER") == "off" else _python(places)
    if python is None:
        return {}
    script = places.home / "archive.py"  # a copy: the checkout may be closed to the server's account
    half = script.with_name(f"{script.name}.{os.getpid()}")
    shutil.copyfile(Path(__file__).with_name("archive.py"), half)
    half.chmod(0o644)
    half.replace(script)
    words = [shlex.quote(str(word)).replace("%", "%%") for word in (python, "-ISE", script)]
    target = shlex.quote(str(places.spool)).replace("%", "%%") + "/%f"
    command = " ".join([*words, '"%p"', target])
    return {
        "archive_mode": "on",
        "archive_timeout": "'5min'",
        "archive_command": "'" + command.replace("'", "''") + "'",
        "summarize_wal": "on",  # for incremental backups
        "checkpoint_timeout": "'15min'",  # a page is written whole after each: most of what an idle site archives
    }


def _python(places: Places) -> str | None:
    """A Python that the server's account can start: ours may lie in a closed folder."""
    ours = getattr(sys, "_base_executable", sys.executable)
    for program in (ours, "/usr/bin/python3", "/usr/local/bin/python3", shutil.which("python3")):
        if not program or not Path(program).exists():
            continue
        if places.account.first_closed(Path(program).resolve().parent) is None:
            found = processes.run_as(places.account, [program, "-ISE", "-c", "pass"])
            if found.returncode == 0:
                return program
    return None


def _clear_stale(places: Places) -> None:
    """After kill -9 the lock files may name a server that is ending, a zombie, or a stranger with the same number."""
    lock, socket_lock = places.pg / "postmaster.pid", places.sockets / ".s.PGSQL.5432.lock"
    for file in (lock, socket_lock):
        pid = _pid_in(file)
        if pid is None:
            continue
        if processes.state_of(pid) == "alive" and "postgres" in (processes.command_line(pid) or "postgres"):
            ended = processes.wait_until(lambda pid=pid: processes.state_of(pid) != "alive", STOP_SECONDS)  # type: ignore[misc]
            if not ended:
                raise Refused(f"Another PostgreSQL (process {pid}) runs in {places.pg}: end it first.")
        if processes.state_of(pid) != "gone":
            file.unlink(missing_ok=True)


def _pid_in(file: Path) -> int | None:
    try:
        return abs(int(file.read_text().split()[0]))
    except (OSError, ValueError, IndexError):
        return None


def make_roles(places: Places) -> None:
    """Make the database and the roles of web and worker, with their timeouts; again at each start.

    Raises: Refused with the server's words.
    """
    tool = str(places.postgres_folder() / "bin" / "psql")
    psql = [
        tool,
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        str(places.sockets),
        "-U",
        "app",
        "-d",
        "postgres",
        "-f",
        "-",
    ]
    done = processes.run_as(places.account, psql, stdin=ROLES)
    if done.returncode:
        raise Refused(f"PostgreSQL refused to make its roles: {' '.join(done.stdout.split())}")
