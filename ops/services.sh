#!/usr/bin/env bash
# The servers that millgate talks to, and the programs that its build and its tests need.
#
#   ops/services.sh up            start Kafka, Redis, PostgreSQL and an SMTP catcher; return when all of them answer
#   ops/services.sh down          stop them and keep their data; down --wipe removes it
#   ops/services.sh status        what runs, and where; exit code 0 when everything does
#   ops/services.sh with CMD…     up, run CMD, stop what this call started (KEEP=1: don't), exit with CMD's code
#   ops/services.sh build-tools   what `cargo build` needs; installed where apt-get can
#   ops/services.sh test-tools    what the tests need, and the servers without Docker; likewise
#
# Where a Docker engine answers, `up` is `docker compose up`. Elsewhere, or with SERVICES=local, the servers are plain
# processes on the same ports, with everything they write below .services/.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
state=$root/.services
jars=$state/kafka/libs
axe_version=4.6.3
axe=$state/axe/axe-$axe_version.min.js
services=(kafka redis postgres smtp)

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# --- what has to be installed ---

missing=() # Debian's package names

# build_needs PACKAGE TEST…: the package is missing unless the test passes.
build_needs() { "${@:2}" >/dev/null 2>&1 || missing+=("$1"); }

build_tools() {
    build_needs gcc has cc
    # librdkafka's configure ends without a C++ compiler, although nothing here links its C++ part.
    build_needs g++ has c++
    build_needs make has make
    build_needs pkg-config has pkg-config
    build_needs libssl-dev pkg-config --exists openssl
    build_needs zlib1g-dev pkg-config --exists zlib
    install_missing "the build"
}

test_tools() {
    check_test_tools
    install_missing "the tests"
    check_test_tools
    [ ${#missing[@]} = 0 ] || die "still missing after their installation: ${missing[*]}"
    have_jars kafka || download_jars kafka "Apache Kafka" 60
    have_jars debezium || download_jars debezium "Kafka Connect with Debezium" 40
    have_jars apicurio || download_jars apicurio "a schema registry, Apicurio's" 140
    [ -f "$axe" ] || download_axe
    find_promtool >/dev/null || download_promtool
    # For tests that run a server, or a browser, of their own.
    printf '%s\n' "REDIS_SERVER=$(find_redis)" "POSTGRES_BIN=$(find_postgres)" "PYTHON=$(find_python)" \
        "JAVA=$(find_java)" "CHROMIUM=$(find_chromium)" "CHROMEDRIVER=$(find_chromedriver)" "AXE=$axe" \
        "PROMTOOL=$(find_promtool)" >"$state/tools.env"
}

check_test_tools() {
    missing=()
    find_redis >/dev/null || missing+=(redis-tools)
    find_postgres >/dev/null || missing+=(postgresql)
    find_python >/dev/null || missing+=(python3-aiosmtpd)
    find_java >/dev/null || missing+=("$(java_package)")
    find_chromium >/dev/null || missing+=(chromium)
    find_chromedriver >/dev/null || missing+=(chromium-driver)
    { have_jars kafka && have_jars debezium && have_jars apicurio && [ -f "$axe" ]; } || has mvn || missing+=(maven)
}

install_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    local purpose=$1 as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    if ! has apt-get || ! "${as_root[@]}" true 2>/dev/null; then
        die "$purpose needs ${missing[*]} (Debian's names). To install that needs root or sudo, for example:
    sudo apt-get install --no-install-recommends ${missing[*]}"
    fi

    mkdir -p "$state"
    say "Installing for $purpose: ${missing[*]} …"
    if [[ " ${missing[*]} " == *" postgresql "* ]]; then keep_apt_from_creating_a_cluster; fi
    # The package lists are fetched only if they turn out to be absent or stale.
    { apt_get install "${missing[@]}" || { apt_get update && apt_get install "${missing[@]}"; }; } \
        >"$state/apt.log" 2>&1 || { tail -n 15 "$state/apt.log" >&2; die "apt-get failed; all of it: $state/apt.log"; }
}

# needrestart (Ubuntu) would restart services that have nothing to do with this.
apt_get() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get -y -o DPkg::Lock::Timeout=120 --no-install-recommends "$@"
}

