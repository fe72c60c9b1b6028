package rrdfile

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/rrd"
)

// WriteXML writes what `rrdtool dump` would print of the image, but for the
// number of digits.
func WriteXML(w io.Writer, image *rrd.SetImage) error {
	if err := check(image); err != nil {
		return fmt.Errorf("rrdfile: %w", err)
	}
	x := &xmlWriter{Writer: bufio.NewWriterSize(w, 1<<16)}
	d := &image.Definition
	x.printf(`<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE rrd SYSTEM "https://oss.oetiker.ch/rrdtool/rrdtool.dtd">
<!-- Round Robin Database Dump -->
<rrd>
	<version>%s</version>
	<step>%d</step> <!-- Seconds -->
	<lastupdate>%d</lastupdate> <!-- %s -->

`, version(d), d.Step/time.Second, image.State.Last/rrd.Second, date(image.State.Last))
	for i := range d.Sources {
		x.source(&d.Sources[i], &image.State.Sources[i])
	}
	x.printf("\t<!-- Round Robin Archives -->\n")
	for a := range d.Archives {
		x.archive(image, a)
	}
	x.printf("</rrd>\n")
	return x.Flush()
}

// An xmlWriter prints; its first error stays, and Flush returns it.
type xmlWriter struct {
	*bufio.Writer
	digits []byte
}

func (x *xmlWriter) printf(format string, args ...any) { _, _ = fmt.Fprintf(x, format, args...) }

// float prints an element with a number.
func (x *xmlWriter) float(indent, name string, v float64) {
	x.printf("%s<%s>%s</%s>\n", indent, name, x.number(v), name)
}

func (x *xmlWriter) count(indent, name string, n int64) {
	x.printf("%s<%s>%d</%s>\n", indent, name, n, name)
}

// number is v to the last bit.
func (x *xmlWriter) number(v float64) []byte {
	switch {
	case math.IsNaN(v):
		x.digits = append(x.digits[:0], "NaN"...)
	case math.IsInf(v, 0):
		x.digits = append(x.digits[:0], strings.ToLower(strings.TrimPrefix(fmt.Sprint(v), "+"))...)
	default:
		x.digits = strconv.AppendFloat(x.digits[:0], v, 'e', 16, 64)
	}
	return x.digits
}

// element prints an element with a text of whoever sent it.
func (x *xmlWriter) element(name, text string) {
	x.printf("\t\t<%s>", name)
	_ = xml.EscapeText(x, []byte(text))
	x.printf("</%s>\n", name)
}

func (x *xmlWriter) source(d *rrd.DataSource, s *rrd.SourceState) {
	x.printf("\t<ds>\n")
	x.element("name", d.Name)
	x.element("type", strings.ToUpper(d.Type.String()))
	if d.Type == rrd.Compute {
		x.element("cdef", d.Expression)
	} else {
		x.printf("\t\t<minimal_heartbeat>%d</minimal_heartbeat>\n", d.Heartbeat/time.Second)
		x.float("\t\t", "min", d.Min)
		x.float("\t\t", "max", d.Max)
	}
	x.printf("\n\t\t<!-- PDP Status -->\n")
	x.element("last_ds", s.Text)
	x.float("\t\t", "value", s.Value)
	x.printf("\t\t<unknown_sec>%d</unknown_sec>\n\t</ds>\n\n", s.Unknown)
}

func (x *xmlWriter) archive(image *rrd.SetImage, a int) {
	d := &image.Definition.Archives[a]
	row := image.Definition.Step * time.Duration(d.Steps)
	x.printf("\t<rra>\n")
	x.element("cf", strings.ToUpper(d.CF.String()))
	x.printf("\t\t<pdp_per_row>%d</pdp_per_row> <!-- %d seconds -->\n\n", d.Steps, row/time.Second)
	x.printf("\t\t<params>\n")
	x.params(d, version(&image.Definition) >= "0004")
	x.printf("\t\t</params>\n\t\t<cdp_prep>\n")
	for i := range image.State.Cells[a] {
		x.cell(image, a, i)
	}
	x.printf("\t\t</cdp_prep>\n\t\t<database>\n")
	ring := image.Rings[a]
	if isSeason(d.CF) {
		season := image.State.Seasons[a]
		oldest := (season.Newest + 1) % d.Rows * len(image.Definition.Sources)
		ring = slices.Concat(season.Values[oldest:], season.Values[:oldest])
	}
	newest := image.State.Last - image.State.Last%rrd.Time(row/time.Microsecond)
	x.rows(ring, len(image.Definition.Sources), newest, row)
	x.printf("\t\t</database>\n\t</rra>\n")
}

