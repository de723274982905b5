#!/bin/bash
# kamailio.sh start|stop|pids: Kamailio's xmpp and pua_xmpp as a gateway that the rig compares with. Needed: Debian's packages
# kamailio, kamailio-presence-modules, kamailio-sqlite-modules, kamailio-xmpp-modules. As shipped, the module xmpp (since
# release 5.2) ends with SIGSEGV at the first stream header; KAMAILIO_MODULES names a directory with a mended xmpp.so, which
# is looked for before the shipped ones.
cd "$(dirname "$0")" && mkdir -p work || exit 1
tables=/usr/share/kamailio/db_sqlite
case "$1" in
start)
  rm -f work/kamailio.db*
  python3 - work/kamailio.db $tables/standard-create.sql $tables/presence-create.sql <<'PY'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    for path in sys.argv[2:]:
        db.executescript(open(path).read())
PY
  sed -e "s|@WORK@|$PWD/work|; s|@MODULES@|${KAMAILIO_MODULES:+$KAMAILIO_MODULES:}|" kamailio.cfg >work/kamailio.cfg
  LANG=C.UTF-8 /usr/sbin/kamailio -DD -E -m 512 -M 16 -f work/kamailio.cfg -P "$PWD/work/kamailio.own" -w "$PWD/work" \
    -Y "$PWD/work" >work/kamailio.log 2>&1 </dev/null &
  pid=$!
  echo $pid >work/kamailio.pid
  for _ in $(seq 100); do
    kill -0 $pid 2>/dev/null && ! grep -q ' 0100007F:61E4 ' /proc/net/udp || break
    sleep 0.05
  done
  kill -0 $pid 2>/dev/null || { echo "kamailio ended at once:"; tail -n 20 work/kamailio.log; exit 1; } >&2
  # pua_xmpp sends its SUBSCRIBE where DNS says, whatever the outbound proxies are.
  say() { kamcmd -s "unix:$PWD/work/kamailio.ctl" "$@"; }
  for _ in $(seq 100); do
    say core.version >/dev/null 2>&1 && break
    sleep 0.05
  done
  {
    say dns.add_srv _sip._udp.sip.example 86400 0 0 25070 here.example 2
    say dns.add_srv _sip._udp.gw.example 86400 0 0 25060 here.example 2
    say dns.add_a here.example 86400 127.0.0.1 2
  } >>work/kamailio.log 2>&1
  echo "kamailio up $pid"
  ;;
stop)
  [ -f work/kamailio.pid ] || exit 0
  pid=$(cat work/kamailio.pid)
  rm -f work/kamailio.pid
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = kamailio ] && kill "$pid"
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || exit 0
    sleep 0.05
  done
  kill -KILL "$pid"
  ;;
pids)
  pid=$(cat work/kamailio.pid)
  echo $pid $(cat "/proc/$pid/task/$pid/children") | tr ' ' ','
  ;;
*) echo "usage: $0 start|stop|pids" >&2; exit 2 ;;
esac
