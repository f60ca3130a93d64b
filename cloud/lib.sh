# shellcheck shell=bash
# Settings of the test cloud and the few functions its scripts share. Sourced, never run.
#
# Every value can be given in the environment; those that `up` used are kept in $CLOUD_DIR/cloud.env,
# so that later commands see the same ones. Nothing is written beside this file.

CLOUD_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
MASAKARI_CACHE=${MASAKARI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/masakari-rs}
CLOUD_DIR=${CLOUD_DIR:-$MASAKARI_CACHE/cloud}  # etc/, log/, run/*.pid, state/
if [ -f "$CLOUD_DIR/cloud.env" ] && [ -z "${CLOUD_ENV_LOADED:-}" ]; then
    # shellcheck disable=SC1091
    . "$CLOUD_DIR/cloud.env"; CLOUD_ENV_LOADED=1
fi
# The services' virtualenv; its name tells the pinned versions, so that a changed pin makes a new one.
CLOUD_VENV=$MASAKARI_CACHE/cloud-venv-$(sha256sum "$CLOUD_HERE/requirements.txt" | cut -c1-12)
CLOUD_COMPUTES=${CLOUD_COMPUTES:-4}               # number of fake nova-computes
CLOUD_ADDR=${CLOUD_ADDR:-127.0.0.1}               # loopback only
CLOUD_REGION=${CLOUD_REGION:-RegionOne}
CLOUD_PASSWORD=${CLOUD_PASSWORD:-secret}          # one password for everything
CLOUD_WORKERS=${CLOUD_WORKERS:-2}                 # uwsgi processes of nova/keystone
CLOUD_REPORT_INTERVAL=${CLOUD_REPORT_INTERVAL:-3} # nova service heartbeat (s)
CLOUD_SERVICE_DOWN_TIME=${CLOUD_SERVICE_DOWN_TIME:-10}
# bcrypt rounds of Keystone's passwords. Its default is 12 (about 0.2 s of CPU per password login),
# devstack uses 4. Python Masakari logs in once per call to Nova: 4 favours it.
CLOUD_BCRYPT_ROUNDS=${CLOUD_BCRYPT_ROUNDS:-4}
CLOUD_FAKE_DRIVER=${CLOUD_FAKE_DRIVER:-fake.FakeDriverWithoutFakeNodes}
CLOUD_FAST_CLAIMS=${CLOUD_FAST_CLAIMS:-1}     # see nova_compute.py
CLOUD_NICE=${CLOUD_NICE:--10}                 # priority over other work on the machine
CLOUD_DEBUG=${CLOUD_DEBUG:-false}

# All below 32768, where the kernel begins to give ports to clients, which could be faster than a server.
PORT_MYSQL=${PORT_MYSQL:-13306}
PORT_MYSQL_RS=${PORT_MYSQL_RS:-13307}         # ours
PORT_GALERA=${PORT_GALERA:-13320}             # HAProxy; the nodes at 10, 20, 30 above it
PORT_MYSQL_BENCH=${PORT_MYSQL_BENCH:-23306}   # of bench-api: MariaDB, Python's API, ours
PORT_BENCH_PY=${PORT_BENCH_PY:-25868}
PORT_BENCH_RS=${PORT_BENCH_RS:-25869}
PORT_AMQP=${PORT_AMQP:-20672}
PORT_AMQP_DIST=${PORT_AMQP_DIST:-20673}
PORT_EPMD=${PORT_EPMD:-24369}
PORT_MEMCACHED=${PORT_MEMCACHED:-21211}
PORT_KEYSTONE=${PORT_KEYSTONE:-5000}
PORT_PLACEMENT=${PORT_PLACEMENT:-8778}
PORT_GLANCE=${PORT_GLANCE:-9292}
PORT_NOVA=${PORT_NOVA:-8774}
PORT_NOVA_PROXY=${PORT_NOVA_PROXY:-18774}       # see nova_proxy.py
PORT_NEUTRON=${PORT_NEUTRON:-9696}
PORT_MASAKARI=${PORT_MASAKARI:-15868}

