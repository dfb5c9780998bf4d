# Runs a private PostgreSQL server for as long as stdin stays open, then removes every trace of it.
#
#     sh -c "$script" postgres PROGRAMS PARENT SETTINGS PORT...
#
# SETTINGS are options of the server, such as "-c fsync=off".
# Says "ready PORT" on stdout, or what went wrong, and closes stdout. The one that holds the other end of stdin need do
# nothing to end it: the kernel closes a pipe however a process dies.
set -u
programs=$1 parent=$2 settings=$3
shift 3
unset PGDATA PGHOST PGPORT PGOPTIONS user
export LC_ALL=C
trap '' HUP INT TERM PIPE

# PostgreSQL refuses to run as root, and whom it runs as instead must be able to enter its folder.
as_server() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    user=postgres
    id -u "$user" >/dev/null 2>&1 || user=nobody
    if command -v setpriv >/dev/null; then
        as_server() { setpriv --reuid "$(id -u "$user")" --regid "$(id -g "$user")" --clear-groups -- "$@"; }
    else
        as_server() { runuser -u "$user" -- "$@"; }
    fi
    as_server sh -c 'cd "$1"' sh "$parent" 2>/dev/null || parent=/tmp
fi

folder=$(mktemp -d "$parent/daybook-postgres.XXXXXX") || { echo "no folder in $parent"; exit 1; }
[ -z "${user:-}" ] || chown "$user" "$folder"
cd "$folder" || exit 1

start() {
    as_server "$programs/initdb" --pgdata="$folder/data" --username=postgres --auth=trust --encoding=UTF8 --no-locale \
        --no-sync || return 1
    for port; do
        as_server "$programs/pg_ctl" --pgdata="$folder/data" --log="$folder/server.log" --wait --timeout=60 start -o "\
            -c port=$port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' $settings" && return 0
    done
    return 1
}

if start "$@" >start.log 2>&1 </dev/null; then
    echo "ready $port"
else
    cat start.log server.log 2>/dev/null
fi
exec >/dev/null 2>&1

cat
as_server "$programs/pg_ctl" --pgdata="$folder/data" --mode=immediate --wait stop </dev/null
cd /
rm -rf "$folder"
