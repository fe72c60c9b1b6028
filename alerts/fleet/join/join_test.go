package join

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rondo/alerts/fleet/iid/iidtest"
	"rondo/alerts/state"
)

const account = "123456789012"

// cloud is EC2 as far as it is asked.
type cloud map[string]Instance

func (c cloud) Instance(_ context.Context, id string) (Instance, error) {
	i, ok := c[id]
	switch {
	case id == broken:
		return Instance{}, errors.New("RequestLimitExceeded")
	case !ok:
		return Instance{}, ErrNoInstance
	}
	return i, nil
}

// broken is the instance that EC2 fails to describe.
const broken = "i-0bad0bad"

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newAuthority(t interface{ Fatal(...any) }, s state.Store, p Policy) *Authority {
	a, err := New(s, p, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func create(t testing.TB, a *Authority, s Spec) string {
	t.Helper()
	text, _, err := a.Create(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func web(count int) Spec { return Spec{Group: "web", Count: count, For: time.Hour, By: "test"} }

// reasonOf is the reason of a refusal, "" where there was none.
func reasonOf(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	no, ok := errors.AsType[*Refusal](err)
	if !ok {
		t.Fatal(err)
	}
	return no.Reason
}

var (
	addr  = netip.MustParseAddr("10.0.0.1")
	other = netip.MustParseAddr("10.0.0.2")
)

// TestProof: who is let in, and why not.
func TestProof(t *testing.T) {
	ec2, forger := iidtest.New(t), iidtest.New(t)
	now := time.Now()
	const id, another = "i-00000001", "i-00000002"
	doc := string(ec2.Sign(t, iidtest.Document(id, addr, now)))
	good := Policy{Authorities: ec2.Authorities(), Accounts: []string{account}}
	with := func(change func(*Policy)) Policy { p := good; change(&p); return p }
	asked := with(func(p *Policy) {
		p.Cloud = cloud{id: {"web", addr, true}, another: {"web", addr, false}, "i-00000003": {"db", addr, true}}
	})
	f := func(want string, p Policy, r Request, from netip.Addr) {
		t.Helper()
		a := newAuthority(t, state.NewMemory(), p)
		r.Token, r.Host = create(t, a, web(1)), "web-1"
		answer, err := a.Redeem(t.Context(), r, from)
		if got := reasonOf(t, err); got != want {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
		if k, ok := a.Authorize(answer.Key, from); ok != (want == "") || ok && (k.ID != id || k.Group != "web" || k.Host != "web-1") {
			t.Errorf("%+v, %v", k, ok)
		}
		if want != "" && a.Snapshot()["refused_"+want] != 1 {
			t.Error("not counted: ", a.Snapshot())
		}
	}
	f("", good, Request{Document: doc}, addr)
	f("", good, Request{Document: doc, Instance: id}, netip.MustParseAddr("::ffff:10.0.0.1"))
	f("instance", good, Request{Document: doc, Instance: another}, addr)
	f("address", good, Request{Document: doc}, other)
	f("", with(func(p *Policy) { p.AnyAddress = true }), Request{Document: doc}, other)
	f("account", with(func(p *Policy) { p.Accounts = nil }), Request{Document: doc}, addr)
	f("account", with(func(p *Policy) { p.Accounts = []string{"999999999999"} }), Request{Document: doc}, addr)
	f("region", with(func(p *Policy) { p.Regions = []string{"us-east-1"} }), Request{Document: doc}, addr)
	f("document", good, Request{Document: string(forger.Sign(t, iidtest.Document(id, addr, now)))}, addr)
	f("future", good, Request{Document: string(ec2.Sign(t, iidtest.Document(id, addr, now.Add(time.Hour))))}, addr)
	f("no_proof", good, Request{Instance: id}, addr)
	f("no_proof", asked, Request{}, addr)
	f("", asked, Request{Instance: id}, addr)
	f("address", asked, Request{Instance: id}, other)
	f("cloud", asked, Request{Instance: another}, addr)
	f("cloud", asked, Request{Instance: "i-00000009"}, addr)
	f("cloud_failed", asked, Request{Instance: broken}, addr)
	f("tag", asked, Request{Instance: "i-00000003"}, addr)
	f("instance", asked, Request{Instance: "i-'; --"}, addr)
	// A forged document is not made good by what the cloud says.
	f("document", asked, Request{Instance: id, Document: "MIAG"}, addr)
}

// TestLife: one instance from its launch to its end.
func TestLife(t *testing.T) {
	ec2 := iidtest.New(t)
	store := state.NewMemory()
	a := newAuthority(t, store, Policy{Authorities: ec2.Authorities(), Accounts: []string{account}})
	now := time.Now()
	const id = "i-00000001"
	launch := func(at time.Time) string { return string(ec2.Sign(t, iidtest.Document(id, addr, at))) }
	ask := func(token, doc string) (Answer, string) {
		t.Helper()
		answer, err := a.Redeem(t.Context(), Request{Token: token, Host: "web-1", Document: doc}, addr)
		return answer, reasonOf(t, err)
	}
	token := create(t, a, web(1))
	first, reason := ask(token, launch(now))
	if reason != "" {
		t.Fatal(reason)
	}
	second, reason := ask(token, launch(now.Add(time.Minute)))
	if reason != "" || second.Key == first.Key {
		t.Fatal("the same instance may trade again:", reason)
	}
	if _, ok := a.Authorize(second.Key, other); ok || a.Snapshot()["unauthorized_address"] != 1 {
		t.Error("another shows the key", a.Snapshot())
	}
	if _, ok := a.Authorize(first.Key, addr); ok {
		t.Error("the key that was replaced is still good")
	}
	if n := a.Snapshot(); n["keys_replaced"] != 1 || a.Keys()[0].Replaced != 1 || a.Tokens()[0].Used != 1 {
		t.Error(n, a.Keys(), a.Tokens())
	}
	if _, reason := ask(token, launch(now)); reason != "replay" {
		t.Error("an older document:", reason)
	}
	for _, text := range []string{"", first.Key, second.Key + "x", strings.ToUpper(second.Key), second.Key[:len(second.Key)-1] + "!", token} {
		if _, ok := a.Authorize(text, addr); ok {
			t.Errorf("%q is let in", text)
		}
	}
	a = newAuthority(t, store, *a.policy.Load()) // a restart
	if k, ok := a.Authorize(second.Key, addr); !ok || k.ID != id || k.Seen.IsZero() || k.Pending.IsZero() {
		t.Errorf("%+v, %v", k, ok)
	}
	if err := a.Retire(t.Context(), 0, id, id, ""); err != nil {
		t.Fatal(err)
	}
	if _, ok := a.Authorize(second.Key, addr); ok {
		t.Error("the key of a retired instance is still good")
	}
	a = newAuthority(t, store, *a.policy.Load())
	if _, ok := a.Authorize(second.Key, addr); ok {
		t.Error("the key of a retired instance is good after a restart")
	}
	if _, reason := ask(create(t, a, web(1)), launch(now.Add(time.Hour/30))); reason != "retired" {
		t.Error("a document of a retired instance:", reason)
	}
	if stored := fmt.Sprint(slices.Collect(values(store))); strings.Contains(stored, strings.Split(second.Key, "_")[3]) || strings.Contains(stored, strings.Split(token, "_")[3]) {
		t.Error("a secret is stored")
	}
}

func values(s state.Store) func(func(string) bool) {
	return func(yield func(string) bool) {
		for e := range s.Scan(state.Range{}) {
			if !yield(e.Key + string(e.Value)) {
				return
			}
		}
	}
}

// TestGrace: a retired instance may say its last, and is not let in again.
func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := state.NewMemory()
		a := newAuthority(t, store, Policy{Cloud: cloud{"i-00000001": {"web", addr, true}}})
		token := create(t, a, Spec{Group: "web", Count: 1, For: 24 * time.Hour})
		req := Request{Token: token, Host: "web-1", Instance: "i-00000001"}
		answer, err := a.Redeem(t.Context(), req, addr)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time does not prolong it
			if err := a.Retire(t.Context(), 5*time.Minute, "i-00000001"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
		}
		a = newAuthority(t, store, *a.policy.Load())
		if _, ok := a.Authorize(answer.Key, addr); !ok {
			t.Error("the key ended before its grace")
		}
		if _, err := a.Redeem(t.Context(), req, addr); reasonOf(t, err) != "retired" {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if _, ok := a.Authorize(answer.Key, addr); ok || a.Snapshot()["unauthorized_ended"] != 1 {
			t.Error("the key outlives its grace", a.Snapshot())
		}
		create(t, a, web(1)) // tidies up
		if n := len(a.Keys()); n != 0 {
			t.Errorf("%d keys are listed", n)
		}
	})
}

// TestStatic: hosts outside EC2 prove nothing, so that an ID is never given twice.
func TestStatic(t *testing.T) {
	store := state.NewMemory()
	a := newAuthority(t, store, Policy{Cloud: cloud{"i-00000001": {"web", addr, true}}})
	if _, err := a.Redeem(t.Context(), Request{Token: create(t, a, web(1)), Host: "web-1", Instance: "i-00000001"}, addr); err != nil {
		t.Fatal(err)
	}
	token := create(t, a, Spec{Group: "office", Count: 2, For: time.Hour, Static: true})
	ask := func(host string, from netip.Addr) (Answer, string) {
		t.Helper()
		answer, err := a.Redeem(t.Context(), Request{Token: token, Host: host}, from)
		return answer, reasonOf(t, err)
	}
	lost, reason := ask("printer", addr)
	if reason != "" || lost.ID != "printer" || lost.Group != "office" {
		t.Fatal(lost, reason)
	}
	again, reason := ask("printer", addr)
	if reason != "" {
		t.Error("the answer with a key was lost; it is asked for again:", reason)
	}
	if _, reason := ask("printer", other); reason != "taken" {
		t.Error("from elsewhere:", reason)
	}
	if _, ok := a.Authorize(again.Key, addr); !ok {
		t.Error("the key is not good")
	}
	for host, want := range map[string]string{
		"printer": "taken", "web-1": "name", "i-00000001": "taken", "i-0123456789abcdef0": "name",
		"": "malformed", "a b": "malformed", "-x": "malformed", "$(reboot)": "malformed", "../x": "malformed", strings.Repeat("x", 254): "malformed",
	} {
		if _, reason := ask(host, addr); reason != want {
			t.Errorf("%q: %q, want %q", host, reason, want)
		}
	}
	if what, err := a.Revoke(t.Context(), "printer", "me"); err != nil || what != "key of printer" {
		t.Error(what, err)
	}
	if _, ok := a.Authorize(again.Key, addr); ok {
		t.Error("a revoked key is good")
	}
	if _, reason := ask("printer", addr); reason != "revoked" {
		t.Error("with the token that it has:", reason)
	}
	a = newAuthority(t, store, *a.policy.Load())
	if _, reason := ask("printer", addr); reason != "revoked" {
		t.Error("after a restart:", reason)
	}
	if _, err := a.Redeem(t.Context(), Request{Token: create(t, a, Spec{Group: "office", Count: 1, For: time.Hour, Static: true}), Host: "printer"}, other); err != nil {
		t.Error("with another token:", err)
	}
	// An instance that has no document is known by its ID: it says so itself.
	in, err := a.Redeem(t.Context(), Request{Token: token, Host: "scanner", Instance: "i-00000007"}, other)
	if err != nil || in.ID != "i-00000007" {
		t.Error(in, err)
	}
	if _, err := a.Redeem(t.Context(), Request{Token: token, Host: "x", Instance: "i-00000007"}, addr); reasonOf(t, err) != "taken" {
		t.Error("another says it is that instance:", err)
	}
	if _, err := a.Redeem(t.Context(), Request{Token: token, Host: "x", Instance: "i-00000001"}, other); reasonOf(t, err) == "" {
		t.Error("another says it is an instance that has proven it:", err)
	}
	if _, reason := ask("third", addr); reason != "count" {
		t.Error(reason)
	}
	if what, err := a.Revoke(t.Context(), token, "me"); err != nil || !strings.HasPrefix(what, "token ") {
		t.Error(what, err)
	}
	if _, reason := ask("fourth", addr); reason != "revoked" {
		t.Error(reason)
	}
	if _, err := a.Revoke(t.Context(), "nobody", "me"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// TestStaticAfterRestart: that a key was not shown since the start does not say
// that nobody has it.
func TestStaticAfterRestart(t *testing.T) {
	store := state.NewMemory()
	a := newAuthority(t, store, Policy{})
	token := create(t, a, Spec{Group: "office", Count: 2, For: time.Hour, Static: true})
	answer, err := a.Redeem(t.Context(), Request{Token: token, Host: "printer"}, addr)
	if err != nil {
		t.Fatal(err)
	}
	a = newAuthority(t, store, Policy{})
	if _, err := a.redeem(t.Context(), Request{Token: token, Host: "printer"}, addr, time.Now().Add(lostAnswer)); reasonOf(t, err) != "taken" {
		t.Error("somebody else behind the same NAT:", err)
	}
	if _, ok := a.Authorize(answer.Key, addr); !ok {
		t.Error("the key is not good any more")
	}
}

func TestSpec(t *testing.T) {
	a := newAuthority(t, state.NewMemory(), Policy{})
	for _, s := range []Spec{
		{Group: "", Count: 1, For: time.Hour}, {Group: "a b", Count: 1, For: time.Hour}, {Group: "web", For: time.Hour},
		{Group: "web", Count: MaxCount + 1, For: time.Hour}, {Group: "web", Count: 1}, {Group: "web", Count: 1, For: 2 * MaxLife},
	} {
		if text, _, err := a.Create(t.Context(), s); err == nil {
			t.Errorf("%+v: %s", s, text)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, state.NewMemory(), Policy{})
		for range maxTokens {
			create(t, a, web(1))
		}
		if _, _, err := a.Create(t.Context(), web(1)); !errors.Is(err, ErrFull) {
			t.Error(err)
		}
		if got := a.Tokens()[0].State(time.Now()); got != "open" {
			t.Error(got)
		}
		time.Sleep(keepOver + 2*time.Hour)
		create(t, a, web(1))
		if n := len(a.Tokens()); n != 1 {
			t.Errorf("%d tokens are listed", n)
		}
	})
}

// TestRate: one address cannot use up what is for all.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, state.NewMemory(), Policy{})
		refused := func(from netip.Addr) int {
			n := 0
			for range 1000 {
				if _, err := a.Redeem(t.Context(), Request{Token: "x", Host: "h"}, from); reasonOf(t, err) == "rate" {
					n++
				}
			}
			return n
		}
		if n := refused(addr); n != 1000-peerBurst {
			t.Errorf("%d of 1000 were refused", n)
		}
		if n := refused(other); n != 1000-peerBurst {
			t.Errorf("another address: %d of 1000 were refused", n)
		}
		// Addresses of one network are one.
		a.limits = newLimits()
		n := 0
		for i := range 100 {
			from := netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i))
			if _, err := a.Redeem(t.Context(), Request{Token: "x", Host: "h"}, from); reasonOf(t, err) == "rate" {
				n++
			}
		}
		if n != 100-peerBurst {
			t.Errorf("%d of 100 were refused", n)
		}
		time.Sleep(time.Minute)
		if _, err := a.Redeem(t.Context(), Request{Token: "x", Host: "h"}, addr); reasonOf(t, err) != "token" {
			t.Error(err)
		}
	})
}

