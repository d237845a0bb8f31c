#!/usr/bin/env bash
# A node with a certificate speaks HTTPS and nothing else; the command line trusts what it is told to, and says so.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
[[ -x $farthing ]] || { echo "skipped: $farthing is not built"; exit 77; }
command -v openssl >/dev/null || { echo "skipped: openssl is not installed"; exit 77; }
. "$source_dir/tests/e2e/node.sh"
fail() { echo "FAILED: $*" >&2; exit 1; }
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$scratch/key.pem" -out "$scratch/cert.pem" -days 2 -subj /CN=localhost \
    -addext "subjectAltName=IP:127.0.0.1" 2>/dev/null
export CURL_CA_BUNDLE=$scratch/cert.pem
start_node "$farthing" --tls-cert "$scratch/cert.pem" --tls-key "$scratch/key.pem"
[[ $FARTHING_URL == https://* ]] || fail "the address is $FARTHING_URL"
curl -fsS "$FARTHING_URL/healthz" >/dev/null || fail "curl with the certificate"
! curl -fsS -m 5 -o /dev/null "http://${FARTHING_URL#https://}/healthz" 2>/dev/null || fail "it answers without TLS"
curl -fsS --tls-max 1.1 --tlsv1.0 -o /dev/null "$FARTHING_URL/healthz" 2>/dev/null && fail "it speaks TLS 1.1"
out=$("$farthing" account list 2>&1) && fail "the command line trusts anybody"
grep -q "FARTHING_CA_CERT" <<<"$out" || fail "it does not say what to do: $out"
FARTHING_CA_CERT=$scratch/cert.pem "$farthing" account create acme >/dev/null || fail "the command line with the certificate"
for pair in "--tls-cert $scratch/cert.pem" "--tls-cert $scratch/cert.pem --tls-key /nonexistent"; do
    # shellcheck disable=SC2086 # words
    "$farthing" serve --data-dir "$scratch/other" --listen 127.0.0.1:0 $pair >"$scratch/out" 2>&1 && fail "it starts with $pair"
    grep -Eq "tls-key|nonexistent" "$scratch/out" || fail "$(cat "$scratch/out")"
done
echo "HTTPS only, trusted only when told"
