package syslogd

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A flood does not take the room of those that send little: the one that
// floods loses first, and several share what there is.
func TestFloodIsFair(t *testing.T) {
	small := netip.MustParseAddr("192.0.2.1")
	data := []byte(strings.Repeat("x", 936)) // costs 1000
	for _, floods := range []int{1, 2, 3, 10} {
		q, now := newPackets(false), time.Now()
		taken := make([]int, floods)
		for range maxWaiting / 1000 {
			for i := range floods {
				from := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
				if q.add(packet{data: data, from: from}, now) {
					taken[i]++
				}
			}
		}
		want := maxWaiting / 1000 * fairShare / (1 + fairShare*floods)
		for i, n := range taken {
			if d := n - want; d < -2 || d > 2 {
				t.Errorf("%d floods: number %d holds %d datagrams, want %d", floods, i, n, want)
			}
		}
		for range 100 {
			if !q.add(packet{data: data, from: small}, now) {
				t.Fatalf("%d floods: a quiet sender is refused", floods)
			}
		}
		if c := q.filled.cost(); c > maxWaiting {
			t.Errorf("%d floods: %d waits", floods, c)
		}
		// Once the batch is taken all begins anew.
		if b, ok := q.take(packetBatch{}); !ok || len(b.waiting) < 100 || !q.add(packet{data: data, from: netip.AddrFrom4([4]byte{10})}, now) {
			t.Error("the next batch is not empty")
		}
	}
}

// A host with IPv6 has many addresses and is one sender.
func TestSenderOf(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.7": "10.0.0.7", "::ffff:10.0.0.7": "10.0.0.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "2001:db8:1:2::7": "2001:db8:1:2::",
	} {
		if got := senderOf(netip.MustParseAddr(in)); got.String() != want {
			t.Errorf("%s: %v", in, got)
		}
	}
	if got := senderOf(netip.Addr{}); got.IsValid() {
		t.Error(got)
	}
}

func TestRates(t *testing.T) {
	a, b, now := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), time.Now()
	r := newRates(10, 3)
	burst := func(from netip.Addr) (n int) {
		for r.take(from, now) {
			n++
		}
		return n
	}
	if n := burst(a); n != 3 {
		t.Errorf("%d at once", n)
	}
	if n := burst(b); n != 3 {
		t.Errorf("%d of another sender", n)
	}
	now = now.Add(200 * time.Millisecond)
	if n := burst(a); n != 2 {
		t.Errorf("%d after 200 ms", n)
	}
	now = now.Add(time.Hour)
	if n := burst(a); n != 3 {
		t.Errorf("%d after an hour", n)
	}
	if d := r.wait(a, 5, now); d.Round(time.Millisecond) != 500*time.Millisecond {
		t.Errorf("5 too many make it wait for %v", d)
	}
	if !r.take(netip.Addr{}, now) || !(*rates)(nil).take(a, now) || newRates(0, 5) != nil {
		t.Error("limited without a limit")
	}
	for i := range 2 * maxSenders {
		r.take(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), now)
	}
	if len(r.buckets) > maxSenders {
		t.Errorf("%d senders are kept", len(r.buckets))
	}
}

// Whoever sends too much over UDP loses the rest, by name.
func TestSenderRateUDP(t *testing.T) {
	store := newMemory()
	s, _ := start(t, store, func(c *Config) { c.SenderRate, c.SenderBurst = 1, 5 })
	conn := dial(t, "udp", s.Addr("udp"))
	for i := range 50 {
		send(t, conn, fmt.Sprintf("<34>message %d", i))
	}
	eventually(t, func() bool {
		n := s.Snapshot()
		return n["received_udp"]+n["refused_rate"] == 50
	})
	if n := s.Snapshot()["received_udp"]; n < 5 || n > 20 {
		t.Errorf("%d taken", n)
	}
	if top := s.Offenders(); len(top) != 1 || top[0].Sender != netip.MustParseAddr("127.0.0.1") || top[0].Refused != s.Snapshot()["refused_rate"] {
		t.Errorf("%v", top)
	}
}

