#!/usr/bin/env bash
# Builds app/viewer/dist/viewer.js from app/viewer/src. Needs Node 20 and npm; readers of the app need neither.
# VIEWER_OUT: another folder for the result (the test of a stale bundle uses it).
set -euo pipefail
cd "$(dirname "$0")/../app/viewer"
npm install --no-save --no-audit --no-fund --loglevel=error
npx vite build --logLevel warn
rm -rf "${VIEWER_OUT:-dist}/assets"  # a worker for volumes, which mammograms do not need
LC_ALL=C cat package.json vite.config.js src/*.js | sha256sum | cut -c1-64 >"${VIEWER_OUT:-dist}/sources.sha256"  # a test without Node compares