# Debian's postgresql would create a database cluster on port 5432 and start it, now and at each boot.
keep_apt_from_creating_a_cluster() {
    local folder=/etc/postgresql-common/createcluster.d
    "${as_root[@]}" mkdir -p "$folder"
    echo "create_main_cluster = false" | "${as_root[@]}" tee "$folder/millgate.conf" >/dev/null
    # shellcheck disable=SC2064 # expanded now: as_root is gone at exit
    trap "${as_root[*]} rm -f $folder/millgate.conf" EXIT
}

# Kafka 4 and Debezium 3 run on Java 17 and later. The default is older than that in Ubuntu 22.04; Debian 13 has no 17 any more.
java_package() {
    if apt-cache policy openjdk-17-jre-headless 2>/dev/null | grep 'Candidate: [0-9]' >/dev/null; then
        echo openjdk-17-jre-headless
    else
        echo default-jre-headless
    fi
}

# Debian's redis-server package starts a server and enables it at boot. The program itself is in redis-tools, which does
# neither: redis-check-rdb is the same file, and acts by the name it is called by.
find_redis() {
    if has redis-server; then
        command -v redis-server
    elif has redis-check-rdb; then
        mkdir -p "$state/bin"
        ln -sf "$(command -v redis-check-rdb)" "$state/bin/redis-server"
        echo "$state/bin/redis-server"
    else
        return 1
    fi
}

# The newest server's folder: initdb, postgres and psql belong together, and Debian has them outside the PATH.
find_postgres() {
    local bin newest
    newest=$(for bin in /usr/lib/postgresql/*/bin; do [ ! -x "$bin/postgres" ] || echo "$bin"; done | sort -V | tail -n 1)
    if [ -n "$newest" ]; then
        echo "$newest"
    else
        has postgres && dirname "$(readlink -f "$(command -v postgres)")"
    fi
}

find_java() {
    local java version
    for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java)" /usr/lib/jvm/*/bin/java; do
        version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p') || continue
        if [ "${version:-0}" -ge 17 ]; then
            echo "$java"
            return
        fi
    done
    return 1
}

# A module from a Debian package is visible to Debian's interpreter only, which need not be the first in the PATH.
find_python() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -c 'import aiosmtpd' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    return 1
}

# What checks and tests the rules of ops/prometheus.
find_promtool() {
    if has promtool; then
        command -v promtool
    elif [ -x "$state/bin/promtool" ]; then
        echo "$state/bin/promtool"
    else
        return 1
    fi
}

# Debian's package would start a server, now and at each boot, and bring what its pages need. Only the one program is taken out.
download_promtool() {
    say "Downloading promtool (once, about 20 MB) …"
    local part=$state/promtool.part as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    rm -rf "$part"
    mkdir -p "$part" "$state/bin"
    (cd "$part" && { apt-get download prometheus || { apt_get update && apt-get download prometheus; }; } &&
        dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool) >"$state/apt.log" 2>&1 ||
        { tail -n 15 "$state/apt.log" >&2; die "promtool cannot be had from Debian's package prometheus; put one into the PATH"; }
    mv "$part/usr/bin/promtool" "$state/bin/promtool"
    rm -rf "$part"
}

# Both have to be of the same version: Debian's come together, and Chrome's go with a driver of one's own.
find_chromium() { command -v chromium || command -v google-chrome; }

find_chromedriver() { command -v chromedriver; }

# The jars carry the list they were made from: an edited pom.xml means another download.
have_jars() { cmp -s "$root/ops/$1/pom.xml" "$state/$1/libs/pom.xml"; }