// failing is a store that takes nothing.
type failing struct{ state.Store }

func (failing) Write(context.Context, ...state.Change) error { return state.ErrDiskFull }

// TestStoreFails: what is not on disk has not happened.
func TestStoreFails(t *testing.T) {
	a := newAuthority(t, state.NewMemory(), Policy{})
	token := create(t, a, Spec{Group: "office", Count: 1, For: time.Hour, Static: true})
	good := a.store
	a.store = failing{good}
	if _, err := a.Redeem(t.Context(), Request{Token: token, Host: "h"}, addr); !errors.Is(err, state.ErrDiskFull) {
		t.Error(err)
	}
	if len(a.Keys()) != 0 || a.Tokens()[0].Used != 0 || a.Snapshot()["refused_store"] != 1 {
		t.Error(a.Keys(), a.Tokens(), a.Snapshot())
	}
	if _, _, err := a.Create(t.Context(), web(1)); err == nil || len(a.Tokens()) != 1 {
		t.Error("a token that is not stored exists")
	}
	if err := a.Retire(t.Context(), 0, "i-00000001"); err == nil {
		t.Error("retired without the store")
	}
	a.store = good
	if _, err := a.Redeem(t.Context(), Request{Token: token, Host: "h"}, addr); err != nil {
		t.Error(err)
	}
}

