package store

import (
	"fmt"
	"math"
	"time"

	"rondo/rrd"
)

// An Info is what the store knows of one series.
type Info struct {
	Key       string        `json:"key"`               // as PromQL writes it
	Set       bool          `json:"set"`               // a data source of a set, as RRDtool keeps it
	Type      string        `json:"type"`              // of a set that was asked for by its name: "set"
	Compute   string        `json:"compute,omitempty"` // what a set's compute source is made of
	Sources   []Source      `json:"sources,omitempty"` // of a set that was asked for by its name
	Step      string        `json:"step"`
	Heartbeat string        `json:"heartbeat"`
	Min       *float64      `json:"min"` // none: no limit
	Max       *float64      `json:"max"`
	Newest    time.Time     `json:"newest"` // sample; zero: none
	Schema    bool          `json:"schema"` // it is kept as the schemas say now
	Archives  []ArchiveInfo `json:"archives"`
}

// A Source is one data source of a set.
type Source struct {
	Key  string `json:"key"`
	Type string `json:"type"`
}

// An ArchiveInfo is one archive of a series.
type ArchiveInfo struct {
	Archive string    `json:"archive"`      // "10s for 1d"
	CF      string    `json:"cf,omitempty"` // a set's: its function; ours have all four
	Rows    int       `json:"rows"`
	XFF     float64   `json:"xff"`
	Begins  time.Time `json:"begins"`     // its complete rows
	Bytes   int64     `json:"bytes"`      // on disk, reckoned; 0 in a list
	Full    int64     `json:"bytes_full"` // when the ring is full; the same
}

// Describe returns what is known of the series that match, sorted by key, at
// most limit of them (0: all). Bytes are measured if size is set, which looks
// at every file.
func (st *Store) Describe(ms []rrd.Matcher, limit int, size bool) ([]Info, error) {
	found, err := st.table.find(ms, limit)
	if err != nil {
		return nil, err
	}
	m := &measure{}
	if size {
		if m, err = st.measure(); err != nil {
			return nil, fmt.Errorf("store: describe: %w", err)
		}
	}
	infos := make([]Info, len(found))
	for i, s := range found {
		infos[i] = st.describe(s, m)
	}
	return infos, nil
}

func (st *Store) describe(s match, m *measure) Info {
	if s.of != nil {
		return st.describeSource(s)
	}
	sh := st.shard(s.id)
	sh.mu.Lock()
	def, begins, newest := s.def, st.table.page(s.id).begins[s.id], s.newest()
	sh.mu.Unlock()
	d := &def.Definition
	info := Info{
		Key: s.key.String(), Type: d.Type.String(), Step: FormatSpan(d.Step), Heartbeat: FormatSpan(d.Heartbeat),
		Min: limitOf(d.Min), Max: limitOf(d.Max),
	}
	if newest != noTime {
		info.Newest = newest.Std()
	}
	if want, err := st.wanted(&Change{Schema: true}, s.key, def); err == nil {
		info.Schema = string(appendDefinition(nil, &want)) == string(appendDefinition(nil, d))
	}
	for a, archive := range d.Archives {
		ai := ArchiveInfo{Archive: FormatArchive(d, a), Rows: archive.Rows, XFF: archive.XFF}
		edge := def.rings[a].edge(st.nowClock())
		if a < len(begins) {
			edge = max(edge, begins[a])
		}
		x := m.rings[def.rings[a]]
		ai.Begins, ai.Bytes = edge.Std(), int64(x.perRow*float64(x.rows))
		if m.rings != nil {
			ai.Full = int64(fullBytes(d, a, x.perRow))
		}
		info.Archives = append(info.Archives, ai)
	}
	return info
}

// describeSource says of a set's data source what the set does. To queries it
// is a gauge.
func (st *Store) describeSource(s match) Info {
	sh := st.shard(s.id)
	sh.mu.Lock()
	last := s.of.last
	sh.mu.Unlock()
	def := s.of.def
	d := &def.Sources[s.id-s.of.id]
	info := Info{
		Key: s.key.String(), Set: true, Type: d.Type.String(), Compute: d.Expression,
		Step: FormatSpan(def.Step), Heartbeat: FormatSpan(d.Heartbeat),
		Min: limitOf(d.Min), Max: limitOf(d.Max), Schema: true,
	}
	if last != noTime {
		info.Newest = last.Std()
	}
	for i, a := range def.Archives {
		row := def.row(i)
		span := rrd.Time(a.Rows) * row
		ai := ArchiveInfo{
			Archive: FormatSpan(row.Sub(0)) + " for " + FormatSpan(span.Sub(0)),
			CF:      a.CF.String(), Rows: a.Rows, XFF: a.XFF,
		}
		if edge := last - last%row - span; edge > 0 {
			ai.Begins = edge.Std()
		}
		info.Archives = append(info.Archives, ai)
	}
	return info
}

func limitOf(f float64) *float64 {
	if math.IsNaN(f) {
		return nil
	}
	return &f
}
