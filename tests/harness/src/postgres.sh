# Runs a private PostgreSQL server for as long as stdin stays open, then removes every trace of it.
#
#     sh -c "$script" postgres PROGRAMS PARENT SETTINGS PRIMARY PORT...
#
# SETTINGS are options of the server, such as "-c fsync=off". PRIMARY is the port of the server that this one is a standby of, or
# empty. With SMALL_DISKS in the environment, its data and its log (pg_wal) lie on a small disk in memory each: for that it has to be
# run by root, in a mount namespace of its own.
# Says "ready PORT" on stdout, or what went wrong. Then it takes orders on stdin, a line each, and answers each with "done" or
# "failed" when it is carried out:
#
#     stop MODE       stops the server: smart, fast or immediate (as a crash would)
#     start           starts it again, on its port
#     promote -       makes a primary of a standby
#     standby         makes it one, whose primary is gone, when it is started again
#     kill PID        kills one of its processes with SIGKILL
#     fill DISK       leaves no room on a small disk, data or log; free DISK makes room again
#     freeze PID      stops one of its processes with SIGSTOP; thaw PID lets it go on
#
# The one that holds the other end of stdin need do nothing to end it: the kernel closes a pipe however a process dies.
set -u
programs=$1 parent=$2 settings=$3 primary=$4
shift 4
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

control() { as_server "$programs/pg_ctl" --pgdata="$folder/data" --wait --timeout=60 "$@"; }

start_on() {
    control --log="$folder/server.log" start -o "\
        -c port=$1 -c listen_addresses=127.0.0.1 -c unix_socket_directories='' $settings"
}

# The least that an empty server and a database take, and some room: the log has segments of 1 MB.
mount_small_disks() {
    mkdir data log
    mount -t tmpfs -o size=80m tmpfs data && mount -t tmpfs -o size=24m tmpfs log && chown "$user" data log && chmod 700 data log
}

make() {
    if [ -n "${SMALL_DISKS:-}" ]; then
        mount_small_disks || return 1
        as_server "$programs/initdb" --pgdata="$folder/data" --waldir="$folder/log" --wal-segsize=1 --username=postgres --auth=trust \
            --encoding=UTF8 --no-locale --no-sync
    elif [ -n "$primary" ]; then
        # It has no limit of its own, and its primary may be cut off.
        as_server timeout 120 "$programs/pg_basebackup" --host=127.0.0.1 --port="$primary" --username=postgres --pgdata="$folder/data" \
            --checkpoint=fast --write-recovery-conf --no-sync
    else
        as_server "$programs/initdb" --pgdata="$folder/data" --username=postgres --auth=trust --encoding=UTF8 --no-locale \
            --no-sync
    fi
}

start() {
    make || return 1
    for port; do
        start_on "$port" && return 0
    done
    return 1
}

obey() {
    case $1 in
        stop) control --mode="$2" stop ;;
        start) start_on "$port" ;;
        promote) control promote ;;
        standby) as_server touch "$folder/data/standby.signal" ;;
        fill) cat /dev/zero >"$2/ballast"; [ -s "$2/ballast" ] ;;
        free) rm "$2/ballast" ;;
        kill) kill -KILL "$2" ;;
        freeze) kill -STOP "$2" ;;
        thaw) kill -CONT "$2" ;;
        *) return 1 ;;
    esac
}

if start "$@" >start.log 2>&1 </dev/null; then
    echo "ready $port"
    while read -r order what; do
        if obey "$order" "${what:-}" >>start.log 2>&1 </dev/null; then echo "done"; else echo "failed"; fi
    done
else
    cat start.log server.log 2>/dev/null
fi
exec >/dev/null 2>&1

cat
control --mode=immediate stop </dev/null
cd /
[ -z "${SMALL_DISKS:-}" ] || umount "$folder/data" "$folder/log"
rm -rf "$folder"
