package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rondo/alerts/fleet"
	"rondo/alerts/fleet/iid/iidtest"
	"rondo/alerts/fleet/join"
	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
	"rondo/collectors/agent/enrol"
	"rondo/collectors/agent/imds"
)

const joinConfig = `web: {listen: "127.0.0.1:{web}"}
syslogd: {udp: "", tcp: "", canary: {interval: 0}}
collectors: []
agents:
  identity:
    accounts: ["123456789012"]
    certificates: {eu-west-1: {dir}/ec2.pem}
`

// TestInstanceJoins: an instance asks its metadata service, shows a running
// server the signed document, and gets a key; others get none.
func TestInstanceJoins(t *testing.T) {
	ec2, forger := iidtest.New(t), iidtest.New(t)
	p := newProc(t, joinConfig)
	if err := os.WriteFile(filepath.Join(p.dir, "ec2.pem"), ec2.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start()
	flags := clientFlags{Data: filepath.Join(p.dir, "data")}
	token, err := tokenFlags{Group: "web", Count: 2, For: span(time.Hour)}.create(t.Context(), flags)
	if err != nil {
		t.Fatal(err)
	}
	loopback, elsewhere := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.0.0.9")
	enrolled := func(instance, signed string) {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "token"), []byte(token.Text), 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := enrol.New(enrol.Options{
			Server: p.url(""), TokenFile: filepath.Join(dir, "token"), KeyFile: filepath.Join(dir, "key"),
			Host: "h-" + instance, Metadata: metadataOf(t, instance, signed), Transport: http.DefaultTransport, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() error { _, err := e.Key(); return err })
		var c enrol.Credentials
		kept, err := os.ReadFile(filepath.Join(dir, "key"))
		if err = errors.Join(err, json.Unmarshal(kept, &c)); err != nil || c.ID != instance || c.Group != "web" || c.Key == "" {
			t.Errorf("%s: %+v, %v", instance, c, err)
		}
	}
	sign := func(s *iidtest.Signer, id string, ip netip.Addr) string {
		return string(s.Sign(t, iidtest.Document(id, ip, time.Now())))
	}
	refused := func(want, instance, signed string) {
		t.Helper()
		var said struct{ Reason string }
		body, err := json.Marshal(join.Request{Token: token.Text, Host: "h", Instance: instance, Document: signed})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.Post(p.url(join.Path), "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || said.Reason != want || answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s %q, %v; want %q", instance, answer.Status, said.Reason, err, want)
		}
	}
	enrolled("i-00000001", sign(ec2, "i-00000001", loopback))
	refused("document", "i-00000002", sign(forger, "i-00000002", loopback))
	refused("address", "i-00000002", sign(ec2, "i-00000002", elsewhere))
	refused("instance", "i-00000003", sign(ec2, "i-00000002", loopback))
	refused("no_proof", "i-00000002", "")
	enrolled("i-00000002", sign(ec2, "i-00000002", loopback))
	refused("count", "i-00000003", sign(ec2, "i-00000003", loopback))
	var keys []keyView
	if err := flags.get(t.Context(), "/api/agents/keys", nil, &keys); err != nil || len(keys) != 2 || keys[1].ID != "i-00000002" {
		t.Errorf("%+v, %v", keys, err)
	}
	if out := p.output.String(); strings.Contains(out, token.Text) || !strings.Contains(out, "reason=address") {
		t.Errorf("the log tells too much, or too little:\n%s", out)
	}
	p.stop()
}

// metadataOf is the metadata service of an instance.
func metadataOf(t *testing.T, instance, signed string) *imds.Client {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch filepath.Base(r.URL.Path) {
		case "token":
			fmt.Fprint(w, "t")
		case "document":
			fmt.Fprintf(w, `{"instanceId":%q}`, instance)
		case "rsa2048":
			fmt.Fprint(w, signed)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	return imds.New(srv.URL)
}

// TestRetiredInstanceLosesItsKey: the autoscaler withdraws a host; its instance
// may send for a while, and is not let in again.
func TestRetiredInstanceLosesItsKey(t *testing.T) {
	ec2, store, log := iidtest.New(t), state.NewMemory(), slog.New(slog.DiscardHandler)
	a, err := join.New(store, join.Policy{Authorities: ec2.Authorities(), Accounts: []string{"123456789012"}}, log)
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := fleet.New(store, fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := a.Create(t.Context(), join.Spec{Group: "web", Count: 1, For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ip := netip.MustParseAddr("10.0.0.9")
	q := join.Request{Token: token, Host: "web-1", Document: string(ec2.Sign(t, iidtest.Document("i-00000001", ip, time.Now())))}
	if _, err := a.Redeem(t.Context(), q, ip); err != nil {
		t.Fatal(err)
	}
	hosts.Report("web-1", "web", "i-00000001", fleet.Agent{ID: "i-00000001", Seen: time.Now()})
	retiring{hosts, a, log}.Withdraw("web-1", "autoscale: group web retires i-00000001")
	if k := a.Keys(); len(k) != 1 || k[0].Ends.IsZero() || time.Until(k[0].Ends) > keyGrace {
		t.Errorf("%+v", k)
	}
	if _, err := a.Redeem(t.Context(), q, ip); err == nil || !strings.Contains(err.Error(), "retired") {
		t.Error(err)
	}
}

// TestInstanceJoinsByTag: where there is no document, what EC2 says of the ID
// decides.
func TestInstanceJoinsByTag(t *testing.T) {
	sim := ec2sim.New(ec2sim.Options{})
	srv := httptest.NewServer(sim)
	defer srv.Close()
	cloud, err := ec2.New(t.Context(), ec2.Config{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "demo", SecretKey: "demo", LoopbackOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	launched := func(group string) ec2sim.Instance {
		t.Helper()
		is, err := sim.Launch(1, map[string]string{autoscale.TagGroup: group})
		if err != nil {
			t.Fatal(err)
		}
		return is[0]
	}
	web, other, db, over := launched("web"), launched("web"), launched("db"), launched("web")
	if _, err := cloud.Terminate(t.Context(), "web", []string{over.ID}); err != nil {
		t.Fatal(err)
	}
	a, err := join.New(state.NewMemory(), join.Policy{Cloud: tagged{cloud, map[string]string{"web-asg": "web"}}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := a.Create(t.Context(), join.Spec{Group: "web", Count: 9, For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	f := func(want, id, from string) {
		t.Helper()
		answer, err := a.Redeem(t.Context(), join.Request{Token: token, Host: "h", Instance: id}, netip.MustParseAddr(from))
		no, _ := errors.AsType[*join.Refusal](err)
		if want == "" && (err != nil || answer.ID != id) || want != "" && (no == nil || no.Reason != want) {
			t.Errorf("%s from %s: %+v, %v; want %q", id, from, answer, err, want)
		}
	}
	member, err := sim.Launch(1, map[string]string{tagASG: "web-asg"})
	if err != nil {
		t.Fatal(err)
	}
	f("", web.ID, web.PrivateIP)
	f("", member[0].ID, member[0].PrivateIP)
	f("address", web.ID, other.PrivateIP)
	f("tag", db.ID, db.PrivateIP)
	f("cloud", over.ID, over.PrivateIP)
	f("cloud", "i-0fffffffffffffff0", web.PrivateIP)
	srv.Close()
	f("cloud_failed", other.ID, other.PrivateIP)
}
