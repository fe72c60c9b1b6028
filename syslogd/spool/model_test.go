package spool

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A modelQueue is what is known of a queue from outside.
type modelQueue struct {
	q        *Queue
	r        reading
	routed   uint64
	unknown  uint64 // of routed, those that a kill has made the spool forget that it dropped
	flight   []int  // numbers of the messages of the session
	received map[int]bool
	last     int // the newest of the session
}

// A model drives a spool by hand, one step after the other.
type model struct {
	t      *rapid.T
	dir    string
	s      *Spool
	limits Limits
	queues []*modelQueue
	list   []*Queue
	next   int
	kills  int
}

func (m *model) open() {
	m.s = openAt(m.t, m.dir)
	close(m.s.stop) // cursors are written when the model says so
	m.s.wg.Wait()
	m.s.stop = make(chan struct{})
	m.list = queuesOf(m.t, m.s, m.limits, "a", "b")
	for i, q := range m.queues {
		q.q, q.flight, q.last, q.r = m.list[i], nil, -1, reading{}
	}
}

func (m *model) queue() *modelQueue { return m.queues[rapid.IntRange(0, 1).Draw(m.t, "queue")] }

func (m *model) append(t *rapid.T) {
	n := rapid.IntRange(1, 150).Draw(t, "n")
	batch := messages(m.next, m.next+n)
	pad := strings.Repeat("x", rapid.SampledFrom([]int{0, 1000, 6000}).Draw(t, "pad"))
	to := make([]Set, n)
	for i := range batch {
		batch[i].PID = strconv.Itoa(m.next + i)
		batch[i].Text += pad
		to[i] = Set((m.next + i) % rapid.SampledFrom([]int{1, 2, 3, 4, 7}).Draw(t, "to") & 3)
		for k, q := range m.queues {
			if to[i].Has(k) {
				q.routed++
			}
		}
	}
	m.next += n
	if _, err := m.s.Append(t.Context(), m.list, batch, to); err != nil {
		t.Fatal(err)
	}
}

func (m *model) send(t *rapid.T) {
	q := m.queue()
	ok, err := q.q.fetch(&q.r)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return
	}
	for i := range q.r.batch.Messages {
		n, err := strconv.Atoi(q.r.batch.Messages[i].PID)
		if err != nil || n <= q.last {
			t.Fatalf("%d after %d: %v", n, q.last, err)
		}
		q.last = n
		q.flight = append(q.flight, n)
	}
}

func (m *model) settle(t *rapid.T) {
	q := m.queue()
	if len(q.flight) == 0 {
		return
	}
	n := rapid.IntRange(0, len(q.flight)).Draw(t, "settled")
	q.q.settle(uint64(n), 0)
	for _, x := range q.flight[:n] {
		q.received[x] = true
	}
	q.flight = q.flight[n:]
}

func (m *model) fail(*rapid.T) {
	q := m.queue()
	q.q.rewind()
	q.flight, q.last = nil, -1
}

func (m *model) keep(t *rapid.T) {
	if err := m.s.keep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (m *model) kill(t *rapid.T) {
	for _, q := range m.queues {
		st := check(t, q.q)
		if st.Routed != q.routed {
			t.Fatalf("routed %d, want %d", st.Routed, q.routed)
		}
	}
	kill(t, m.s)
	m.s = nil
	m.kills++
	m.open()
	for _, q := range m.queues {
		// What was dropped before it was written is known only as far as the
		// file says.
		q.unknown = q.routed - min(q.routed, check(t, q.q).Routed)
		if q.unknown > 0 && m.limits.WhenFull != DropNewest {
			t.Fatalf("%d messages are forgotten", q.unknown)
		}
		q.routed -= q.unknown
	}
}

func (m *model) reload(t *rapid.T) {
	m.limits.Bytes = minBytes * rapid.Int64Range(1, 2).Draw(t, "bytes")
	m.list = queuesOf(t, m.s, m.limits, "a", "b")
}

func (m *model) age(t *rapid.T) {
	m.s.expire(time.Now().Add(rapid.SampledFrom([]time.Duration{0, 2 * time.Hour}).Draw(t, "clock")))
}

func (m *model) check(t *rapid.T) {
	for _, q := range m.queues {
		st := check(t, q.q)
		if st.Routed != q.routed {
			t.Fatalf("routed %d, want %d", st.Routed, q.routed)
		}
		if st.InFlight != uint64(len(q.flight)) {
			t.Fatalf("%d in flight, want %d", st.InFlight, len(q.flight))
		}
		dropped := uint64(0)
		for why, n := range st.Dropped {
			if dropped += n; why == Damaged {
				t.Fatalf("%d are damaged", n)
			}
		}
		// A message may have been received, forgotten in a kill, and dropped.
		got := uint64(len(q.received))
		if sum := got + st.Waiting + dropped; sum < st.Routed || m.kills == 0 && sum != st.Routed {
			t.Fatalf("received %d, waiting %d, dropped %v of %d", got, st.Waiting, st.Dropped, st.Routed)
		}
	}
}

// drain delivers all that waits.
func (m *model) drain(t *rapid.T) {
	for _, q := range m.queues {
		q.q.rewind()
		q.flight, q.last = nil, -1
		for {
			ok, err := q.q.fetch(&q.r)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			for i := range q.r.batch.Messages {
				n, _ := strconv.Atoi(q.r.batch.Messages[i].PID)
				q.received[n] = true
			}
			q.q.settle(uint64(len(q.r.batch.Messages)), 0)
		}
		if st := check(t, q.q); st.Waiting != 0 {
			t.Fatalf("%d still wait", st.Waiting)
		}
	}
	m.check(t)
}

// Random histories: every message is delivered, or dropped for a reason, or
// waits, whatever fails and whoever is killed.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{t: rt, dir: t.TempDir(), limits: Limits{
			Bytes: minBytes, Age: time.Hour, WhenFull: rapid.SampledFrom([]Policy{DropOldest, DropNewest}).Draw(rt, "policy"),
		}}
		m.queues = []*modelQueue{{received: map[int]bool{}}, {received: map[int]bool{}}}
		m.open()
		defer func() {
			if m.s != nil {
				kill(rt, m.s)
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"append": m.append, "append2": m.append, "send": m.send, "send2": m.send, "settle": m.settle, "fail": m.fail,
			"keep": m.keep, "kill": m.kill, "reload": m.reload, "age": m.age, "": m.check,
		})
		m.drain(rt)
	})
}
