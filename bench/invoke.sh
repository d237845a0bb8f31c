#!/usr/bin/env bash
# Warm calls of an echo function in C and in Node.js, 1, 8 and 32 connections at a time, against an echo worker in workerd
# and against serverless-offline, by the same load generator in the same run: see invoke/invoke.py.
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/invoke/invoke.py"
