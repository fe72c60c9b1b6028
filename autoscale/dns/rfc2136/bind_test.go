package rfc2136

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rondo/autoscale/dns"
	"rondo/syslogd/peertest"
)

const zone = "example.com"

func server(b *peertest.BIND) dns.Server {
	return dns.Server{Server: b.Addr, Key: peertest.Key, Algorithm: "hmac-sha256", Secret: peertest.Secret, Timeout: 5 * time.Second}
}

func addrs(texts ...string) (out []netip.Addr) {
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func set(ttl time.Duration, texts ...string) dns.Set {
	return dns.Set{Addrs: addrs(texts...), TTL: ttl}
}

func textSet(ttl time.Duration, values ...string) dns.Texts {
	return dns.Texts{Values: values, TTL: ttl}
}

var compare = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty(),
	cmpopts.SortSlices(netip.Addr.Less), cmpopts.SortSlices(func(a, b string) bool { return a < b }),
}

func reason(err error) dns.Reason {
	if e, ok := errors.AsType[*dns.Error](err); ok {
		return e.Reason
	}
	return ""
}

func TestReads(t *testing.T) {
	t.Parallel()
	p := peertest.NewBIND(t)
	z := New(zone, server(p))
	got, err := z.Addresses(t.Context(), []string{"static.example.com", "alias.example.com", "both.example.com", "none.example.com", "x.wild.example.com"})
	want := map[string]dns.Set{
		"static.example.com": set(5*time.Minute, "192.0.2.7"), "alias.example.com": {Other: "a CNAME"},
		"both.example.com": set(5*time.Minute, "192.0.2.1", "2001:db8::1"),
	}
	if diff := cmp.Diff(want, got, compare); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if got, err := z.Texts(t.Context(), "_rondo.x.wild.example.com"); err != nil || len(got.Values) > 0 {
		t.Errorf("a wildcard's text: %v, %v", got, err)
	}
}

func TestUpdates(t *testing.T) {
	t.Parallel()
	p := peertest.NewBIND(t)
	z := New(zone, server(p))
	ledger := dns.TextChange{Name: "_rondo.web.example.com", Is: textSet(30*time.Second, "rondo group=web 10.0.0.1")}
	first := dns.Update{Sets: []dns.SetChange{{Name: "web.example.com", Is: set(30*time.Second, "10.0.0.1", "2001:db8::5")}}, Ledger: ledger}
	if _, err := z.Update(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if got := p.Dig("web.example.com", "A", "web.example.com", "AAAA", "_rondo.web.example.com", "TXT"); !slices.Equal(got, []string{`"rondo`, "10.0.0.1", `10.0.0.1"`, "2001:db8::5", "group=web"}) {
		t.Errorf("dig: %q", got)
	}
	// The same once more is not what the zone is.
	if _, err := z.Update(t.Context(), first); reason(err) != dns.Changed {
		t.Errorf("again: %v", err)
	}
	// Another writer comes between our reading and our update, which does nothing then.
	p.Update("update add web.example.com 30 A 192.0.2.99")
	second := dns.Update{Sets: []dns.SetChange{{Name: "web.example.com", Was: first.Sets[0].Is, Is: set(30*time.Second, "10.0.0.2")}}}
	if _, err := z.Update(t.Context(), second); reason(err) != dns.Changed {
		t.Errorf("over another writer: %v", err)
	}
	now, err := z.Addresses(t.Context(), []string{"web.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	// With what is there in mind it is done, and with a new TTL for all.
	second.Sets[0].Was, second.Sets[0].Is = now["web.example.com"], set(10*time.Second, "10.0.0.2", "192.0.2.99")
	if _, err := z.Update(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	now, err = z.Addresses(t.Context(), []string{"web.example.com"})
	if diff := cmp.Diff(map[string]dns.Set{"web.example.com": second.Sets[0].Is}, now, compare); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	got, err := z.Texts(t.Context(), ledger.Name)
	if diff := cmp.Diff(ledger.Is, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestManyAddresses: a set that no datagram holds is read over TCP, and the
// update that made it went over TCP.
func TestManyAddresses(t *testing.T) {
	t.Parallel()
	z := New(zone, server(peertest.NewBIND(t)))
	many := dns.Set{TTL: 30 * time.Second}
	for i := range 100 {
		many.Addrs = append(many.Addrs, netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}))
	}
	if _, err := z.Update(t.Context(), dns.Update{Sets: []dns.SetChange{{Name: "web.example.com", Is: many}}}); err != nil {
		t.Fatal(err)
	}
	got, err := z.Addresses(t.Context(), []string{"web.example.com"})
	if diff := cmp.Diff(many, got["web.example.com"], compare); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestRefusals: what a server says against us is told in words, with a reason to
// count by.
func TestRefusals(t *testing.T) {
	t.Parallel()
	p := peertest.NewBIND(t)
	change := dns.Update{Sets: []dns.SetChange{{Name: "web.example.com", Is: set(30*time.Second, "10.0.0.1")}}}
	f := func(zone string, edit func(*dns.Server), want dns.Reason, words string) {
		t.Helper()
		s := server(p)
		edit(&s)
		if _, err := New(zone, s).Update(t.Context(), change); reason(err) != want || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), peertest.Secret) {
			t.Errorf("%v: %v, want %s", reason(err), err, want)
		}
	}
	f(zone, func(s *dns.Server) { s.Key = "nobody" }, dns.BadKey, "does not know the key nobody")
	f(zone, func(s *dns.Server) { s.Secret = "YW5vdGhlciBzZWNyZXQsIGFzIGxvbmc=" }, dns.BadSig, "the secret of the key rondo")
	f(zone, func(s *dns.Server) { s.Algorithm = "hmac-sha512" }, dns.BadKey, "hmac-sha512")
	f(zone, func(s *dns.Server) { s.Key = "other" }, dns.Refused, "update-policy")
	f(zone, func(s *dns.Server) { s.Key, s.Secret = "", "" }, dns.Refused, "REFUSED")
	f("example.org", func(*dns.Server) {}, dns.NotAuth, "example.org")
	f("fixed.example", func(*dns.Server) {}, dns.Refused, "fixed.example")
	p.Kill()
	f(zone, func(*dns.Server) {}, dns.Unreachable, "cannot be reached")
	p.Start()
	if _, err := New(zone, server(p)).Update(t.Context(), change); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}

// TestWrongClock: in the bubble it is the year 2000, at the server it is not.
func TestWrongClock(t *testing.T) {
	p := peertest.NewBIND(t)
	synctest.Test(t, func(t *testing.T) {
		_, err := New(zone, server(p)).Addresses(t.Context(), []string{"static.example.com"})
		if reason(err) != dns.BadTime || !strings.Contains(err.Error(), "here it is 00:00:00, there ") {
			t.Errorf("%v", err)
		}
	})
}

// TestSilentServer: no answer is none in time, over UDP and TCP.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	quiet, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	z := New(zone, dns.Server{Server: quiet.LocalAddr().String(), Algorithm: "hmac-sha256", Timeout: 100 * time.Millisecond})
	if _, err := z.Addresses(t.Context(), []string{"web.example.com"}); reason(err) != dns.Timeout {
		t.Errorf("udp: %v", err)
	}
	if _, err := z.Update(t.Context(), dns.Update{}); reason(err) != dns.Unreachable {
		t.Errorf("tcp: %v", err)
	}
}
