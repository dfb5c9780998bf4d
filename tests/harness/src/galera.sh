# Runs a private Galera cluster of three nodes for as long as stdin stays open, then removes every trace of it.
#
#     sh -c "$script" galera SERVER INSTALL LIBRARY PARENT SETTINGS PORT...
#
# SERVER and INSTALL are the programs mariadbd and mariadb-install-db, LIBRARY is Galera's. SETTINGS are options of each server. Each node has
# four ports: for SQL, for its group, and for two kinds of state transfer. Says "ready PORT" on stdout, or what went wrong. Then it takes
# orders on stdin, a line each, and answers each with "done" or "failed" when it is carried out. N is 1, 2 or 3:
#
#     stop N          stops the node in order
#     crash N         kills it with SIGKILL
#     start N...      starts it again, or several, and waits until they have joined the others
#     freeze N        stops it with SIGSTOP; thaw N lets it go on
#
# The one that holds the other end of stdin need do nothing to end it: the kernel closes a pipe however a process dies.
set -u
server=$1 install=$2 library=$3 parent=$4 settings=$5
shift 5
unset MYSQL_HOST MYSQL_TCP_PORT MYSQL_UNIX_PORT MYSQL_HOME user
export LC_ALL=C
trap '' HUP INT TERM PIPE

# MariaDB refuses to run as root, and whom it runs as instead must be able to enter its folder.
as_server() { exec "$@"; }
if [ "$(id -u)" = 0 ]; then
    user=mysql
    id -u "$user" >/dev/null 2>&1 || user=nobody
    as_server() { exec setpriv --reuid "$(id -u "$user")" --regid "$(id -g "$user")" --clear-groups -- "$@"; }
    (as_server sh -c 'cd "$1"' sh "$parent") 2>/dev/null || parent=/tmp
fi

folder=$(mktemp -d "$parent/daybook-galera.XXXXXX") || { echo "no folder in $parent"; exit 1; }
cd "$folder" || exit 1

sql_1=$1 group_1=$2 ist_1=$3 sst_1=$4
sql_2=$5 group_2=$6 ist_2=$7 sst_2=$8
shift 8
sql_3=$1 group_3=$2 ist_3=$3 sst_3=$4
nodes=127.0.0.1:$group_1,127.0.0.1:$group_2,127.0.0.1:$group_3

port() { eval "echo \$$1_$2"; }
pid() { cat "$folder/$1/pid"; }

# A node that is lost is noticed within two seconds instead of six, and one that joins is let in at once.
timing='evs.suspect_timeout=PT1S;evs.inactive_timeout=PT3S;evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.3S;evs.join_retrans_period=PT0.2S;evs.install_timeout=PT2S;pc.announce_timeout=PT0.3S'

# Two servers with one temporary folder remove each other's tables.
configure() {
    mkdir "$1" "$1/tmp"
    cat >"$1/my.cnf" <<C
[mysqld]
datadir=$folder/$1/data
tmpdir=$folder/$1/tmp
socket=$folder/$1/socket
pid-file=$folder/$1/server.pid
port=$(port sql "$1")
bind-address=127.0.0.1
skip-name-resolve
default-storage-engine=InnoDB
binlog-format=ROW
innodb-autoinc-lock-mode=2
wsrep-on=ON
wsrep-provider=$library
wsrep-cluster-name=tests
wsrep-cluster-address=gcomm://$nodes
wsrep-node-name=n$1
wsrep-node-address=127.0.0.1:$(port sql "$1")
wsrep-node-incoming-address=127.0.0.1:$(port sql "$1")
wsrep-sst-method=rsync
wsrep-sst-receive-address=127.0.0.1:$(port sst "$1")
wsrep-provider-options="base_host=127.0.0.1;base_port=$(port group "$1");gmcast.listen_addr=tcp://127.0.0.1:$(port group "$1");ist.recv_addr=127.0.0.1:$(port ist "$1");gcache.size=32M;pc.recovery=true;$timing"
C
}

own() { [ -z "${user:-}" ] || chown -R "$user" "$folder"; }

launch() {
    node=$1
    shift
    : >"$node/server.log"
    (as_server "$server" --defaults-file="$folder/$node/my.cnf" $settings "$@" >>"$node/server.log" 2>&1) &
    echo $! >"$node/pid"
}

# Whether the node has joined: its log says so, and then its process still lives.
has_joined() {
    node=$1
    tries=0
    until grep -q 'Synchronized with group, ready for connections' "$node/server.log" && grep -q "port: $(port sql "$node") " "$node/server.log"; do
        kill -0 "$(pid "$node")" 2>/dev/null && [ "$tries" -lt 1200 ] || return 1
        tries=$((tries + 1))
        sleep 0.05
    done
}

start_first() { launch 1 --wsrep-new-cluster && has_joined 1; }

# Of a minority, one alone would wait for the others.
start_again() {
    for node; do launch "$node"; done
    for node; do has_joined "$node" || return 1; done
}

# The first node makes its data and stops. The others begin with a copy of it, so that they have little to catch up with.
start() {
    for node in 1 2 3; do configure $node; done
    own
    (TMPDIR=$folder/1/tmp as_server "$install" --no-defaults --datadir="$folder/1/data" --tmpdir="$folder/1/tmp" --auth-root-authentication-method=normal --skip-test-db) || return 1
    start_first && end 1 TERM || return 1
    for node in 2 3; do cp -a 1/data $node/data || return 1; done
    own
    start_first && start_again 2 3
}

end() {
    kill -CONT "$(pid "$1")" 2>/dev/null
    kill "-$2" "$(pid "$1")" 2>/dev/null
    wait "$(pid "$1")"
    ! kill -0 "$(pid "$1")" 2>/dev/null
}

obey() {
    case $1 in
        stop) end "$2" TERM ;;
        crash) end "$2" KILL ;;
        start) start_again $2 ;;
        freeze) kill -STOP "$(pid "$2")" ;;
        thaw) kill -CONT "$(pid "$2")" ;;
        *) return 1 ;;
    esac
}

if start >start.log 2>&1 </dev/null; then
    echo "ready $sql_1"
    while read -r order node; do
        if obey "$order" "$node" >>start.log 2>&1 </dev/null; then echo "done"; else echo "failed"; fi
    done
else
    cat start.log ./*/server.log 2>/dev/null
fi
exec >/dev/null 2>&1

cat
for node in 1 2 3; do end $node KILL; done
cd /
rm -rf "$folder"