# download_jars FOLDER WHAT MEGABYTES
download_jars() {
    local list=$root/ops/$1/pom.xml libs=$state/$1/libs
    local part=$libs.part
    say "Downloading $2 (once, about $3 MB) …"
    rm -rf "$part"
    mkdir -p "$part"
    mvn --batch-mode --quiet --strict-checksums -Dstyle.color=never --file "$list" \
        dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$part" >"$state/maven.log" 2>&1 ||
        { tail -n 15 "$state/maven.log" >&2; die "Maven could not download $2; all of it: $state/maven.log"; }
    # What comes as an archive of jars is unpacked, and not kept twice.
    local archive
    for archive in "$part"/*.tar.gz; do
        [ ! -f "$archive" ] || { tar -xzf "$archive" -C "$part" && rm "$archive"; }
    done
    cp "$list" "$part/pom.xml"
    # Renamed when complete: an interrupted download never looks like a finished one.
    rm -rf "$libs"
    mv "$part" "$libs"
}

# What finds barriers on pages. It is used in tests and shipped with nothing.
download_axe() {
    local part=$state/axe.part
    rm -rf "$part"
    mkdir -p "$part"
    mvn --batch-mode --quiet --strict-checksums -Dstyle.color=never \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        "-Dartifact=org.webjars.npm:axe-core:$axe_version" -DoutputDirectory="$part" >"$state/maven.log" 2>&1 ||
        { tail -n 15 "$state/maven.log" >&2; die "Maven could not download axe-core; all of it: $state/maven.log"; }
    "$(find_python)" - "$part/axe-core-$axe_version.jar" "$part/${axe##*/}" <<'END'
import sys, zipfile
jar = zipfile.ZipFile(sys.argv[1])
[script] = [name for name in jar.namelist() if name.endswith("/axe.min.js")]
open(sys.argv[2], "wb").write(jar.read(script))
END
    mkdir -p "${axe%/*}"
    mv "$part/${axe##*/}" "$axe"
    rm -rf "$part"
}

# --- local processes ---

port() { case $1 in kafka) echo 19092 ;; redis) echo 16379 ;; postgres) echo 15432 ;; smtp) echo 11025 ;; esac; }

# How a service's command line looks. A recorded pid whose command line does not is somebody else's by now.
looks_like() {
    case $1 in
        kafka) [[ $2 == *" kafka.Kafka $root/ops/kafka/server.properties"* ]] ;;
        redis) [[ $2 == *redis-server*16379* ]] ;;
        postgres) [[ $2 == *"/postgres -D $(postgres_home)/data "* ]] ;;
        smtp) [[ $2 == *" $root/tests/kit/smtp_server.py --port 11025"* ]] ;;
    esac
}

command_of() { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null

# pid_of NAME: nothing, and an error, unless it runs.
pid_of() {
    local pid
    pid=$(cat "$state/$1.pid" 2>/dev/null) && looks_like "$1" "$(command_of "$pid")" && echo "$pid"
}

idle() { for name in "${services[@]}"; do pid_of "$name" >/dev/null || echo "$name"; done; }

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# first_line PORT [REQUEST]: what a server says first.
first_line() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1"
        printf '%b' "${2:-}" >&3
        IFS= read -r -t 2 line <&3
        printf '%s' "$line"
    ) 2>/dev/null
}

answers() {
    case $1 in
        # The port opens earlier, while the broker still refuses most requests.
        kafka) grep -q 'Kafka Server started' "$state/kafka.log" && listens 19092 ;;
        redis) [[ $(first_line 16379 'PING\r\n') == +PONG* ]] ;;
        postgres) "$(find_postgres)/pg_isready" --quiet --host 127.0.0.1 --port 15432 ;;
        smtp) [[ $(first_line 11025) == 220* ]] ;;
    esac
}

# launch NAME FOLDER COMMAND…: in a session of its own, so that the end of this shell or of its terminal is not its end.
launch() {
    local name=$1 folder=$2
    shift 2
    (
        cd "$folder"
        # An inherited pipe would keep its reader waiting for as long as the server lives.
        for fd in /proc/"$BASHPID"/fd/*; do
            fd=${fd##*/}
            [ "$fd" -le 2 ] || exec {fd}>&-
        done
        exec setsid "$@" >"$state/$name.log" 2>&1 </dev/null
    ) &
    echo $! >"$state/$name.pid"
}

