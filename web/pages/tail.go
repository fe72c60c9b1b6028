package pages

import (
	gobytes "bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"rondo/syslogd/filter"
)

const (
	// A live tail shows at most this many lines a second: more than anyone reads.
	// The others are counted and the count is shown.
	tailRate = 40
	// heartbeat finds readers that left while no line matched, and keeps proxies
	// from closing a quiet tail.
	heartbeat = 15 * time.Second
)

// A tailed line is a row, and how many lines have been left out before it.
type tailed struct {
	line    LogLine
	dropped int64
}

// tail streams lines that match q as server-sent events, each the row that the
// page itself would show.
func (p *Pages) tail(w http.ResponseWriter, r *http.Request) {
	if p.deps.Logs == nil {
		http.Error(w, "no log store is configured", http.StatusNotFound)
		return
	}
	f, err := filter.Parse(r.URL.Query().Get("q"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// Rows link to the range of the page that they are shown on.
	links, err := ParseRange(r.URL.Query(), "", time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	lines := make(chan tailed)
	wg.Go(func() {
		defer close(lines)
		p.follow(ctx, f, links, lines)
	})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	p.sendLines(ctx, w, lines)
}

// follow passes on lines until ctx ends, but no more than a reader can read.
func (p *Pages) follow(ctx context.Context, f *filter.Filter, links Range, lines chan<- tailed) {
	limit := rate.NewLimiter(tailRate, tailRate)
	var skipped int64
	for m, status := range p.deps.Logs.Tail(ctx, f) {
		if !limit.Allow() {
			skipped++
			continue
		}
		select {
		case lines <- tailed{newLogLine(&m, links), skipped + status.Dropped}:
		case <-ctx.Done():
			return
		}
	}
}

// sendLines writes events until there are no more, ctx ends or the reader is
// gone.
func (p *Pages) sendLines(ctx context.Context, w http.ResponseWriter, lines <-chan tailed) {
	out := http.NewResponseController(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	_, err := io.WriteString(w, ": open\n\n")
	for err == nil && out.Flush() == nil {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			_, err = io.WriteString(w, ": alive\n\n")
		case l, ok := <-lines:
			if !ok {
				return
			}
			err = p.sendLine(w, l)
		}
	}
}

// sendLine writes one event. Rows are made by the page's own template.
func (p *Pages) sendLine(w io.Writer, l tailed) error {
	var row gobytes.Buffer
	if err := p.sheets["logs"].ExecuteTemplate(&row, "logline", l.line); err != nil {
		return err
	}
	data, err := json.Marshal(struct {
		Row     string `json:"row"`
		Dropped int64  `json:"dropped"`
	}{row.String(), l.dropped})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "data: %s\n\n", data)
	return err
}