func TestHTTP(t *testing.T) {
	a := newAuthority(t, state.NewMemory(), Policy{})
	token := create(t, a, Spec{Group: "office", Count: 1, For: time.Hour, Static: true})
	post := func(body string) (int, map[string]string) {
		t.Helper()
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body)))
		var said map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
			t.Fatalf("%q: %v", w.Body, err)
		}
		return w.Code, said
	}
	if code, said := post(`{"token":"` + token + `","host":"h"}`); code != 200 || !strings.HasPrefix(said["key"], keyPrefix) || said["id"] != "h" || said["group"] != "office" {
		t.Error(code, said)
	}
	if code, said := post(`{"token":"` + token + `","host":"h2"}`); code != 403 || said["reason"] != "count" {
		t.Error(code, said)
	}
	if code, said := post(`{`); code != 400 || said["reason"] != "malformed" {
		t.Error(code, said)
	}
	if code, said := post(`{"token":"` + strings.Repeat("x", maxRequest) + `"}`); code != 400 {
		t.Error(code, said)
	}
	for range peerBurst {
		post(`{}`)
	}
	if code, said := post(`{}`); code != 429 || said["reason"] != "rate" {
		t.Error(code, said)
	}
	a.limits, a.store = newLimits(), failing{a.store}
	_ = a.Retire(t.Context(), 0, "h")
	if code, said := post(`{"token":"` + token + `","host":"h"}`); code != 503 || strings.Contains(said["error"], "disk") {
		t.Error(code, said)
	}
}

