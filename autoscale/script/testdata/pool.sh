#!/bin/sh
# pool.sh DIR list|launch|terminate: a cloud for rondo whose instances are
# files, DIR/live/ID and, when they are over, DIR/over/ID. It shows all that
# such a program must do; put your own commands where the files are made and
# moved. DIR/room, if it is there, says how many instances there may be.
set -eu
dir=$1
read -r request # one line of JSON, its fields in the order of rondo's manual
mkdir -p "$dir/live" "$dir/over"

# field NAME prints a number or a plain text of the request.
field() { printf '%s\n' "$request" | sed -n "s/.*\"$1\":\"\{0,1\}\([A-Za-z0-9_.-]*\).*/\1/p"; }

# print ID prints an instance. One that is over meanwhile prints nothing; one
# that cannot be read is a failure, for half a list is worse than none.
print() {
	if [ -e "$dir/over/$1" ]; then
		sed 's/"state":"running"/"state":"terminated"/' "$dir/over/$1"
	else
		cat "$dir/live/$1"
	fi
}

launch() {
	count=$(field count) token=$(field token) n=0
	tags=$(printf '%s\n' "$request" | sed -n 's/.*"tags":\({[^}]*}\).*/\1/p')
	have=$(ls "$dir/live" | wc -l)
	[ -e "$dir/room" ] && room=$(cat "$dir/room") || room=1000
	# IDs are made of the token: the same launch again finds what it made.
	name=vm-$(printf '%s' "$token" | sed 's/^rondo-//' | cut -c1-12)
	if [ ! -e "$dir/live/$name-1" ] && [ ! -e "$dir/over/$name-1" ] && [ $((have + count)) -gt "$room" ]; then
		echo "room for $room, and $have are there" >&2
		exit 69
	fi
	while [ $n -lt "$count" ]; do
		n=$((n + 1)) id=$name-$n
		if [ ! -e "$dir/live/$id" ] && [ ! -e "$dir/over/$id" ]; then
			printf '{"id":"%s","state":"running","zone":"rack-%d","launched":%d,"hostname":"%s.pool","tags":%s}\n' \
				"$id" $((n % 2)) "$(date +%s)" "$id" "${tags:-null}" >"$dir/new.$$"
			mv "$dir/new.$$" "$dir/live/$id" # a list sees all of it, or nothing
		fi
		print "$id"
	done
}

case $2 in
list)
	for id in $(ls "$dir/live"); do print "$id"; done
	;;
launch)
	launch
	;;
terminate)
	for id in $(printf '%s\n' "$request" | sed -n 's/.*"ids":\[\([^]]*\)\].*/\1/p' | tr -d '"' | tr , ' '); do
		[ ! -e "$dir/live/$id" ] || mv "$dir/live/$id" "$dir/over/$id"
	done
	;;
*)
	echo "what is $2?" >&2
	exit 64
	;;
esac
