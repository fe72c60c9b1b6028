package pages

import (
	gobytes "bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"rondo/syslogd/filter"
)

// A live tail shows at most this many lines a second: more than anyone reads.
// The others are counted and the count is shown.
const tailRate = 40

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
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	_, _ = fmt.Fprint(w, ": open\n\n") // a reader that left ends the context
	if out.Flush() != nil {
		return
	}
	limit := rate.NewLimiter(tailRate, tailRate)
	var skipped int64
	for m, status := range p.deps.Logs.Tail(r.Context(), f) {
		if !limit.AllowN(time.Now(), 1) {
			skipped++
			continue
		}
		if p.sendLine(w, newLogLine(&m, links), skipped+status.Dropped) != nil || out.Flush() != nil {
			return
		}
	}
}

// sendLine writes one event. Rows are made by the page's own template.
func (p *Pages) sendLine(w http.ResponseWriter, l LogLine, dropped int64) error {
	var row gobytes.Buffer
	if err := p.sheets["logs"].ExecuteTemplate(&row, "logline", l); err != nil {
		return err
	}
	data, err := json.Marshal(struct {
		Row     string `json:"row"`
		Dropped int64  `json:"dropped"`
	}{row.String(), dropped})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "data: %s\n\n", data)
	return err
}
