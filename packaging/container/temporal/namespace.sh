#!/bin/sh
# Sees to it that the namespace and Kedge's search attributes are there. Temporal is found by TEMPORAL_ADDRESS.
set -eu
namespace="${TEMPORAL_NAMESPACE:-default}"

# The engine starts this again when it gives up.
until_done() {
  tries=30
  until "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || exit 1
    sleep 1
  done
}

# The port listens before Temporal serves.
until_done temporal operator cluster health

temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$namespace" --retention 30d

# A new namespace is not seen everywhere at once. Creating an attribute that is there is no error.
until_done temporal operator search-attribute create --namespace "$namespace" \
  --name KedgeSite --type Keyword \
  --name KedgeBackup --type Keyword \
  --name KedgeTrigger --type Keyword \
  --name KedgeWho --type Keyword \
  --name KedgeCode --type Keyword \
  --name KedgeAttention --type Keyword