// ip is the address of an instance of the model, and of its host.
func ip(id string) netip.Addr { return netip.MustParseAddr("10.0.0." + id[len(id)-1:]) }

// A model is what must hold of tokens and keys.
type model struct {
	now    time.Time
	tokens map[string]*modelToken // by text
	key    map[string]string      // ID to its only good key
	by     map[string]*modelToken // ID to what its key was traded for
	dead   map[string]string      // keys that ended, and their ID
	gone   map[string]bool
}

type modelToken struct {
	Spec
	until   time.Time
	revoked bool
	used    map[string]bool // false: the key was revoked
}

// TestLaws: whatever is done in whatever order, with restarts between, a token
// never lets in more than its count, never after its deadline or its
// revocation, and never somebody who is another; an ID has one good key.
func TestLaws(t *testing.T) {
	ec2 := iidtest.New(t)
	ids := []string{"i-00000001", "i-00000002", "i-00000003", "i-00000004"}
	signed := map[string]string{}
	for _, id := range ids {
		signed[id] = string(ec2.Sign(t, iidtest.Document(id, ip(id), time.Unix(1e8, 0))))
	}
	policy := Policy{Authorities: ec2.Authorities(), Accounts: []string{account}}
	rapid.Check(t, func(r *rapid.T) {
		store := state.NewMemory()
		a := newAuthority(r, store, policy)
		m := model{clock(), map[string]*modelToken{}, map[string]string{}, map[string]*modelToken{}, map[string]string{}, map[string]bool{}}
		r.Repeat(map[string]func(*rapid.T){
			"create": func(r *rapid.T) { m.create(r, a) },
			"redeem": func(r *rapid.T) {
				id, from, static := rapid.SampledFrom(ids).Draw(r, "id"), rapid.SampledFrom(ids).Draw(r, "from"), rapid.Bool().Draw(r, "static host")
				req := Request{Host: "h-" + id, Document: signed[id]}
				m.redeem(r, a, req, id, ip(from), id == from, static)
			},
			"revoke": func(r *rapid.T) { m.revoke(r, a) },
			"retire": func(r *rapid.T) {
				id := rapid.SampledFrom(ids).Draw(r, "id")
				if err := a.Retire(context.Background(), 0, id); err != nil {
					r.Fatal(err)
				}
				m.gone[id] = true
				m.end(id)
			},
			"wait": func(r *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(r, "minutes")) * time.Minute)
			},
			"restart": func(r *rapid.T) { a = newAuthority(r, store, policy) },
			"":        func(r *rapid.T) { m.check(r, a) },
		})
	})
}