ETC=$CLOUD_DIR/etc; LOG=$CLOUD_DIR/log; RUN=$CLOUD_DIR/run; STATE=$CLOUD_DIR/state
BIN=$CLOUD_VENV/bin
KEYSTONE_URL=http://$CLOUD_ADDR:$PORT_KEYSTONE/v3
AMQP_URL=rabbit://openstack:$CLOUD_PASSWORD@$CLOUD_ADDR:$PORT_AMQP/

CLOUD_VARS="CLOUD_COMPUTES CLOUD_ADDR CLOUD_REGION CLOUD_PASSWORD CLOUD_WORKERS
 CLOUD_REPORT_INTERVAL CLOUD_SERVICE_DOWN_TIME CLOUD_BCRYPT_ROUNDS CLOUD_FAKE_DRIVER
 CLOUD_FAST_CLAIMS CLOUD_NICE CLOUD_DEBUG PORT_MYSQL
 PORT_MYSQL_RS PORT_GALERA PORT_AMQP PORT_AMQP_DIST PORT_EPMD PORT_MEMCACHED
 PORT_KEYSTONE PORT_PLACEMENT PORT_GLANCE PORT_NOVA PORT_NOVA_PROXY PORT_NEUTRON PORT_MASAKARI"

say()  { printf '%s %s\n' "$(date +%H:%M:%S)" "$*"; }
die()  { say "ERROR: $*" >&2; exit 1; }

save_env() {
    local v
    mkdir -p "$CLOUD_DIR" "$ETC" "$LOG" "$RUN" "$STATE"
    # shellcheck disable=SC2086
    for v in $CLOUD_VARS; do printf '%s=%q\n' "$v" "${!v}"; done > "$CLOUD_DIR/cloud.env"
}

# Two servers of MariaDB: `mariadb` for OpenStack, `mariadb-rs` for ours, which the end-to-end suite
# kills without taking Nova's database along.
db_url() { # db_url DATABASE [PORT]
    echo "mysql+pymysql://openstack:$CLOUD_PASSWORD@$CLOUD_ADDR:${2:-$PORT_MYSQL}/$1?charset=utf8"
}
sql() { # sql [-s SERVER] mariadb's arguments
    local server=mariadb
    if [ "$1" = -s ]; then server=$2; shift 2; fi
    mariadb --no-defaults -S "$RUN/$server.sock" -u root "$@"
}
ensure_db() { # ensure_db DATABASE [SERVER]
    sql -s "${2:-mariadb}" -e "CREATE DATABASE IF NOT EXISTS $1 CHARACTER SET utf8;
            GRANT ALL ON $1.* TO 'openstack'@'%' IDENTIFIED BY '$CLOUD_PASSWORD';
            GRANT ALL ON $1.* TO 'openstack'@'localhost' IDENTIFIED BY '$CLOUD_PASSWORD';"
}
# Nothing is synced to the disk, but each commit reaches the kernel (2): a killed server loses nothing.
start_mariadb() { # start_mariadb SERVER PORT [OPTION...]
    local server=$1 port=$2 data=$STATE/$1 _; shift 2
    # A server that starts deletes what it takes for its own in the folder of temporary tables.
    mkdir -p "$data-tmp"
    if ! [ -d "$data/mysql" ]; then
        mkdir -p "$data"
        mariadb-install-db --no-defaults --datadir="$data" --user=root \
            --auth-root-authentication-method=normal --skip-test-db > "$LOG/$server-install.log" 2>&1
    fi
    start "$server" /usr/sbin/mariadbd --no-defaults --user=root --datadir="$data" --tmpdir="$data-tmp" \
        --socket="$RUN/$server.sock" --pid-file="$data/mysqld.pid" \
        --bind-address="$CLOUD_ADDR" --port="$port" \
        --innodb-flush-log-at-trx-commit=2 --innodb-flush-method=nosync \
        --innodb-doublewrite=0 --sync-binlog=0 --skip-log-bin \
        --innodb-buffer-pool-size=512M --max-connections=2000 \
        --performance-schema=OFF --skip-name-resolve "$@"
    # It listens on its port a moment before it makes its socket.
    wait_tcp "$port" 60 "$server"
    for _ in $(seq 100); do [ ! -S "$RUN/$server.sock" ] || return 0; sleep 0.1; done
    die "$server makes no socket (see $LOG/$server.log)"
}

