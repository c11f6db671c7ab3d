"""Servers for commands: started once, kept while used, gone afterwards."""

import os
import signal
import time

import pytest

from tests.servers.conftest import ATTACH, gone, processes_of

pytestmark = pytest.mark.slow

STARTED = "starting PostgreSQL 18"


def test_five_commands_at_once_start_the_servers_once(shared_folder):
    before = shared_folder.log("postgres").count(STARTED) if (shared_folder.path / "logs").exists() else 0
    commands = [
        shared_folder.python("-c", ATTACH + "time.sleep(0.5); print(os.environ['DATABASE_URL'])") for _ in range(5)
    ]
    outputs = {command.communicate(timeout=60)[0] for command in commands}
    assert len(outputs) == 1
    assert outputs.pop().startswith("postgres://app@/gpuadvisor?host=")
    assert [command.returncode for command in commands] == [0] * 5
    assert shared_folder.log("postgres").count(STARTED) == before + 1
    assert gone(str(shared_folder.path))


def test_a_second_start_keeps_the_data(shared_folder):
    shared_folder.psql("create table kept as select 42 as number")
    assert gone(str(shared_folder.path))
    assert shared_folder.psql("select number from kept") == "[(42,)]"


def test_what_the_broker_was_told_outlives_it_and_the_cache_forgets(shared_folder):
    ask = (
        "import redis; broker, cache = (redis.Redis(unix_socket_path=str(places.sockets / f'{name}.sock')) "
        "for name in ('broker', 'cache')); "
    )
    shared_folder.attach(ask + "broker.set('kept', 1); cache.set('kept', 1)")
    assert gone(str(shared_folder.path))
    told = shared_folder.attach(ask + "print(broker.get('kept'), cache.get('kept'))")
    assert told.strip() == "b'1' None"


def test_each_role_has_the_timeouts_of_its_work(shared_folder):
    asked = shared_folder.psql(
        "select rolname, (select string_agg(c, ' ' order by c) from unnest(rolconfig) c) from pg_roles"
        " where rolname in ('app', 'web', 'worker') order by 1"
    )
    assert "('app', None)" in asked
    assert "('web', 'idle_in_transaction_session_timeout=30s lock_timeout=2s statement_timeout=5s')" in asked
    assert "('worker', 'idle_in_transaction_session_timeout=30s lock_timeout=2s statement_timeout=60s')" in asked
    assert shared_folder.psql("show data_checksums") == "[('on',)]"


def test_kill_9_of_the_only_command_ends_the_servers(shared_folder):
    command = shared_folder.python("-c", ATTACH + "print('up', flush=True); time.sleep(60)")
    assert command.stdout.readline() == "up\n"
    command.kill()
    command.communicate()
    assert gone(str(shared_folder.path))


def test_kill_9_of_the_keeper_ends_the_servers_and_the_next_command_starts_them(shared_folder):
    command = shared_folder.python("-c", ATTACH + "print('up', flush=True); time.sleep(60)")
    assert command.stdout.readline() == "up\n"
    [keeper] = processes_of(f"servers keep --by-hand {shared_folder.path}")
    os.kill(keeper, signal.SIGKILL)
    time.sleep(0.1)
    assert shared_folder.psql("select 1") == "[(1,)]"  # waits for the old server to end, then starts anew
    command.kill()
    command.communicate()
    assert gone(str(shared_folder.path))


def test_lock_files_that_name_a_stranger_do_not_stop_a_start(shared_folder):
    stranger = shared_folder.python("-c", "import time; time.sleep(60)")
    (shared_folder.path / "pg" / "postmaster.pid").write_text(f"{stranger.pid}\n{shared_folder.path}/pg\n")
    assert shared_folder.psql("select 1") == "[(1,)]"
    stranger.kill()
    stranger.communicate()


def test_named_servers_are_left_alone_and_only_the_others_started(shared_folder):
    names = {"DATABASE_URL": "postgres://a@elsewhere/b", "CACHE_URL": "redis://elsewhere"}
    told = shared_folder.attach(
        "print(os.environ['DATABASE_URL'], os.environ['CACHE_URL'], os.environ['REDIS_URL'])", **names
    )
    assert told.startswith("postgres://a@elsewhere/b redis://elsewhere redis+socket:///")
    before = shared_folder.log("postgres").count(STARTED)
    shared_folder.attach("", REDIS_URL="redis://elsewhere", **names)
    assert shared_folder.log("postgres").count(STARTED) == before