func (m *model) create(r *rapid.T, a *Authority) {
	s := Spec{Group: rapid.SampledFrom([]string{"web", "db"}).Draw(r, "group"), Count: rapid.IntRange(1, 3).Draw(r, "count"), For: time.Hour, Static: rapid.Bool().Draw(r, "static")}
	text, t, err := a.create(context.Background(), s, m.now)
	if err != nil {
		r.Fatal(err)
	}
	m.tokens[text] = &modelToken{Spec: s, until: t.Until, used: map[string]bool{}}
}

func (m *model) pick(r *rapid.T) (string, *modelToken) {
	if len(m.tokens) == 0 {
		r.Skip("no token")
	}
	text := rapid.SampledFrom(slices.Sorted(maps.Keys(m.tokens))).Draw(r, "token")
	return text, m.tokens[text]
}

// redeem lets an instance, which may come from another's address, or a host
// outside EC2, trade a token.
func (m *model) redeem(r *rapid.T, a *Authority, req Request, id string, from netip.Addr, honest, static bool) {
	m.now = m.now.Add(10 * time.Second) // the rate is tested elsewhere
	text, t := m.pick(r)
	req.Token = text
	if static {
		req.Document = ""
	}
	if t.Static {
		id = req.Host
	}
	again, joined := t.used[id]
	open := m.now.Before(t.until) && !t.revoked && (again || !joined && len(t.used) < t.Count) && !m.gone[id]
	proven := t.Static || !static && honest
	answer, err := a.redeem(context.Background(), req, from, m.now)
	if err == nil && (!open || !proven || answer.ID != id || answer.Group != t.Group) {
		r.Fatalf("%s from %s got %+v with %+v", id, from, answer, t)
	}
	// A static name is refused for more reasons than the model knows.
	if err != nil && open && proven && !t.Static && m.key["h-"+id] == "" {
		r.Fatalf("%s was refused: %v, with %+v", id, err, t)
	}
	if err == nil {
		m.end(id)
		m.key[id], m.by[id] = answer.Key, t
		t.used[id] = true
	}
}

