package logapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
)

// bin is a bar of the histogram.
type bin struct {
	Start  time.Time        `json:"start"`
	Counts map[string]int64 `json:"counts"` // by severity
	Total  int64            `json:"total"`
}

// histogram answers {"bin": seconds, "bins": [{"start", "counts", "total"}]}.
// Pipes have no part in it: it is of all messages that match.
func (a *api) histogram(w http.ResponseWriter, r *http.Request) {
	q, err := parse(r)
	var width time.Duration
	if err == nil {
		width, err = binWidth(r, q.From, q.To)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if n := binCount(q.From, q.To, width, time.Now()); n > maxBins {
		fail(w, http.StatusBadRequest, fmt.Errorf("bin %v: makes %d bins, at most %d: ask for wider bins or a shorter time", width, n, maxBins))
		return
	}
	list, err := syslogd.Histogram(r.Context(), a.logs, q.plain(0), width)
	if err != nil {
		failCount(w, err)
		return
	}
	bins := []bin{}
	for _, b := range list {
		if n := len(bins); n == 0 || !bins[n-1].Start.Equal(b.Start) {
			bins = append(bins, bin{Start: b.Start, Counts: map[string]int64{}})
		}
		last := &bins[len(bins)-1]
		last.Counts[b.Severity.String()] += b.Count
		last.Total += b.Count
	}
	writeJSON(w, http.StatusOK, map[string]any{"bin": width.Seconds(), "bins": bins})
}

// failCount tells a client that asked for too much from one without fault.
func failCount(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, syslogd.ErrTooManyGroups) {
		status = http.StatusBadRequest
	}
	fail(w, status, err)
}

// binCount is how many bins a time has, which is known before any is counted;
// 0 if it has no beginning.
func binCount(from, to time.Time, width time.Duration, now time.Time) int64 {
	if from.IsZero() {
		return 0
	}
	if to.IsZero() {
		to = now
	}
	return int64(to.Sub(from) / width)
}

// binWidth is what the client asks for, or about a sixtieth of the time.
func binWidth(r *http.Request, from, to time.Time) (time.Duration, error) {
	if s := r.URL.Query().Get("bin"); s != "" {
		d, err := syslogd.ParseSpan(s)
		if err != nil || d <= 0 {
			return 0, fmt.Errorf("bin %q: want a time span such as 10s, 5m or 1h", s)
		}
		return d, nil
	}
	if from.IsZero() {
		return time.Hour, nil
	}
	if to.IsZero() {
		to = time.Now()
	}
	widths := []time.Duration{
		time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute,
		15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	}
	i := slices.IndexFunc(widths, func(d time.Duration) bool { return to.Sub(from) <= 60*d })
	if i < 0 {
		return 24 * time.Hour, nil
	}
	return widths[i], nil
}

// facets answers {"field": ..., "values": [{"value", "count"}]}.
func (a *api) facets(w http.ResponseWriter, r *http.Request) {
	q, err := parse(r)
	n := 0
	if err == nil {
		n, err = count(r, "limit", defaultFacets, 1, maxFacets)
	}
	field, ok := filter.FieldName(r.URL.Query().Get("field"))
	if err == nil && !ok {
		err = fmt.Errorf("field %q: want host, app, severity, facility, pid, msgid, sender or sd.KEY", r.URL.Query().Get("field"))
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	list, err := syslogd.Facets(r.Context(), a.logs, q.plain(0), field, n)
	if err != nil {
		failCount(w, err)
		return
	}
	type value struct {
		Value string `json:"value"`
		Count int64  `json:"count"`
	}
	values := []value{}
	for _, f := range list {
		values = append(values, value(f))
	}
	writeJSON(w, http.StatusOK, map[string]any{"field": field, "values": values})
}
