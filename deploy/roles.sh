#!/bin/sh
# The roles of web and worker with their timeouts, and who may copy the database. Runs once, on an empty cluster, as the
# image's start does; on a server of your own: PGUSER=postgres APP=app sh deploy/roles.sh (again at any time).
set -eu
folder=${SECRETS:-/run/secrets}
owner=${POSTGRES_USER:-${APP:-app}}
database=${POSTGRES_DB:-gpuadvisor}
web=$(cat "$folder/web_password")
worker=$(cat "$folder/worker_password")

psql -X -q -v ON_ERROR_STOP=1 -d "$database" -v owner="$owner" -v db="$database" -v web="$web" -v worker="$worker" <<'SQL'
select format('create role %I login', name) from unnest(array['web', 'worker']) as name
 where not exists (select from pg_roles where rolname = name) \gexec
alter role web password :'web';
alter role worker password :'worker';
grant pg_read_all_data, pg_write_all_data to web, worker;
grant :"owner" to worker;
alter role web set statement_timeout = '5s';
alter role worker set statement_timeout = '60s';
alter role web set lock_timeout = '2s';
alter role worker set lock_timeout = '2s';
alter role web set idle_in_transaction_session_timeout = '30s';
alter role worker set idle_in_transaction_session_timeout = '30s';
SQL
