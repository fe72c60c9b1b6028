#!/bin/sh
# Installs the rondo agent. Made by the rondo server at {{.Address}}.
#
#   RONDO_TOKEN=TOKEN sh install.sh [--no-start]
#
# --token TOKEN will do too, but can be seen by all users while it runs.
#
# It detects the architecture, downloads the program from that server, compares
# its SHA-256 with the one below, installs it to /usr/local/bin/rondo, writes
# /etc/rondo/agent.yml where there is none, and a systemd unit, and starts it
# where systemd runs. DESTDIR names another root, in which nothing is started.

# All is in functions, called by the last line: a script that was cut off on
# its way does nothing.
set -eu

server='{{.Address}}'
pin='{{.Pin}}'
root=${DESTDIR:-}
token=${RONDO_TOKEN:-}
start=yes

say() { printf 'rondo: %s\n' "$*"; }

die() {
	printf 'rondo: %s\n' "$*" >&2
	exit 1
}

options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--token) [ $# -gt 1 ] || die "--token needs a token"; token=$2; shift ;;
		--token=*) token=${1#--token=} ;;
		--no-start) start=no ;;
		*) die "unknown option $1: RONDO_TOKEN=TOKEN sh install.sh [--no-start]" ;;
		esac
		shift
	done
	[ -n "$token" ] || die "no token: rondo token create on the server, then RONDO_TOKEN=TOKEN sh install.sh"
	case $token in
	*[!a-z0-9_]*) die "this is no token of rondo" ;;
	esac
	[ -n "$root" ] || [ "$(id -u)" = 0 ] || die "this must be run as root (sudo sh)"
}

# platform sets what the server calls our architecture, and what the program
# for it must be.
platform() {
	[ "$(uname -s)" = Linux ] || die "there is an agent for Linux only, this is $(uname -s)"
	machine=$(uname -m)
	case $machine in
	x86_64 | amd64) platform=linux-amd64 ;;
	aarch64 | arm64) platform=linux-arm64 ;;
	*) die "there is no agent for $machine" ;;
	esac
	case $platform in
{{range .Binaries}}	{{.Platform}}) want={{.Sum}} ;;
{{end}}	*) die "the server has no program for $platform; put rondo-$platform into the directory that its configuration names (agents: binaries)" ;;
	esac
}

# download fetches a file. The certificate is pinned where that is possible;
# where it is not, the SHA-256 below still says whether the file is the right one.
download() {
	if command -v curl >/dev/null; then
		if [ -n "$pin" ]; then
			curl -fsS -k --pinnedpubkey "$pin" --retry 5 -o "$2" "$1"
		else
			curl -fsS --retry 5 -o "$2" "$1"
		fi
	elif command -v wget >/dev/null; then
		if [ -n "$pin" ]; then
			wget -q --no-check-certificate -O "$2" "$1"
		else
			wget -q -O "$2" "$1"
		fi
	else
		die "neither curl nor wget is installed"
	fi
}

sum() {
	if command -v sha256sum >/dev/null; then
		sha256sum "$1" | cut -d ' ' -f 1
	elif command -v openssl >/dev/null; then
		openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
	else
		die "neither sha256sum nor openssl is installed"
	fi
}

# program installs the binary, in one step: a running one is never half written.
program() {
	bin=$root/usr/local/bin/rondo
	if [ -f "$bin" ] && [ "$(sum "$bin")" = "$want" ]; then
		say "$bin is there already"
		return
	fi
	mkdir -p "$root/usr/local/bin"
	part=$(mktemp "$bin.XXXXXX")
	trap 'rm -f "$part"' EXIT
	download "$server/agent/v1/binary/$platform" "$part" || die "the download from $server failed"
	got=$(sum "$part")
	[ "$got" = "$want" ] || die "the program that was downloaded is not the right one: its SHA-256 is $got, want $want"
	chmod 0755 "$part"
	mv -f "$part" "$bin"
	trap - EXIT
	say "$bin is installed"
}

# configuration keeps a file that is there: it may have been edited. The token
# has a file of its own.
configuration() {
	mkdir -p "$root/etc/rondo"
	chmod 0755 "$root/etc/rondo"
	(umask 077 && printf '%s\n' "$token" >"$root/etc/rondo/join-token.new")
	mv -f "$root/etc/rondo/join-token.new" "$root/etc/rondo/join-token"
	if [ -f "$root/etc/rondo/agent.yml" ]; then
		say "$root/etc/rondo/agent.yml is there already and stays as it is"
		return
	fi
	(umask 077 && cat >"$root/etc/rondo/agent.yml.new") <<END
# The rondo agent's configuration; rondo agent --help tells more.
server: $server
{{if .Fingerprint}}fingerprints: ["{{.Fingerprint}}"]
{{end}}token_file: /etc/rondo/join-token
data: /var/lib/rondo-agent
END
	mv -f "$root/etc/rondo/agent.yml.new" "$root/etc/rondo/agent.yml"
	say "$root/etc/rondo/agent.yml is written"
}

unit() {
	mkdir -p "$root/etc/systemd/system"
	cat >"$root/etc/systemd/system/rondo-agent.service" <<'END'
{{.Unit}}END
	chmod 0644 "$root/etc/systemd/system/rondo-agent.service"
}

launch() {
	if [ "$start" = no ] || [ -n "$root" ]; then
		say "installed, not started"
	elif [ -d /run/systemd/system ]; then
		systemctl daemon-reload
		systemctl enable --quiet rondo-agent.service
		systemctl restart rondo-agent.service
		say "the agent runs; systemctl status rondo-agent"
	else
		say "there is no systemd here; let your service manager run: /usr/local/bin/rondo agent --config=/etc/rondo/agent.yml"
	fi
}

main() {
	options "$@"
	platform
	program
	configuration
	unit
	launch
}

main "$@"