alive() { # alive NAME: is the process of run/NAME.pid there?
    local p; p=$(cat "$RUN/$1.pid" 2>/dev/null) || return 1
    [ -n "$p" ] && kill -0 "$p" 2>/dev/null && [ "$(awk '{print $3}' "/proc/$p/stat" 2>/dev/null)" != Z ]
}

# A service lives longer than who starts it, and must not keep what that one has open, such as a lock.
close_what_was_inherited() {
    local fd
    for fd in /proc/"$BASHPID"/fd/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || [ "$fd" = 255 ] || eval "exec $fd>&-"
    done
}
# start NAME CMD...: run in its own session, output to log/NAME.log.
start() {
    local name=$1; shift
    if alive "$name"; then say "$name already running"; return 0; fi
    { close_what_was_inherited; exec setsid nice -n "$CLOUD_NICE" "$@"; } </dev/null >>"$LOG/$name.log" 2>&1 &
    echo $! > "$RUN/$name.pid"
}

# stop NAME [SIGNAL]: signal the process group recorded for NAME, then wait.
# Groups are safe: `start` made each service its own session leader.
stop() {
    local name=$1 sig=${2:-TERM} p i
    p=$(cat "$RUN/$name.pid" 2>/dev/null) || return 0
    if kill -0 "$p" 2>/dev/null; then
        kill -"$sig" -- "-$p" 2>/dev/null || kill -"$sig" "$p" 2>/dev/null
        for i in $(seq 100); do kill -0 -- "-$p" 2>/dev/null || break; sleep 0.1; done
        if kill -0 -- "-$p" 2>/dev/null; then kill -KILL -- "-$p" 2>/dev/null; fi
        say "stopped $name ($p)"
    fi
    rm -f "$RUN/$name.pid"
}

wait_tcp() { # wait_tcp PORT SECONDS WHAT
    local i
    for i in $(seq $(( $2 * 5 ))); do
        (exec 3<>"/dev/tcp/$CLOUD_ADDR/$1") 2>/dev/null && return 0
        sleep 0.2
    done
    die "$3 does not listen on port $1 after $2 s"
}
wait_http() { # wait_http URL SECONDS WHAT: any HTTP answer below 500 will do
    local i c
    for i in $(seq $(( $2 * 4 ))); do
        c=$(curl -s -o /dev/null -w '%{http_code}' -m 5 "$1" || true)
        [ "$c" != 000 ] && [ "$c" -lt 500 ] && return 0
        sleep 0.25
    done
    die "$3 does not answer at $1 after $2 s (see $LOG)"
}

# The line of each request to a service: the millisecond it began at, and how many it took.
REQUEST_LINE='%(tmsecs) %(method) %(uri) %(status) %(msecs)'
# uwsgi_app NAME PORT MODULE PROCESSES THREADS [ENV=VALUE...]. PYARGV becomes the application's
# command line, LOG_FORMAT the line written of each request, which is none without it.
uwsgi_app() {
    local name=$1 port=$2 module=$3 procs=$4 threads=$5; shift 5
    local log=(--disable-logging)
    [ -z "${LOG_FORMAT:-}" ] || log=(--log-format "$LOG_FORMAT")
    start "$name" env "$@" "$BIN/uwsgi" --http-socket "$CLOUD_ADDR:$port" \
        --module "$module" --callable application --master --master-fifo "$RUN/$name.fifo" --die-on-term \
        --processes "$procs" --threads "$threads" --enable-threads \
        --lazy-apps --thunder-lock --buffer-size 65535 --listen 100 \
        --post-buffering 65536 --add-header 'Connection: close' \
        --http-timeout 300 --socket-timeout 300 "${log[@]}" \
        --procname-prefix "$name " --virtualenv "$CLOUD_VENV" \
        ${PYARGV:+--pyargv "$PYARGV"}
}

