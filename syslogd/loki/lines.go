package loki

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd"
)

// categorizeFlag asks for the labels of lines apart from those of streams;
// Grafana does.
const categorizeFlag = "categorize-labels"

func categorizes(r *http.Request) bool {
	flags := strings.Split(r.Header.Get("X-Loki-Response-Encoding-Flags"), ",")
	return slices.ContainsFunc(flags, func(f string) bool { return strings.TrimSpace(f) == categorizeFlag })
}

// A lineSearch answers a query of lines.
type lineSearch struct {
	query      *logQuery
	from, to   time.Time // from <= time < to
	limit      int
	forward    bool
	interval   time.Duration // least time between two lines of a stream; 0: none
	categorize bool

	found map[string]*streamJSON
	lines int
	bytes int
	stats queryStats
}

// streamJSON is a stream in an answer.
type streamJSON struct {
	Stream labelsJSON `json:"stream"`
	Values []any      `json:"values"`
	last   time.Time
}

// labelsJSON is an object of labels.
type labelsJSON []label

// MarshalJSON writes the labels in their order.
func (l labelsJSON) MarshalJSON() ([]byte, error) {
	m := make(map[string]string, len(l))
	for _, x := range l {
		m[x.name] = x.value
	}
	return json.Marshal(m)
}

// key tells label sets apart.
func (l labelsJSON) key() string {
	var b strings.Builder
	for _, x := range l {
		b.WriteString(strconv.Quote(x.name) + "=" + strconv.Quote(x.value) + ",")
	}
	return b.String()
}

// lineLabels go with a line where they are told apart.
type lineLabels struct {
	Metadata labelsJSON `json:"structuredMetadata,omitempty"`
	Parsed   labelsJSON `json:"parsed,omitempty"`
}

// run searches. Where the filter says all that the query says the store stops
// at the limit; else the pipeline does.
func (s *lineSearch) run(ctx context.Context, logs syslogd.Searcher) error {
	t, err := translate(s.query, lookupIn(ctx, logs, s.from, s.to))
	if err != nil {
		return err
	}
	s.found = map[string]*streamJSON{}
	q := syslogd.Query{Filter: t.filter, From: s.from, To: s.to, Oldest: s.forward}
	if t.exact && s.interval == 0 {
		q.Limit = s.limit
	}
	for m, err := range logs.Search(ctx, q) {
		if err != nil {
			return err
		}
		s.stats.saw(m.Text)
		if r := s.query.run(&m); r != nil {
			s.add(r)
		}
		if s.bytes > maxAnswer {
			return badQueryf("the lines are more than %d MiB: ask for fewer than %d", maxAnswer>>20, s.limit)
		}
		if s.lines == s.limit {
			break
		}
	}
	s.stats.Summary.TotalEntriesReturned = int64(s.lines)
	return nil
}

// add puts a line into its stream.
func (s *lineSearch) add(r *record) {
	labels, extra := labelsJSON(r.labels()), lineLabels{}
	if s.categorize {
		labels, extra = r.stream(), lineLabels{r.metadata(), r.parsed()}
	}
	key := labels.key()
	st := s.found[key]
	if st == nil {
		st = &streamJSON{Stream: labels}
		s.found[key] = st
	}
	at := r.msg.When()
	if d := at.Sub(st.last).Abs(); len(st.Values) > 0 && d < s.interval {
		return
	}
	st.last = at
	value := []any{strconv.FormatInt(at.UnixNano(), 10), r.line}
	if s.categorize {
		value = append(value, extra)
	}
	st.Values = append(st.Values, value)
	s.lines++
	s.bytes += len(r.line) + len(key)
}

// streams are the answer, in order of labels.
func (s *lineSearch) streams() []*streamJSON {
	list := make([]*streamJSON, 0, len(s.found))
	for _, k := range slices.Sorted(maps.Keys(s.found)) {
		list = append(list, s.found[k])
	}
	return list
}

// lookupIn resolves regular expressions over labels by what occurs in a time.
func lookupIn(ctx context.Context, logs syslogd.Searcher, from, to time.Time) lookup {
	return func(field string) ([]string, bool, error) {
		groups, err := logs.Count(ctx, syslogd.Query{From: from, To: to}, []string{field}, 0)
		if isTooMany(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		values := make([]string, 0, len(groups))
		for _, g := range groups {
			values = append(values, g.Values[0])
		}
		return values, true, nil
	}
}
