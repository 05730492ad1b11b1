#!/bin/sh
# A configuration file means `registry serve`, an option or a command of the registry's goes to it, the rest runs as it is.
set -e
case "${1:-}" in
    *.yml | *.yaml) set -- registry serve "$@" ;;
    serve | garbage-collect | help | -*) set -- registry "$@" ;;
esac
exec "$@"
