package join

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"rondo/alerts/state"
)

func TestDerive(t *testing.T) {
	t.Parallel()
	store := state.NewMemory()
	cloud := cloud{"i-0aaaaaaa": {Group: "web", PrivateIP: netip.MustParseAddr("10.0.0.1"), Live: true}}
	a := newAuthority(t, store, Policy{Cloud: cloud})
	spec := Spec{Group: "web", Count: 2, For: time.Hour, By: "autoscale"}
	derive := func(a *Authority, name string) string {
		t.Helper()
		text, err := a.Derive(t.Context(), name, spec)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := derive(a, "web/1")
	if again := derive(newAuthority(t, store, Policy{Cloud: cloud}), "web/1"); again != first || len(a.Tokens()) != 1 {
		t.Errorf("after a restart %s, before %s; %d tokens", again, first, len(a.Tokens()))
	}
	if other := derive(a, "web/2"); other == first {
		t.Error("two names have one token")
	}
	// It is a token like any other.
	answer, err := a.Redeem(t.Context(), Request{Token: first, Host: "ip-1", Instance: "i-0aaaaaaa"}, netip.MustParseAddr("10.0.0.1"))
	if err != nil || !strings.HasPrefix(answer.Key, keyPrefix) {
		t.Errorf("Redeem = %+v, %v", answer, err)
	}
	if _, err := a.Redeem(t.Context(), Request{Token: first, Host: "ip-2", Instance: "i-0bbbbbbb"}, netip.MustParseAddr("10.0.0.2")); err == nil {
		t.Error("an instance that EC2 does not know was let in")
	}
	if _, err := a.Revoke(t.Context(), first, "ann"); err != nil {
		t.Fatal(err)
	}
	if next := derive(a, "web/1"); next == first {
		t.Error("a revoked token is handed out")
	}
	spec.Static = true
	if text, err := a.Derive(t.Context(), "web/3", spec); err == nil {
		t.Errorf("a static token is derived: %s", text)
	}
}
