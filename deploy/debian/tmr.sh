#!/bin/sh
exec /usr/lib/tmr/bin/node /usr/lib/tmr/dist/ts/cli/main.js "$@"
