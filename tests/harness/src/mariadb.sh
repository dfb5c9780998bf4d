# Runs a private MariaDB server for as long as stdin stays open, then removes every trace of it.
#
#     sh -c "$script" mariadb SERVER INSTALL PARENT SETTINGS PORT...
#
# SERVER and INSTALL are the programs mariadbd and mariadb-install-db. SETTINGS are options of the server, such as "--max-connections=9".
# Says "ready PORT" on stdout, or what went wrong. Then it takes orders on stdin, a line each, and answers each with "done" or
# "failed" when it is carried out:
#
#     stop            stops the server in order
#     crash           kills it with SIGKILL
#     start           starts it again, on its port
#     freeze          stops it with SIGSTOP; thaw lets it go on
#
# The one that holds the other end of stdin need do nothing to end it: the kernel closes a pipe however a process dies.
set -u
server=$1 install=$2 parent=$3 settings=$4
shift 4
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

folder=$(mktemp -d "$parent/daybook-mariadb.XXXXXX") || { echo "no folder in $parent"; exit 1; }
# A server removes the temporary tables that it finds when it starts, whosever they are.
mkdir "$folder/tmp" || exit 1
[ -z "${user:-}" ] || chown "$user" "$folder" "$folder/tmp"
cd "$folder" || exit 1

make() {
    (TMPDIR=$folder/tmp as_server "$install" --no-defaults --datadir="$folder/data" --tmpdir="$folder/tmp" --auth-root-authentication-method=normal --skip-test-db)
}

# Whether the server answers: its log says so, and then its process still lives.
start_on() {
    : >server.log
    (as_server "$server" --no-defaults --datadir="$folder/data" --tmpdir="$folder/tmp" --socket="$folder/socket" --pid-file="$folder/pid" \
        --port="$1" --bind-address=127.0.0.1 --skip-name-resolve $settings >>server.log 2>&1) &
    pid=$!
    tries=0
    until grep -q 'ready for connections' server.log; do
        kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 1200 ] || return 1
        tries=$((tries + 1))
        sleep 0.05
    done
    grep -q "port: $1 " server.log
}

start() {
    make || return 1
    for port; do
        start_on "$port" && return 0
        end KILL
    done
    return 1
}

end() {
    kill -CONT "$pid" 2>/dev/null
    kill "-$1" "$pid" 2>/dev/null
    wait "$pid"
}

obey() {
    case $1 in
        stop) end TERM ;;
        crash) end KILL ;;
        start) start_on "$port"; return ;;
        freeze) kill -STOP "$pid"; return ;;
        thaw) kill -CONT "$pid"; return ;;
        *) return 1 ;;
    esac
    ! kill -0 "$pid" 2>/dev/null
}

if start "$@" >start.log 2>&1 </dev/null; then
    echo "ready $port"
    while read -r order; do
        if obey "$order" >>start.log 2>&1 </dev/null; then echo "done"; else echo "failed"; fi
    done
else
    cat start.log server.log 2>/dev/null
fi
exec >/dev/null 2>&1

cat
end KILL
cd /
rm -rf "$folder"
