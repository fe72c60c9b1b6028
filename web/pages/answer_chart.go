package pages

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd/query"
)

const (
	maxFigures   = 4    // columns of numbers that are drawn
	answerCurves = 8    // the greatest; the others are in the table
	maxPoints    = 3000 // of one graph
)

// figures draw the numbers of rows by time, a graph for each column and a
// curve for each combination of the other values.
func figures(s query.Schema, rows []*query.Row, bin time.Duration, r Range) []Figure {
	if bin < time.Second || int(r.Span()/bin) > maxPoints || !slices.Contains(s.Columns, query.Column{Name: "time", Type: query.Time.String()}) {
		return nil
	}
	var names []string
	var out []Figure
	for _, c := range s.Columns {
		if c.Type == query.Text.String() {
			names = append(names, c.Name)
		}
	}
	for _, c := range s.Columns {
		if c.Type != query.Number.String() && c.Type != "any" || len(out) == maxFigures {
			continue
		}
		f := figureOf(c.Name, names, rows, bin, r)
		f.ID = "answer" + strconv.Itoa(len(out))
		f.Tall = len(out) == 0
		out = append(out, f)
	}
	return out
}

// figureOf draws one column. What is counted is 0 where there is no row, all
// else is unknown there.
func figureOf(column string, names []string, rows []*query.Row, bin time.Duration, r Range) Figure {
	begin := r.Start.Truncate(bin)
	points := int(r.End.Sub(begin)/bin) + 1
	f := Figure{Title: column, Start: r.Start, End: r.End, Times: make([]int64, points)}
	for i := range f.Times {
		f.Times[i] = begin.Add(time.Duration(i+1) * bin).Unix()
	}
	none := math.NaN()
	if strings.HasPrefix(column, "count") {
		none = 0
	}
	curves := map[string]*Curve{}
	sums := map[string]float64{}
	for _, row := range rows {
		v, ok := row.Get(column).Number()
		i := int(row.Get("time").At().Sub(begin) / bin)
		if !ok || i < 0 || i >= points {
			continue
		}
		name := labelOf(row, names)
		if curves[name] == nil {
			curves[name] = &Curve{Name: name, Avg: slices.Repeat([]float64{none}, points)}
		}
		curves[name].Avg[i] = v
		sums[name] += math.Abs(v)
	}
	for _, c := range curves {
		f.Curves = append(f.Curves, *c)
	}
	slices.SortFunc(f.Curves, func(a, b Curve) int {
		return cmp.Or(cmp.Compare(sums[b.Name], sums[a.Name]), strings.Compare(a.Name, b.Name))
	})
	if n := len(f.Curves); n > answerCurves {
		f.Curves = f.Curves[:answerCurves]
		f.Note = "the greatest " + strconv.Itoa(answerCurves) + " of " + count(int64(n)) + "; all are in the table"
	}
	return f
}

func labelOf(row *query.Row, names []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = cmp.Or(row.Get(n).String(), "(none)")
	}
	return cmp.Or(strings.Join(parts, " "), "all")
}
