package peertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Of the key that zones of a [BIND] take updates by. A key "other" has the same
// secret and no rights.
const (
	Key    = "rondo"
	Secret = "c2l4dGVlbiBieXRlcyBvciBtb3Jl"
)

// A BIND is a named with two zones, example.com and fixed.example, of the same
// records; the first takes dynamic updates.
type BIND struct {
	*Peer
	Addr string
	t    testing.TB
}

const zoneText = `$TTL 300
@ IN SOA ns me 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
static IN A 192.0.2.7
alias IN CNAME static
*.wild IN A 192.0.2.8
*.wild IN TXT "some text"
both IN A 192.0.2.1
both IN AAAA 2001:db8::1
`

const namedConf = `options {
	directory "%[1]s"; listen-on port %[2]d { 127.0.0.1; }; listen-on-v6 { none; }; recursion no;
	pid-file none; session-keyfile none; managed-keys-directory "%[1]s"; dnssec-validation no;
};
controls { };
key rondo { algorithm hmac-sha256; secret "%[3]s"; };
key other { algorithm hmac-sha256; secret "%[3]s"; };
zone "example.com" { type primary; file "%[1]s/moving"; update-policy { grant rondo zonesub ANY; }; };
zone "fixed.example" { type primary; file "%[1]s/fixed"; };
`

// NewBIND runs one.
func NewBIND(t testing.TB) *BIND {
	t.Helper()
	Find(t, "dig")
	dir, port := t.TempDir(), freePort(t)
	for _, name := range []string{"moving", "fixed"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(zoneText), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, _, conf := prepare(t, "named", fmt.Sprintf(namedConf, dir, port, Secret))
	peer := start(t, p, []string{"-g", "-n", "1", "-c", conf}, func() bool { return Listens("tcp", port) && Listens("udp", port) })
	return &BIND{peer, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), t}
}

// freePort is one for TCP and UDP, below those that kernels take for outgoing
// connections.
func freePort(t testing.TB) int {
	t.Helper()
	const first, count = 10_000, 20_000
	for range count {
		port := first + rand.IntN(count)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		p, udpErr := net.ListenPacket("udp", addr)
		if udpErr == nil {
			udpErr = p.Close()
		}
		if errors.Join(l.Close(), udpErr) == nil {
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// Dig asks with dig, and returns the short answers in order.
func (b *BIND) Dig(args ...string) []string {
	b.t.Helper()
	host, port, _ := net.SplitHostPort(b.Addr)
	out := b.tool("dig", "", append([]string{"@" + host, "-p", port, "+norecurse", "+short"}, args...)...)
	return slices.Sorted(slices.Values(strings.Fields(out)))
}

// Update is another writer, nsupdate, with the key.
func (b *BIND) Update(lines string) {
	b.t.Helper()
	host, port, _ := net.SplitHostPort(b.Addr)
	b.tool("nsupdate", "server "+host+" "+port+"\nzone example.com\n"+lines+"\nsend\n", "-y", "hmac-sha256:"+Key+":"+Secret)
}

func (b *BIND) tool(name, input string, args ...string) string {
	b.t.Helper()
	p := Find(b.t, name)
	cmd := exec.Command(p.Path, args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+p.Folders("usr/lib/*-linux-gnu", "lib/*-linux-gnu"))
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}
