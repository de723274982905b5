#!/bin/bash
# stox.sh start|stop|pids: stox as the rig expects a gateway. $STOX names another binary, $STOX_EXTRA a file with more
# configuration (whole sections), $STOX_SIP more of [sip],
# $STOX_LOG another level of the log, $TRANSPORT what the next hop is reached by: udp, tcp or tls; $XMPP what stox is on
# the XMPP side: component, or s2s, a server that federates.
cd "$(dirname "$0")" && mkdir -p work || exit 1
TRANSPORT=${TRANSPORT:-udp} XMPP=${XMPP:-component}
stox=${STOX:-${CARGO_TARGET_DIR:-../../target}/release/stox}

xmpp_component='[[xmpp.component]]
domain = "sip.example"
server = "127.0.0.1:25348"
secret = "benchsecret"'
xmpp_s2s='[xmpp.server]
domains = ["sip.example"]
listen = ["tls:127.0.0.1:25348"]
certificate = "tls/gateway.crt"
key = "tls/gateway.key"
trust = ["tls/ca.crt"]
[[xmpp.partner]]
domain = "xmpp.example"
authentication = "certificate"'

configuration() {
  side=xmpp_$XMPP
  cat <<TOML
${!side}
[sip]
listen = ["udp:127.0.0.1:25060", "tcp:127.0.0.1:25060"$([ $TRANSPORT = tls ] && echo ', "tls:127.0.0.1:25061"')]
${STOX_SIP:-}
$([ $TRANSPORT = tls ] && printf '[sip.tls]\ncertificate = "tls/gateway.crt"\nkey = "tls/gateway.key"\ntrust = ["tls/ca.crt"]')
[[domain]]
home = "sip"
xmpp = "sip.example"
sip = "sip.example"
next_hop = "sip:127.0.0.1:25070;transport=$TRANSPORT"
options_every = "off"
[[domain]]
home = "xmpp"
xmpp = "xmpp.example"
sip = "xmpp.example"
[log]
level = "${STOX_LOG:-warn}"
TOML
  [ -n "${STOX_EXTRA:-}" ] && cat "$STOX_EXTRA"
  true
}

# The SIP socket is bound (0x61E4 is 25060). The component link comes up only once loadgen listens.
bound() { grep -q ' 0100007F:61E4 ' /proc/net/udp; }
alive() { kill -0 "$1" 2>/dev/null; }

case "$1" in
start)
  configuration >work/stox.toml
  chmod 640 work/stox.toml
  "$stox" --config work/stox.toml >work/stox.log 2>&1 </dev/null &
  pid=$!
  echo $pid >work/stox.pid
  for _ in $(seq 100); do
    alive $pid && ! bound || break
    sleep 0.05
  done
  if ! alive $pid; then echo "stox ended at once:"; tail -n 20 work/stox.log; rm -f work/stox.pid; exit 1; fi >&2
  echo "stox up $pid"
  ;;
stop)
  [ -f work/stox.pid ] || exit 0
  pid=$(cat work/stox.pid)
  rm -f work/stox.pid
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$(basename "$stox" | cut -c1-15)" ] || exit 0
  kill "$pid" 2>/dev/null || exit 0
  for _ in $(seq 120); do
    alive "$pid" || exit 0
    sleep 0.05
  done
  echo "stox did not end within 6 s of SIGTERM" | tee -a work/stox.log >&2
  kill -KILL "$pid"
  ;;
pids) cat work/stox.pid ;;
*) echo "usage: $0 start|stop|pids" >&2; exit 2 ;;
esac
