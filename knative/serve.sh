#!/bin/sh
# Everything in one container: all functions and the Broker, as the image's command `serve` starts them.
# Servers, channels and secrets come from the environment, docs/standalone.md; further options may follow.
# Whoever is idle for five minutes ends, and comes back for the next event: most channels are quiet most of the time.
# A channel's secret reaches the notify functions only, as it does in a cluster.
set -eu
exec tocsin serve --overlay standalone --state "${TOCSIN_STATE_DIR:-/data}" \
  --pass 'TOCSIN_SECRET*=notify-*' --pass 'TOCSIN_*' --pass 'OTEL_*' \
  --host 0.0.0.0 --port ack=8080 --port mcp-server=8081 --port write=8086 \
  --without inbox --without demo-site --scale-down-after 300 "$@"
