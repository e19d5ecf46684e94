#!/bin/sh
# A Redis and three nodes on this machine, in two regions. Ctrl-C ends all of them.
#
#   deploy/three_nodes.sh
#
# Needs deno and redis-server. Node n listens on port 7870 + 10 n and on the next two for media.
# PORT and REDIS_PORT choose others.
set -eu
cd "$(dirname "$0")/.."

PORT=${PORT:-7880}
REDIS_PORT=${REDIS_PORT:-6390}
KEY=devkey
SECRET=${SECRET:-three-nodes-on-one-machine-0123456789}
folder=$(mktemp -d)
pids=""

finish() {
  trap - EXIT INT TERM
  for pid in $pids; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ -d node_modules ] || deno install --frozen

redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --save "" --dir "$folder" \
  --logfile "$folder/redis.log" &
pids="$!"

for n in 0 1 2; do
  port=$((PORT + 10 * n))
  region=$([ "$n" = 2 ] && echo us || echo eu)
  cat > "$folder/node$n.yaml" <<YAML
port: $port
bind_addresses: [127.0.0.1]
region: $region
redis:
  address: 127.0.0.1:$REDIS_PORT
rtc:
  tcp_port: $((port + 1))
  udp_port: $((port + 2))
  node_ip: 127.0.0.1
  enable_loopback_candidate: true
keys:
  $KEY: $SECRET
YAML
  echo "node $n: ws://127.0.0.1:$port, region $region"
done
echo "key $KEY, secret $SECRET"

# The task's options, without the task: so the signals reach the nodes themselves.
for n in 0 1 2; do
  deno run --node-modules-dir=manual --no-prompt --no-code-cache \
    --v8-flags=--max-semi-space-size=2,--initial-old-space-size=32,--expose-gc \
    --allow-net --allow-read --allow-env \
    --allow-sys=networkInterfaces --allow-ffi main.ts --config "$folder/node$n.yaml" &
  pids="$pids $!"
done
wait
