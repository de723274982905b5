#!/bin/bash
# floor.sh start|stop|pids: the wire floor, a forwarder that does no protocol at all (loadgen/src/floor.rs).
# $TRANSPORT: udp, tcp or tls on its SIP side.
cd "$(dirname "$0")" && mkdir -p work || exit 1
case "$1" in
start)
  port=25060
  [ "${TRANSPORT:-udp}" = tls ] && port=25061
  loadgen/target/release/loadgen floor --transport "${TRANSPORT:-udp}" --bind 127.0.0.1:$port --sip-peer 127.0.0.1:25070 \
    --xmpp 127.0.0.1:25348 --component sip.example --secret benchsecret >work/floor.log 2>&1 </dev/null &
  echo $! >work/floor.pid
  sleep 0.2
  echo "floor up $(cat work/floor.pid)"
  ;;
stop)
  [ -f work/floor.pid ] || exit 0
  pid=$(cat work/floor.pid)
  rm -f work/floor.pid
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = loadgen ] && kill "$pid"
  sleep 0.1
  ;;
pids) cat work/floor.pid ;;
*) echo "usage: $0 start|stop|pids" >&2; exit 2 ;;
esac