authtoken() { # [keystone_authtoken] section for service user $1
    cat <<E
[keystone_authtoken]
www_authenticate_uri = http://$CLOUD_ADDR:$PORT_KEYSTONE
auth_url = $KEYSTONE_URL
memcached_servers = $CLOUD_ADDR:$PORT_MEMCACHED
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = $1
password = $CLOUD_PASSWORD
service_token_roles_required = true
interface = internal
region_name = $CLOUD_REGION
E
}
client_auth() { # generic keystoneauth section [$1] for user $2
    cat <<E
[$1]
auth_url = $KEYSTONE_URL
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = $2
password = $CLOUD_PASSWORD
region_name = $CLOUD_REGION
E
}

rabbit_env() { # private node: own epmd, own ports, own state, run as root
    mkdir -p "$STATE/rabbit" "$ETC/rabbit"
    cat > "$ETC/rabbit/rabbitmq.conf" <<E
listeners.tcp.1 = $CLOUD_ADDR:$PORT_AMQP
loopback_users = none
default_user = openstack
default_pass = $CLOUD_PASSWORD
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
log.console = false
log.file.level = warning
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
E
    echo '[].' > "$ETC/rabbit/enabled_plugins"
    : > "$ETC/rabbit/rabbitmq-env.conf"
    cat > "$ETC/rabbit/env" <<E
export HOME=$STATE/rabbit ERL_EPMD_PORT=$PORT_EPMD ERL_EPMD_ADDRESS=$CLOUD_ADDR
export RABBITMQ_NODENAME=cloud@localhost RABBITMQ_DIST_PORT=$PORT_AMQP_DIST
export RABBITMQ_CONF_ENV_FILE=$ETC/rabbit/rabbitmq-env.conf
export RABBITMQ_CONFIG_FILE=$ETC/rabbit/rabbitmq.conf
export RABBITMQ_ENABLED_PLUGINS_FILE=$ETC/rabbit/enabled_plugins
export RABBITMQ_MNESIA_BASE=$STATE/rabbit/mnesia RABBITMQ_LOG_BASE=$LOG
export RABBITMQ_PID_FILE=$RUN/rabbit-node.pid
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
E
}
start_rabbit() {
    rabbit_env
    # The scripts in /usr/sbin insist on becoming user rabbitmq; these do not.
    local sbin; sbin=$(echo /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin)
    # shellcheck disable=SC2016
    start rabbit bash -c '. "$1"; cd "$HOME"; exec "$2/rabbitmq-server"' rabbit "$ETC/rabbit/env" "$sbin"
    wait_tcp "$PORT_AMQP" 90 rabbitmq
}

compute_name() { printf 'compute%02d' "$1"; }
# A nova-compute that starts asks, one by one, for the server of each evacuation away from it that is
# still `done`. Nova closes such a record only while its server exists: those of the servers that the
# cases have deleted stay, 10 ms each, and after some thousands a start takes a minute.
close_evacuations_of_deleted_servers() {
    sql -e "UPDATE nova.migrations m JOIN nova.instances i ON i.uuid = m.instance_uuid
            SET m.status = 'completed' WHERE i.deleted != 0 AND m.migration_type = 'evacuation'
            AND m.status IN ('accepted', 'pre-migrating', 'done')"
}
start_compute() { # start_compute N: (re)start fake nova-compute number N
    local h; h=$(compute_name "$1")
    close_evacuations_of_deleted_servers
    mkdir -p "$STATE/$h"
    cat > "$ETC/nova/$h.conf" <<E
[DEFAULT]
host = $h
state_path = $STATE/$h
lock_path = $STATE/$h
[oslo_concurrency]
lock_path = $STATE/$h
E
    start "$h" env CLOUD_FAST_CLAIMS="$CLOUD_FAST_CLAIMS" "$BIN/python" \
        "$CLOUD_HERE/nova_compute.py" --config-file "$ETC/nova/nova.conf" \
        --config-file "$ETC/nova/$h.conf"
}