func (m *model) revoke(r *rapid.T, a *Authority) {
	text, t := m.pick(r)
	if _, err := a.Revoke(context.Background(), text, "test"); err != nil {
		r.Fatal(err)
	}
	t.revoked = true
	if len(m.key) == 0 {
		return
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(m.key))).Draw(r, "key")
	if _, err := a.Revoke(context.Background(), id, "test"); err != nil {
		r.Fatal(err)
	}
	m.by[id].used[id] = false
	m.end(id)
}

func (m *model) end(id string) {
	if k := m.key[id]; k != "" {
		m.dead[k] = id
		delete(m.key, id)
	}
}

func (m *model) check(r *rapid.T, a *Authority) {
	for id, text := range m.key {
		if k, ok := a.Authorize(text, ip(id)); !ok || k.ID != id {
			r.Fatalf("the key of %s: %+v, %v", id, k, ok)
		}
	}
	for text, id := range m.dead {
		if k, ok := a.Authorize(text, ip(id)); ok {
			r.Fatalf("a key that ended is good: %+v", k)
		}
	}
	for _, t := range a.Tokens() {
		if t.Used > t.Count {
			r.Fatalf("%+v", t)
		}
	}
	if len(a.Keys()) != len(m.key) {
		r.Fatalf("%d keys, want %d", len(a.Keys()), len(m.key))
	}
}

func BenchmarkAuthorize(b *testing.B) {
	a := newAuthority(b, state.NewMemory(), Policy{})
	token := create(b, a, Spec{Group: "office", Count: 1, For: time.Hour, Static: true})
	answer, err := a.Redeem(b.Context(), Request{Token: token, Host: "h"}, addr)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := a.Authorize(answer.Key, addr); !ok {
			b.Fatal("refused")
		}
	}
}
