package rrdfile

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"rondo/rrd"
)

// InfoKind is the type of an Info's value, as rrdcached's protocol numbers it.
type InfoKind int

// The kinds.
const (
	InfoNumber InfoKind = iota // "%0.10e", or NaN
	InfoCount
	InfoText
)

// An Info is one line of `rrdtool info`.
type Info struct {
	Key  string
	Kind InfoKind
	Text string
}

// AppendInfo appends what `rrdtool info` would say of the file that Write makes
// of a set: the same keys in the same order. path is the file's name.
func AppendInfo(dst []Info, path string, d *rrd.SetDefinition, st *rrd.SetState) []Info {
	i := infoWriter{dst}
	i.text("filename", path)
	i.text("rrd_version", version(d))
	i.count("step", int64(d.Step/time.Second))
	i.count("last_update", int64(st.Last/rrd.Second))
	i.count("header_size", int64(headerSize(len(d.Sources), len(d.Archives))))
	for n := range d.Sources {
		i.source(n, &d.Sources[n], st.Sources[n])
	}
	for n := range d.Archives {
		i.archive(n, d, st)
	}
	return i.lines
}

type infoWriter struct{ lines []Info }

func (i *infoWriter) add(key string, kind InfoKind, text string) {
	i.lines = append(i.lines, Info{key, kind, text})
}

func (i *infoWriter) text(key, v string) { i.add(key, InfoText, v) }

func (i *infoWriter) count(key string, n int64) { i.add(key, InfoCount, strconv.FormatInt(n, 10)) }

func (i *infoWriter) number(key string, v float64) {
	text := "NaN"
	switch {
	case math.IsInf(v, 0):
		text = strings.ToLower(strings.TrimPrefix(fmt.Sprint(v), "+"))
	case v == v:
		text = strconv.FormatFloat(v, 'e', 10, 64)
	}
	i.add(key, InfoNumber, text)
}

func (i *infoWriter) source(n int, s *rrd.DataSource, st rrd.SourceState) {
	p := "ds[" + s.Name + "]."
	i.count(p+"index", int64(n))
	i.text(p+"type", strings.ToUpper(s.Type.String()))
	if s.Type == rrd.Compute {
		i.text(p+"cdef", s.Expression)
	} else {
		i.count(p+"minimal_heartbeat", int64(s.Heartbeat/time.Second))
		i.number(p+"min", s.Min)
		i.number(p+"max", s.Max)
	}
	i.text(p+"last_ds", st.Text)
	i.number(p+"value", st.Value)
	i.count(p+"unknown_sec", st.Unknown)
}

func (i *infoWriter) archive(n int, d *rrd.SetDefinition, st *rrd.SetState) {
	a := &d.Archives[n]
	p := fmt.Sprintf("rra[%d].", n)
	newest := a.Rows - 1
	if isSeason(a.CF) {
		newest = st.Seasons[n].Newest
	}
	i.text(p+"cf", strings.ToUpper(a.CF.String()))
	i.count(p+"rows", int64(a.Rows))
	i.count(p+"cur_row", int64(newest))
	i.count(p+"pdp_per_row", int64(a.Steps))
	i.parameters(p, a, version(d) >= "0004")
	for s := range d.Sources {
		cell := fmt.Sprintf("%scdp_prep[%d].", p, s)
		if a.HoltWinters != nil {
			i.holtWinters(cell, a, st.HoltWinters[n][s])
			continue
		}
		i.number(cell+"value", st.Cells[n][s].Value)
		i.count(cell+"unknown_datapoints", st.Cells[n][s].Unknown)
	}
}

func (i *infoWriter) parameters(p string, a *rrd.SetArchive, smoothing bool) {
	h := a.HoltWinters
	switch a.CF {
	case rrd.HWPredict, rrd.MHWPredict:
		i.number(p+"alpha", h.Alpha)
		i.number(p+"beta", h.Beta)
	case rrd.Seasonal, rrd.DevSeasonal:
		i.number(p+"gamma", h.Gamma)
		if smoothing {
			i.number(p+"smoothing_window", h.Smoothing)
		}
	case rrd.Failures:
		i.number(p+"delta_pos", h.DeltaPos)
		i.number(p+"delta_neg", h.DeltaNeg)
		i.count(p+"failure_threshold", int64(h.Threshold))
		i.count(p+"window_length", int64(h.Window))
	case rrd.DevPredict:
	default:
		i.number(p+"xff", a.XFF)
	}
}

// holtWinters says what a cell of the family holds.
func (i *infoWriter) holtWinters(p string, a *rrd.SetArchive, st rrd.HoltWintersState) {
	switch a.CF {
	case rrd.HWPredict, rrd.MHWPredict:
		i.number(p+"intercept", st.Level)
		i.number(p+"slope", st.Slope)
		i.count(p+"NaN_count", st.Count)
	case rrd.Seasonal:
		i.number(p+"seasonal", st.Level)
	case rrd.DevSeasonal:
		i.number(p+"deviation", st.Level)
	case rrd.Failures:
		i.text(p+"history", string(appendViolations(nil, st.Violations, a.HoltWinters.Window, '0', '1')))
	}
}