// Whoever sends too much over a connection is made to wait, and loses nothing.
func TestSenderRateTCP(t *testing.T) {
	store := newMemory()
	s, _ := start(t, store, func(c *Config) { c.SenderRate, c.SenderBurst = 100, 1 })
	conn, began := dial(t, "tcp", s.Addr("tcp")), time.Now()
	for range 2 {
		send(t, conn, strings.Repeat("<34>x\n", 20))
		store.wait(t, 20)
	}
	store.wait(t, 40)
	if d := time.Since(began); d < 150*time.Millisecond { // 19 too many take 190 ms
		t.Errorf("40 messages are taken within %v", d)
	}
}

func senders(r *refusals) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.counts)
}

func TestRefusalsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, r := &lines{}, newRefusals(NewStats())
		go r.report(t.Context(), slog.New(slog.NewTextHandler(log, nil)))
		addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
		r.add("refused_network", addr(1), 7)
		r.add("refused_rate", addr(2), 9)
		time.Sleep(reportPeriod + time.Second)
		if log.count("10.0.0.2 9, 10.0.0.1 7") != 1 {
			t.Errorf("%s", log.all.String())
		}
		time.Sleep(10 * reportPeriod)
		if log.count("level=WARN") != 1 {
			t.Errorf("told again: %s", log.all.String())
		}
		for i := range 2 * maxOffenders {
			r.add("refused_network", addr(i), 1)
		}
		r.add("refused_network", addr(1), 1)
		time.Sleep(reportPeriod)
		if log.count("others 1024") != 1 || log.count("10.0.0.1 2") != 1 || senders(r) > maxOffenders+1 {
			t.Errorf("%d senders: %s", senders(r), log.all.String())
		}
		if r.stats.Snapshot()["refused_network"] != 7+2*maxOffenders+1 {
			t.Error(r.stats.Snapshot())
		}
		for range 3 { // room is made for new ones
			time.Sleep(reportPeriod)
			r.add("refused_network", addr(5000), 1)
		}
		if n := senders(r); n > 10 {
			t.Errorf("%d senders are kept", n)
		}
	})
}

// The portions of a batch are all of it, in order, and each is bounded.
func TestPortions(t *testing.T) {
	small, large := []byte("<34>x"), []byte(strings.Repeat("y", maxDatagram))
	q, now := newPackets(false), time.Now()
	var want strings.Builder
	for i := range 3 * portionPackets {
		data := small
		if i%100 == 0 {
			data = large
		}
		if q.add(packet{data: data}, now) {
			want.Write(data)
		}
	}
	b, _ := q.take(packetBatch{})
	var got strings.Builder
	count, n := len(b.waiting), 0
	for part := range b.portions() {
		if len(part.bytes) > portionBytes || len(part.waiting) > portionPackets {
			t.Errorf("%d bytes of %d datagrams at once", len(part.bytes), len(part.waiting))
		}
		start := 0
		for _, w := range part.waiting {
			got.Write(part.bytes[start:w.end])
			start = w.end
			n++
		}
	}
	if n != count || got.String() != want.String() {
		t.Errorf("%d of %d datagrams, or not their bytes", n, count)
	}
}

// Where nothing comes, empty batches do.
func TestWaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newPackets(false)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			if err := q.wakeEvery(ctx, time.Second); err != nil {
				t.Error(err)
			}
			q.close()
		}()
		begin, batches := time.Now(), 0
		for b := range q.batches() {
			if batches++; len(b.waiting) != 0 {
				t.Error("a batch with something in it")
			}
			if batches == 3 {
				cancel()
			}
		}
		if took := time.Since(begin); batches != 3 || took != 3*time.Second {
			t.Errorf("%d batches in %v", batches, took)
		}
	})
}