start_nova_api() {
    # Nova's own records know whole seconds only. A POST to /servers/ID/action answered with 200 is an
    # evacuation (a lock, a stop: 202).
    LOG_FORMAT=$REQUEST_LINE \
    uwsgi_app nova-api "$PORT_NOVA" nova.wsgi.osapi_compute "$CLOUD_WORKERS" 4 \
        OS_NOVA_CONFIG_DIR="$ETC/nova"
    wait_http "http://$CLOUD_ADDR:$PORT_NOVA/" 90 nova-api
}
start_nova_proxy() {
    start nova-proxy "$BIN/python" "$CLOUD_HERE/nova_proxy.py" "$CLOUD_ADDR" "$PORT_NOVA_PROXY" "$PORT_NOVA" \
        "$LOG/nova-asked.log"
    wait_tcp "$PORT_NOVA_PROXY" 20 nova-proxy
}
# Let nova-api answer what it was asked, then end it: what a rolling restart does.
drain_nova_api() {
    local i
    echo q > "$RUN/nova-api.fifo"
    for i in $(seq 300); do alive nova-api || { rm -f "$RUN/nova-api.pid"; return 0; }; sleep 0.1; done
    # After RabbitMQ was away it may hang at its exit, with everything answered.
    stop nova-api KILL
}
# HAProxy by itself on nova-api's port: it answers 503 to everything, as for servers that are away.
start_unavailable() {
    printf 'defaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\nlisten nova\n    bind %s:%s\n' \
        "$CLOUD_ADDR" "$PORT_NOVA" > "$ETC/unavailable.cfg"
    start unavailable haproxy -db -f "$ETC/unavailable.cfg"
    wait_tcp "$PORT_NOVA" 20 "who answers 503"
}
# The options of [DEFAULT] that Python Masakari and ours read alike; $1 is the name under state/.
masakari_defaults() {
    cat <<E
[DEFAULT]
debug = $CLOUD_DEBUG
os_privileged_user_name = masakari
os_privileged_user_password = $CLOUD_PASSWORD
os_privileged_user_tenant = service
os_privileged_user_auth_url = $KEYSTONE_URL
os_user_domain_name = Default
os_project_domain_name = Default
os_region_name = $CLOUD_REGION
nova_catalog_admin_info = compute:nova:${NOVA_INTERFACE:-public}URL
state_path = $STATE/$1
E
}
# Ours. RS_NAME is the name of a deployment: of its processes, its configuration and its state.
RS_NAME=${RS_NAME:-masakari-rs}
start_rs_api() { # start_rs_api [N]: API number N, on the port N - 1 above the first's
    local n=${1:-1} port suffix=
    port=$(( ${RS_PORT:-$PORT_MASAKARI} + n - 1 ))
    [ "$n" = 1 ] || suffix=$n
    printf '[DEFAULT]\nmasakari_api_listen_port = %s\n' "$port" > "$ETC/$RS_NAME/api$n.conf"
    start "$RS_NAME-api$suffix" "$RUN/bin/masakari-api" --config-file "$ETC/$RS_NAME/masakari.conf" \
        --config-file "$ETC/$RS_NAME/api$n.conf"
    wait_http "http://$CLOUD_ADDR:$port/" 30 "$RS_NAME-api$suffix"
}
start_rs_engine() { # start_rs_engine N: engine number N, all of one configuration
    start "$RS_NAME-engine$1" "$RUN/bin/masakari-engine" --config-file "$ETC/$RS_NAME/masakari.conf"
}
