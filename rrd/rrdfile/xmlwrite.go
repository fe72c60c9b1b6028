package rrdfile

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"math"
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
	x.printf("\t\t<minimal_heartbeat>%d</minimal_heartbeat>\n", d.Heartbeat/time.Second)
	x.float("\t\t", "min", d.Min)
	x.float("\t\t", "max", d.Max)
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
	x.float("\t\t", "xff", d.XFF)
	x.printf("\t\t</params>\n\t\t<cdp_prep>\n")
	for _, c := range image.State.Cells[a] {
		x.cell(c)
	}
	x.printf("\t\t</cdp_prep>\n\t\t<database>\n")
	newest := image.State.Last - image.State.Last%rrd.Time(row/time.Microsecond)
	x.rows(image.Rings[a], len(image.Definition.Sources), newest, row)
	x.printf("\t\t</database>\n\t</rra>\n")
}

func (x *xmlWriter) cell(c rrd.CellState) {
	const indent = "\t\t\t"
	x.printf("%s<ds>\n", indent)
	x.float(indent, "primary_value", 0)
	x.float(indent, "secondary_value", 0)
	x.float(indent, "value", c.Value)
	x.printf("%s<unknown_datapoints>%d</unknown_datapoints>\n", indent, c.Unknown)
	x.printf("%s</ds>\n", indent)
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