start() {
    local name=$1 pid port
    if pid=$(pid_of "$name"); then
        say "$name: already running, pid $pid"
        return
    fi
    for port in $(port "$name") $([ "$name" != kafka ] || echo 19093); do
        ! listens "$port" || die "$name: 127.0.0.1:$port is taken by another program (ss -ltnp 'sport = :$port' shows" \
            "which). Stop that one, and repeat."
    done
    mkdir -p "$state/$name"
    "start_$name"
}

start_kafka() {
    local jvm=("$(find_java)" -Xms64m -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
        "-Dlog4j2.configurationFile=$root/ops/kafka/log4j2.properties" -cp "$jars/*")
    local conf=$root/ops/kafka/server.properties
    if [ ! -f "$state/kafka/data/meta.properties" ]; then
        # Any 16 bytes will do as a cluster id: these are "millgate-local-1" in base64.
        (cd "$state/kafka" && "${jvm[@]}" kafka.tools.StorageTool format -t bWlsbGdhdGUtbG9jYWwtMQ -c "$conf") \
            >"$state/kafka.log" 2>&1 || gave_up kafka
    fi
    launch kafka "$state/kafka" "${jvm[@]}" kafka.Kafka "$conf"
}

start_redis() {
    launch redis "$state/redis" "$(find_redis)" --bind 127.0.0.1 --port 16379 --dir "$state/redis" \
        --appendonly yes --appendfsync everysec --save '' --maxmemory-policy noeviction
}

start_smtp() {
    launch smtp "$state/smtp" "$(find_python)" "$root/tests/kit/smtp_server.py" --port 11025 --maildir "$state/smtp/mail"
}

# Usually .services/postgres, unless recorded otherwise.
postgres_home() { cat "$state/postgres.home" 2>/dev/null || echo "$state/postgres"; }

start_postgres() {
    local bin home pid as=() user=postgres
    bin=$(find_postgres)
    home=$(postgres_home)
    if [ "$(id -u)" = 0 ]; then
        # PostgreSQL refuses to run as root, so its files belong to somebody else,
        id -u postgres >/dev/null 2>&1 || user=nobody
        as=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
        [ -d "$home" ] || { rm -f "$state/postgres.home"; home=$state/postgres; }
        chown "$user" "$home"
        # who may have no way into this folder, below /root for example.
        if ! "${as[@]}" test -w "$home" 2>/dev/null; then
            home=$(mktemp -d /var/tmp/millgate-postgres.XXXXXX)
            chown "$user" "$home"
            echo "$home" >"$state/postgres.home"
        fi
    fi
    if [ ! -d "$home/data" ]; then
        # Complete or absent: the folder gets its name last.
        (
            cd "$home" && "${as[@]}" rm -rf new && echo millgate | "${as[@]}" tee password &&
                "${as[@]}" "$bin/initdb" -D new -U millgate --auth=scram-sha-256 --pwfile=password \
                    --encoding=UTF8 --locale=C.UTF-8 &&
                echo 'CREATE DATABASE millgate' | "${as[@]}" "$bin/postgres" --single -D new postgres &&
                "${as[@]}" mv new data
        ) >"$state/postgres.log" 2>&1 || gave_up postgres
    fi
    # A killed server is a zombie until its parent notices, which in a container can take long, and its successor would
    # take it for alive.
    if pid=$(head -n 1 "$home/data/postmaster.pid") && [ -z "$(command_of "$pid")" ]; then
        rm "$home/data/postmaster.pid"
    fi 2>/dev/null
    # Debezium reads the log.
    launch postgres "$home" "${as[@]}" "$bin/postgres" -D "$home/data" -c listen_addresses=127.0.0.1 -c port=15432 \
        -c unix_socket_directories= -c max_connections=400 -c wal_level=logical
}

gave_up() {
    tail -n 15 "$state/$1.log" >&2
    die "$1 did not start; all of its log: $state/$1.log. If its data is broken or of another version," \
        "\`ops/services.sh down --wipe\` removes the data of all servers."
}

await() {
    # A Kafka that was killed waits for its old session to end (ops/kafka/server.properties: a minute).
    local deadline=$((SECONDS + 120)) pid
    pid=$(cat "$state/$1.pid")
    until answers "$1"; do
        { kill -0 "$pid" 2>/dev/null && [ $SECONDS -lt $deadline ]; } || gave_up "$1"
        sleep 0.1
    done
}