func (x *xmlWriter) params(a *rrd.SetArchive, smoothing bool) {
	const indent = "\t\t"
	h := a.HoltWinters
	switch a.CF {
	case rrd.HWPredict, rrd.MHWPredict:
		x.float(indent, "hw_alpha", h.Alpha)
		x.float(indent, "hw_beta", h.Beta)
	case rrd.Seasonal, rrd.DevSeasonal:
		x.float(indent, "seasonal_gamma", h.Gamma)
		x.count(indent, "seasonal_smooth_idx", int64(h.SmoothRow))
		if smoothing {
			x.float(indent, "smoothing_window", h.Smoothing)
		}
	case rrd.DevPredict:
	case rrd.Failures:
		x.float(indent, "delta_pos", h.DeltaPos)
		x.float(indent, "delta_neg", h.DeltaNeg)
		x.count(indent, "window_len", int64(h.Window))
		x.count(indent, "failure_threshold", int64(h.Threshold))
	default:
		x.float(indent, "xff", a.XFF)
		return
	}
	x.count(indent, "dependent_rra_idx", int64(h.Partner))
}

// cell prints the open row of a data source. What rrdtool wants to read, and
// only uses within an update, is 0.
func (x *xmlWriter) cell(image *rrd.SetImage, a, source int) {
	const indent = "\t\t\t"
	x.printf("%s<ds>\n", indent)
	x.float(indent, "primary_value", 0)
	x.float(indent, "secondary_value", 0)
	if archive := &image.Definition.Archives[a]; archive.HoltWinters != nil {
		x.holtWinters(indent, archive, image.State.HoltWinters[a][source])
	} else {
		c := image.State.Cells[a][source]
		x.float(indent, "value", c.Value)
		x.count(indent, "unknown_datapoints", c.Unknown)
	}
	x.printf("%s</ds>\n", indent)
}

func (x *xmlWriter) holtWinters(indent string, a *rrd.SetArchive, h rrd.HoltWintersState) {
	switch a.CF {
	case rrd.HWPredict, rrd.MHWPredict:
		x.float(indent, "intercept", h.Level)
		x.float(indent, "last_intercept", h.LastLevel)
		x.float(indent, "slope", h.Slope)
		x.float(indent, "last_slope", h.LastSlope)
		x.count(indent, "nan_count", h.Count)
		x.count(indent, "last_nan_count", h.LastCount)
	case rrd.Seasonal, rrd.DevSeasonal:
		x.float(indent, "seasonal", h.Level)
		x.float(indent, "last_seasonal", h.LastLevel)
		x.count(indent, "init_flag", h.Count)
	case rrd.Failures:
		x.printf("%s<history>%s</history>\n", indent, appendViolations(nil, h.Violations, a.HoltWinters.Window, '0', '1'))
	}
}

func (x *xmlWriter) rows(ring []float64, sources int, newest rrd.Time, row time.Duration) {
	end := newest.Add(-row * time.Duration(len(ring)/sources-1))
	for ; len(ring) > 0; ring = ring[sources:] {
		x.printf("\t\t\t<!-- %s / %d --> <row>", date(end), end/rrd.Second)
		for _, v := range ring[:sources] {
			_, _ = x.WriteString("<v>")
			_, _ = x.Write(x.number(v))
			_, _ = x.WriteString("</v>")
		}
		_, _ = x.WriteString("</row>\n")
		end = end.Add(row)
	}
}

// date is a time for people, as rrdtool prints it.
func date(t rrd.Time) string { return t.Std().Format("2006-01-02 15:04:05 UTC") }
