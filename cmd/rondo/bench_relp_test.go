package main

import (
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/relp"
)

const relpConfig = `
web: {listen: "127.0.0.1:{web}"}
log: error
syslogd: {udp: "", tcp: "", listeners: [{proto: relp, listen: "127.0.0.1:{relp}"}]}
collectors: []
`

// relp sends over 8 connections with librelp's window of 128: how many
// messages are acknowledged, that is on disk, and how long each waits for it.
func (t *table) relp(b *testing.B) {
	const senders, each = 8, 25_000
	p := newProc(b, relpConfig)
	p.start()
	var waits [senders][]time.Duration
	var all sync.WaitGroup
	began := time.Now()
	for i := range senders {
		all.Go(func() {
			var err error
			if waits[i], err = acknowledged(p.addr("relp"), uint64(i), each); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if b.Failed() {
		return
	}
	sorted := slices.Concat(waits[:]...)
	slices.Sort(sorted)
	t.add("RELP, acknowledged and on disk, 8 senders with a window of 128", "", senders*each/took.Seconds(), "messages/s", goal{})
	t.note("a reply after %s, 99 %% of them within %s", quantity(float64(sorted[len(sorted)/2].Microseconds())/1000, "ms"),
		quantity(float64(sorted[len(sorted)*99/100].Microseconds())/1000, "ms"))
	if n := p.countLogs(); n != senders*each {
		b.Errorf("%d messages are stored, %d were acknowledged", n, senders*each)
	}
	p.stop()
}

// acknowledged sends n messages and returns how long each reply took.
func acknowledged(addr string, seed uint64, n int) (waits []time.Duration, err error) {
	const window = 128
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	fleet, reader := logtest.NewFleet(seed, time.Now().Add(-time.Minute)), relp.NewReader(conn, 1000)
	wire := relp.AppendFrame(nil, 1, relp.Open, relp.Offers{Version: relp.Version, Commands: []string{relp.Syslog}}.String())
	sent := map[int]time.Time{}
	for next := 2; len(waits) < n; wire = wire[:0] {
		for ; next-2 < n && len(sent) < window; next++ {
			wire = relp.AppendFrame(wire, next, relp.Syslog, fleet.Next().Raw)
			sent[next] = time.Now()
		}
		if _, err := conn.Write(wire); err != nil {
			return nil, err
		}
		frames, err := reader.Append(nil)
		for _, f := range frames {
			if at, ok := sent[f.Txnr]; ok {
				waits = append(waits, time.Since(at))
				delete(sent, f.Txnr)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return waits, nil
}
