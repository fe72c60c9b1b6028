package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/pin"
)

// chainConfig takes RELP over TLS and sends everything on, to a server whose
// certificate is known by its fingerprint.
const chainConfig = `
web: {listen: "127.0.0.1:{web}"}
log: warn
syslogd:
  udp: ""
  tcp: ""
  listeners:
    - {name: in, proto: %s, listen: "127.0.0.1:{relp}"%s}
  canary: {interval: 0}
  destinations:
    - name: next
      syslog: {to: %q, proto: relp-tls, origin: true, tls: {fingerprints: "%s"}}
  routes:
    - {name: all, to: next}
collectors: []
alerts: {hosts: []}
`

const (
	chainEnd = `
web: {listen: "127.0.0.1:{web}"}
log: warn
syslogd:
  udp: ""
  tcp: ""
  listeners: [{name: in, proto: relp-tls, listen: "127.0.0.1:{relp}"` + chainTLS + `}]
  canary: {interval: 0}
collectors: []
alerts: {hosts: []}
`
	chainTLS = `, tls: {cert: "{dir}/server.pem", key: "{dir}/server.pem"}`
)

// TestRelayChain sends messages from one server through another one to a third,
// while the one in the middle is killed with SIGKILL again and again. What the
// first one has taken is at the last one, all of it and nothing else, under the
// key and with the address that the first one gave it.
func TestRelayChain(t *testing.T) {
	const kills = 6
	last := newProc(t, chainEnd)
	last.start()
	middle := newProc(t, fmt.Sprintf(chainConfig, "relp-tls", chainTLS, last.addr("relp"), fingerprintOf(t, last)))
	middle.start()
	first := newProc(t, fmt.Sprintf(chainConfig, "relp", "", middle.addr("relp"), fingerprintOf(t, middle)))
	first.start()

	told, stop := acked{}, make(chan struct{})
	var feeding sync.WaitGroup
	feeding.Go(func() { told.relp(first, 0, stop) })
	for range kills {
		time.Sleep(rand.N(200 * time.Millisecond)) // in the middle of it
		middle.kill()
		middle.start()
	}
	close(stop)
	feeding.Wait()

	var taken uint64
	for _, p := range []*proc{first, middle} {
		d := settled(t, p)
		if d.Routed != d.Delivered || d.dropped() > 0 {
			t.Errorf("%d were routed, %d delivered, dropped %v", d.Routed, d.Delivered, d.Dropped)
		}
		if p == first {
			taken = d.Routed
		}
	}
	arrived, keys := map[string]int{}, map[string]string{}
	came := 0
	for _, m := range messagesOf(t, last) {
		key := m.param("relay@32473", "key")
		if ip := m.param("origin", "ip"); ip != "127.0.0.1" || key == "" {
			t.Fatalf("a message says nothing of its origin: %+v", m)
		}
		if other, ok := keys[key]; ok && other != m.Message {
			t.Fatalf("%q and %q have one key", other, m.Message)
		}
		keys[key] = m.Message
		arrived[m.Message]++
		came++
	}
	for id, when := range told.messages {
		if arrived["message "+id] == 0 {
			t.Errorf("message %s is lost: %s", id, when)
		}
	}
	if len(keys) != int(taken) || len(arrived) != int(taken) {
		t.Errorf("%d messages with %d keys arrived of %d", len(arrived), len(keys), taken)
	}
	t.Logf("%d messages in %d kills; %d came once more", taken, kills, came-int(taken))
	for _, p := range []*proc{first, middle, last} {
		p.stop()
	}
}

// fingerprintOf is that of a server's certificate.
func fingerprintOf(t *testing.T, p *proc) pin.Fingerprint {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "server.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return pin.Of(cert)
}

// settled waits until nothing waits in a server's only queue.
func settled(t *testing.T, p *proc) (d destinationView) {
	t.Helper()
	waitFor(t, func() error {
		var v routesView
		if err := p.get("/api/routes", &v); err != nil {
			return err
		}
		if d = v.Destinations[0]; d.Waiting > 0 {
			return fmt.Errorf("messages still wait: %+v", d)
		}
		return nil
	})
	return d
}

// A foundMessage is one of an answer of /api/logs.
type foundMessage struct{ Message, SD string }

func (m *foundMessage) param(id, name string) string {
	for p := range syslog.SDParams(m.SD) {
		if p.ID == id && p.Name == name {
			return p.Value()
		}
	}
	return ""
}

func messagesOf(t *testing.T, p *proc) (all []foundMessage) {
	t.Helper()
	q := url.Values{"q": {"app:crash"}, "from": {"-2h"}, "limit": {"100000"}}
	resp, err := http.Get(p.url("/api/logs?" + q.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for dec := json.NewDecoder(resp.Body); ; {
		var m foundMessage
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
}