up_local() {
    test_tools
    local name
    for name in "${services[@]}"; do start "$name"; done
    for name in "${services[@]}"; do await "$name"; done
    table
}

# stop NAME…: all are asked at once, then waited for.
stop() {
    local name pid deadline=$((SECONDS + 30))
    for name in "$@"; do
        # PostgreSQL takes SIGTERM as "when the last client has gone", SIGINT as "now, cleanly".
        ! pid=$(pid_of "$name") || kill "-$([ "$name" = postgres ] && echo INT || echo TERM)" "$pid"
    done
    for name in "$@"; do
        while pid=$(pid_of "$name"); do
            [ $SECONDS -lt $deadline ] || kill -KILL "$pid"
            sleep 0.1
        done
        rm -f "$state/$name.pid"
    done
}

wipe() {
    local home
    home=$(postgres_home)
    # The recorded path is of our own making; anything else is not removed.
    case $home in "$state"/postgres | /var/tmp/millgate-postgres.*) rm -rf "$home" ;; esac
    rm -rf "$state/postgres.home" "$state/kafka/data" "$state/redis" "$state/smtp"
}

version() {
    case $1 in
        kafka) basename "$jars"/kafka_*.jar .jar | sed 's/.*-//' ;;
        redis) "$(find_redis)" --version | sed 's/.*v=\([^ ]*\).*/\1/' ;;
        postgres) "$(find_postgres)/postgres" --version | sed 's/[^0-9]*\([0-9.]*\).*/\1/' ;;
        smtp) "$(find_python)" -c 'import aiosmtpd; print("aiosmtpd", aiosmtpd.__version__)' ;;
    esac 2>/dev/null || echo -
}

table() {
    local name pid
    printf '%-9s %-16s %-12s %-15s %s\n' SERVICE ADDRESS STATE VERSION LOG
    for name in "${services[@]}"; do
        pid=$(pid_of "$name") && pid="pid $pid" || pid=stopped
        printf '%-9s %-16s %-12s %-15s %s\n' "$name" "127.0.0.1:$(port "$name")" "$pid" "$(version "$name")" \
            "${state#"$PWD/"}/$name.log"
    done
}

# --- verbs ---

compose() { docker compose --project-directory "$root" "$@"; }

engine() {
    [ "${SERVICES:-}" != local ] && has docker && timeout 5 docker info >/dev/null 2>&1 && compose version >/dev/null 2>&1
}

# One at a time: two calls at once would start everything twice.
lock() {
    mkdir -p "$state"
    exec {locked}>"$state/lock"
    flock "$locked"
}

up() {
    if engine; then
        compose up --detach --wait
        compose ps
    else
        lock
        up_local
    fi
}

down() {
    lock
    stop "${services[@]}"
    [ "${1:-}" != --wipe ] || wipe
    ! engine || compose down ${1:+--volumes}
}

status() {
    if engine; then
        compose ps
        [ "$(compose ps --services --status running | sort)" = "$(compose config --services | sort)" ]
    else
        table
        [ -z "$(idle)" ]
    fi
}

with() {
    local ours=()
    if ! engine; then
        mapfile -t ours < <(idle)
    elif [ -z "$(compose ps --quiet)" ]; then
        ours=("${services[@]}")
    fi
    # In an EXIT trap: also when CMD fails, or is interrupted. The exit code stays CMD's.
    # shellcheck disable=SC2064 # expanded now: ours is gone at exit
    [ ${#ours[@]} = 0 ] || [ -n "${KEEP:-}" ] || trap "stop_ours ${ours[*]}" EXIT
    "$0" up >&2
    "$@"
}

stop_ours() {
    if engine; then compose down; else stop "$@"; fi
}

case ${1:-} in
    up | status) "$1" ;;
    down) down "${2:-}" ;;
    with) "$@" ;;
    build-tools) build_tools ;;
    test-tools) lock && test_tools ;;
    *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
