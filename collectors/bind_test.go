package collectors

import (
	"net/netip"
	"strings"
	"testing"
)

func networks(t *testing.T, texts ...string) []Network {
	t.Helper()
	out := make([]Network, len(texts))
	for i, s := range texts {
		if err := out[i].UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestBindValidate(t *testing.T) {
	f := func(listen string, allow []Network, want string) {
		t.Helper()
		err := Bind{Listen: listen, Allow: allow}.Validate()
		if want == "" && err != nil {
			t.Errorf("%s: %v", listen, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q", listen, err, want)
		}
	}
	f("127.0.0.1:2003", nil, "")
	f("localhost:2003", nil, "")
	f("LocalHost:2003", nil, "")
	f("[::1]:2003", nil, "")
	f("127.9.9.9:2003", nil, "")
	f("[::ffff:127.0.0.1]:2003", nil, "")
	f("[::ffff:192.0.2.7]:2003", nil, "allow: [10.0.0.0/8]")
	f("2003", nil, "want an address and a port")
	f("127.0.0.1:99999", nil, "want an address and a port")
	f(":2003", nil, "allow: [10.0.0.0/8]")
	f("0.0.0.0:2003", nil, "allow: [10.0.0.0/8]")
	f("[::]:2003", nil, "allow: [10.0.0.0/8]")
	f("192.0.2.7:2003", nil, "allow: [10.0.0.0/8]")
	f("metrics.example:2003", nil, "allow: [10.0.0.0/8]")
	f(":2003", networks(t, "10.0.0.0/8"), "")
}

func TestBindAllows(t *testing.T) {
	b := Bind{Allow: networks(t, "10.1.2.3/8", "192.0.2.7", "2001:db8::/32", "::ffff:198.51.100.0/120", "::ffff:203.0.113.9")}
	for addr, want := range map[string]bool{
		"10.200.0.1": true, "11.0.0.1": false, "192.0.2.7": true, "192.0.2.8": false,
		"::ffff:10.0.0.1": true, "2001:db8::1": true, "2001:db9::1": false,
		"198.51.100.77": true, "198.51.101.1": false, "203.0.113.9": true, "203.0.113.8": false,
		"127.0.0.1": true, "::1": true, "::ffff:127.0.0.1": true,
	} {
		if got := b.Allows(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	var n Network
	if err := n.UnmarshalText([]byte("10.0.0.0/33")); err == nil {
		t.Error("a network of 33 bits was taken")
	}
}
