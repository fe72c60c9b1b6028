package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/syslogd/logstore/logtest"
)

// tail sends lines at a steady rate, each with the time at which it was sent,
// and reads them from the live tail: all of them, and those of a filter.
func (t *table) tail(b *testing.B) {
	const rate, seconds = 10_000, 6
	p := newProc(b, benchConfig)
	p.start()
	defer p.stop()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	all, some := openTail(b, ctx, p, ""), openTail(b, ctx, p, "severity<=err")
	var readers sync.WaitGroup
	readers.Go(all.read)
	readers.Go(some.read)
	sendStamped(b, p.addr("syslog"), rate, rate*seconds)
	time.Sleep(time.Second) // what is later than that is lost
	cancel()
	readers.Wait()
	for _, r := range []struct {
		what string
		*tailReader
	}{{"all of 10k lines/s", all}, {"a filter, of 10k lines/s", some}} {
		if len(r.behind) == 0 {
			b.Fatalf("the tail of %s saw nothing", r.what)
		}
		t.add("live tail over HTTP, behind: "+r.what, "VictoriaLogs 1 s by design", milliseconds(quantile(r.behind, 0.99)), "ms", atMost(250))
		t.note("p50 %s, worst %s, %d lines, %d dropped", quantity(milliseconds(quantile(r.behind, 0.5)), "ms"), quantity(milliseconds(quantile(r.behind, 1)), "ms"), len(r.behind), r.dropped)
	}
}

// tailReader is a client of a live tail.
type tailReader struct {
	lines   *bufio.Scanner
	behind  []time.Duration
	dropped int
}

func openTail(b *testing.B, ctx context.Context, p *proc, filter string) *tailReader {
	b.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url("/api/logs/tail?q="+url.QueryEscape(filter)), nil)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = resp.Body.Close() }) // the context has ended it
	return &tailReader{lines: bufio.NewScanner(resp.Body)}
}

// read measures until the stream ends.
func (r *tailReader) read() {
	const stamp, dropped = " sent=", `data: {"dropped":`
	for r.lines.Scan() {
		text := r.lines.Text()
		if n, ok := strings.CutPrefix(text, dropped); ok {
			r.dropped, _ = strconv.Atoi(strings.TrimSuffix(n, "}")) // 0 shows as well that something is wrong
		}
		_, at, ok := strings.Cut(text, stamp)
		if !ok {
			continue
		}
		at, _, _ = strings.Cut(at, `"`)
		if ns, err := strconv.ParseInt(at, 10, 64); err == nil {
			r.behind = append(r.behind, time.Since(time.Unix(0, ns)))
		}
	}
}

// sendStamped sends n lines over TCP, each with its time at the end.
func sendStamped(b *testing.B, addr string, rate, n int) {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	fleet := logtest.NewFleet(3, time.Now())
	start := time.Now()
	for sent := 0; sent < n; {
		due := min(n, int(time.Since(start).Seconds()*float64(rate)))
		if sent >= due {
			time.Sleep(time.Millisecond)
			continue
		}
		var text strings.Builder
		for ; sent < due; sent++ {
			fmt.Fprintf(&text, "%s sent=%d\n", fleet.Next().Raw, time.Now().UnixNano())
		}
		if _, err := conn.Write([]byte(text.String())); err != nil {
			b.Fatal(err)
		}
	}
}
