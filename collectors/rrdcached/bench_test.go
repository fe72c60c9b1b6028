package rrdcached

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"rondo/collectors"
	"rondo/rrd"
)

// nullSets takes all updates.
type nullSets struct {
	rrd.SetStore
	rows rrd.SetRows
}

func (nullSets) UpdateSets(context.Context, []rrd.SetUpdate) error { return nil }

func (s nullSets) FetchSet(context.Context, rrd.SetQuery) (rrd.SetRows, error) { return s.rows, nil }

// nullConn reads and takes nothing.
type nullConn struct{ net.Conn }

func (nullConn) Write(p []byte) (int, error)      { return len(p), nil }
func (nullConn) SetWriteDeadline(time.Time) error { return nil }

func newBench(b *testing.B, sets rrd.SetStore) *session {
	b.Helper()
	bases, err := openBases([]string{b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { bases.close() })
	env := collectors.Env{Log: slog.New(slog.DiscardHandler), Sets: sets, Stats: &collectors.Stats{}}
	return &session{Collector: &Collector{env: env, bases: bases}, ctx: b.Context(), conn: nullConn{}, buf: make([]byte, maxRead)}
}

// BenchmarkBatch is what the protocol costs by itself, per UPDATE.
func BenchmarkBatch(b *testing.B) {
	c := newBench(b, nullSets{})
	text := []byte("BATCH\n")
	for i := range 1000 {
		text = fmt.Appendf(text, "UPDATE %s/host-%03d/metric-%05d.rrd 1700000000:%.2f\n", c.bases.all[0].dir, i/100, i, float64(i)*1.7)
	}
	text = append(text, ".\n"...)
	b.ReportAllocs()
	for b.Loop() {
		for rest := text; len(rest) > 0; {
			n := copy(c.buf[c.filled:], rest)
			c.filled, rest = c.filled+n, rest[n:]
			if err := c.lines(); err != nil {
				b.Fatal(err)
			}
		}
		if err := c.settle(); err != nil {
			b.Fatal(err)
		}
		c.out = c.out[:0]
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/update")
}

// BenchmarkFetch is what a day of minutes costs beside the store.
func BenchmarkFetch(b *testing.B) {
	rows := rrd.SetRows{SetRange: rrd.SetRange{Row: time.Minute, Start: 1700000000e6}, Sources: []string{"value"}}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1440 {
		rows.Values = append(rows.Values, rng.Float64()*100)
	}
	rows.End = rows.Start + 1440*60*rrd.Second
	for _, command := range []string{"FETCH", "FETCHBIN"} {
		b.Run(command, func(b *testing.B) {
			c := newBench(b, nullSets{rows: rows})
			b.ReportAllocs()
			for b.Loop() {
				if err := c.command(command + " a.rrd AVERAGE 1700000000 1700086340"); err != nil {
					b.Fatal(err)
				}
				c.out = c.out[:0]
			}
		})
	}
}
