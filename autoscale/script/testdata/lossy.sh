#!/bin/sh
# lossy.sh DIR ACTION: pool.sh, whose answer is lost once where DIR/lose says
# the action.
set -eu
here=$(dirname "$0")
if [ -e "$1/lose" ] && [ "$(cat "$1/lose")" = "$2" ]; then
	rm "$1/lose"
	"$here/pool.sh" "$@" >/dev/null
	echo "the answer is lost" >&2
	exit 1
fi
exec "$here/pool.sh" "$@"
