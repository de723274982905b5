#!/bin/bash
# break.sh NAME START STOP PIDS OUT: where does a gateway break? A fresh gateway for each scenario.
# ONLY=tag,tag selects scenarios. verdict.py reads OUT and says what became of every message.
set -u
cd "$(dirname "$0")" && mkdir -p work results || exit 1
name=$1 start=$2 stop=$3 pids=$4 out=$5 only=${ONLY:-}
: >"$out"

scenario() { # tag, then phases
  local tag=$1
  shift
  if [ -n "$only" ] && [[ ",$only," != *",$tag,"* ]]; then return; fi
  echo "== $tag"
  bash -c "$stop" >/dev/null 2>&1
  bash -c "$start" >/dev/null || return
  echo "{\"scenario\":\"$tag\",\"phases\":$#}" >>"$out"
  timeout 280 loadgen/target/release/loadgen --label "$name" --wait-s 20 --pids "$(bash -c "$pids")" \
    "mode=x2s n=200 window=4 tag=warm" "$@" >work/break.json 2>work/break.err
  tail -n +2 work/break.json | tee -a "$out" | ./show.py
  tail -n 2 work/break.err
  tail -n 3 "work/$name.log" 2>/dev/null
}

steady() { # mode: 12 s at each rate
  local r
  for r in 1000 2000 4000 8000 16000; do echo "mode=$1 n=$((12 * r)) rate=$r users=1000 tag=$r"; done
}
mapfile -t x2s < <(steady x2s)
mapfile -t s2x < <(steady s2x)
scenario x2s-sustained "${x2s[@]}"
scenario s2x-sustained "${s2x[@]}"
scenario x2s-burst "mode=x2s n=100000 window=200000 users=1000 loss_ms=15000 max_s=60 settle_ms=3000"
scenario s2x-burst "mode=s2x n=50000 window=5000 win_on=resp users=1000 loss_ms=40000 max_s=80 settle_ms=3000"
scenario xmpp-restart "mode=both n=15000 rate=1000 users=1000 xdrop=10000 xdown=2000 loss_ms=8000 settle_ms=3000 max_s=60"
scenario xmpp-long-outage \
  "mode=s2x n=30000 rate=1500 users=1000 xdrop=3000 xdown=15000 loss_ms=30000 settle_ms=5000 max_s=100" \
  "mode=s2x n=500 window=4 tag=afterwards"
scenario xmpp-stall "mode=both n=20000 n2=30000 rate=1000 rate2=1500 users=1000 xstall=4000 xstallms=15000 loss_ms=30000 settle_ms=5000 max_s=100"
scenario sip-restart "mode=x2s n=15000 rate=1000 users=1000 sdrop=5000 sdown=3000 loss_ms=20000 settle_ms=3000 max_s=60"
scenario sip-404 "mode=x2s n=1000 rate=200 users=100 answer=404 settle_ms=3000"
scenario sip-503 "mode=x2s n=1000 rate=200 users=100 answer=503 settle_ms=3000"
scenario sip-silent "mode=x2s n=10000 rate=500 users=1000 answer=none settle_ms=34000 max_s=90 sample_ms=2000" \
  "mode=x2s n=500 window=4 tag=afterwards"
scenario sip-first-lost "mode=x2s n=2000 rate=500 users=1000 answer=drop1 settle_ms=3000"
scenario sip-slow "mode=x2s n=20000 rate=2000 users=1000 delay_ms=400 settle_ms=2000"
scenario order "mode=x2s n=20000 window=64 users=1 tag=one-pair" "mode=s2x n=20000 window=64 users=1 tag=one-pair" \
  "mode=s2x n=5000 rate=1000 users=1 tag=one-pair-1000/s" "mode=s2x n=2000 window=1 users=1 tag=one-at-a-time"
scenario big-body "mode=x2s n=3000 window=16 body=8000" "mode=s2x n=3000 window=16 body=8000" \
  "mode=x2s n=300 window=2 body=40000 loss_ms=3000" "mode=s2x n=300 window=2 body=40000 loss_ms=3000"
bash -c "$stop" >/dev/null 2>&1
