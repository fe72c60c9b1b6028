package rrdcached

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/rrd"
)

// fetch answers FETCH and FETCHBIN <file> <CF>[:<resolution>] [<start> [<end>]
// [<column>...]]. The resolution in seconds is our own addition.
func (c *session) fetch(p place, args string, binary bool) error {
	name := "FETCH"
	if binary {
		name = "FETCHBIN"
	}
	words := fields(args)
	if len(words) == 0 {
		return c.usage(name)
	}
	q, err := fetchQuery(p.name(), words, time.Now())
	if err != nil {
		return c.fail("%s", err)
	}
	wanted := q.Sources
	q.Sources, q.Limit = nil, fewValues // the store does not know their order
	rows, err := c.rows(p, q)
	if many, ok := errors.AsType[*rrd.SetValuesError](err); ok && many.Values <= rrd.MaxSetValues {
		if err := c.fetching.Acquire(c.ctx, many.Values); err != nil {
			return err
		}
		defer c.fetching.Release(many.Values)
		q.Limit = many.Values
		rows, err = c.rows(p, q)
	}
	if errors.Is(err, rrd.ErrNoSet) {
		err = noFile(p)
	}
	if err != nil {
		return c.fail("rrd_fetch_r failed: %s", err)
	}
	columns, err := columnsOf(rows.Sources, wanted)
	if err != nil {
		return c.fail("%s", err)
	}
	if binary {
		return c.binary(&rows, columns)
	}
	return c.text(&rows, columns)
}

// Answers of few values, 128 KB, are made at once. Those of more share 64 MB
// until they are sent, and wait for one another.
const (
	fewValues   = 1 << 14
	maxFetching = rrd.MaxSetValues
)

// fetchQuery reads the words behind the file.
func fetchQuery(set string, words []string, now time.Time) (q rrd.SetQuery, err error) {
	q.Name = set
	cf, resolution, given := strings.Cut(words[0], ":")
	if q.CF, err = parseCF(cf); err != nil {
		return q, fmt.Errorf("rrd_fetch_r failed: %w", err)
	}
	if given {
		sec, err := strconv.ParseInt(resolution, 10, 32)
		if err != nil || sec < 1 {
			return q, fmt.Errorf("Cannot parse resolution `%s': Only positive integers are allowed.", resolution)
		}
		q.Resolution = time.Duration(sec) * time.Second
	}
	const day = 86400
	end, start := now.Unix(), int64(0)
	if len(words) > 2 {
		if end, err = fetchTime("end", words[2], now.Unix()); err != nil {
			return q, err
		}
	}
	if start = end - day; len(words) > 1 {
		if start, err = fetchTime("start", words[1], now.Unix()); err != nil {
			return q, err
		}
	}
	if len(words) > 3 {
		q.Sources = words[3:]
	}
	if start >= end {
		return q, errors.New("rrd_fetch_r failed: start is not before end")
	}
	q.Start, q.End = rrd.Time(start)*rrd.Second, rrd.Time(end)*rrd.Second
	return q, nil
}

// fetchTime reads a time: what is not positive is relative to now.
func fetchTime(what, text string, now int64) (int64, error) {
	t, err := strconv.ParseInt(text, 10, 64)
	if err != nil || t > maxSeconds || t < -maxSeconds {
		return 0, fmt.Errorf("Cannot parse %s time `%s': Only simple integers are allowed.", what, text)
	}
	if t <= 0 {
		t += now
	}
	if t < 0 {
		return 0, fmt.Errorf("Cannot parse %s time `%s': it is before 1970.", what, text)
	}
	return t, nil
}

// parseCF reads a function's name, which RRDtool writes in capitals.
func parseCF(text string) (cf rrd.CF, err error) {
	if text != strings.ToUpper(text) || cf.UnmarshalText([]byte(strings.ToLower(text))) != nil {
		return 0, fmt.Errorf("unknown consolidation function '%s'", text)
	}
	return cf, nil
}

// rows asks the store, for which it takes over the file that may lie there.
func (c *session) rows(p place, q rrd.SetQuery) (rrd.SetRows, error) {
	rows, err := c.env.Sets.FetchSet(c.ctx, q)
	if !errors.Is(err, rrd.ErrNoSet) {
		return rows, err
	}
	if _, _, err := c.describe(p); err != nil {
		return rows, err
	}
	return c.env.Sets.FetchSet(c.ctx, q)
}

// columnsOf returns the indexes of the data sources that are asked for, in the
// order asked for.
func columnsOf(sources, wanted []string) (columns []int, err error) {
	if len(wanted) == 0 {
		wanted = sources
	}
	for _, name := range wanted {
		i := slices.Index(sources, name)
		if i < 0 {
			return nil, fmt.Errorf("field %s not found in %s", name, strings.Join(sources, " "))
		}
		columns = append(columns, i)
	}
	return columns, nil
}

// head writes the lines that text and binary answers have in common; lines is
// how many follow the first.
func (c *session) head(rows *rrd.SetRows, columns, lines int) {
	c.out = fmt.Appendf(c.out, "%d Success\nFlushVersion: 1\nStart: %d\nEnd: %d\nStep: %d\nDSCount: %d\n", lines,
		rows.Start/rrd.Second, rows.End/rrd.Second, rows.Row/time.Second, columns)
}

func (c *session) text(rows *rrd.SetRows, columns []int) error {
	width := len(rows.Sources)
	n := len(rows.Values) / width
	c.head(rows, len(columns), 6+n)
	c.out = append(c.out, "DSName:"...)
	for _, i := range columns {
		c.out = append(append(c.out, ' '), rows.Sources[i]...)
	}
	c.out = append(c.out, '\n')
	step := rrd.Time(rows.Row.Microseconds())
	for r := range n {
		c.out = appendTime(c.out, (rows.Start+rrd.Time(r+1)*step)/rrd.Second)
		for _, i := range columns {
			c.out = appendValue(c.out, rows.Values[r*width+i])
		}
		c.out = append(c.out, '\n')
		if err := c.sendFull(); err != nil {
			return err
		}
	}
	return nil
}

// binary answers with a column for each data source, little-endian. Unknown is
// the NaN of x86.
func (c *session) binary(rows *rrd.SetRows, columns []int) error {
	const unknown = 0xfff8000000000000
	width := len(rows.Sources)
	n := len(rows.Values) / width
	c.head(rows, len(columns), 5+len(columns))
	for _, i := range columns {
		c.out = fmt.Appendf(c.out, "DSName-%s: BinaryData %d 8 LITTLE\n", rows.Sources[i], n)
		for at := i; at < len(rows.Values); at += width {
			bits := uint64(unknown)
			if v := rows.Values[at]; v == v {
				bits = math.Float64bits(v)
			}
			c.out = binary.LittleEndian.AppendUint64(c.out, bits)
			if err := c.sendFull(); err != nil {
				return err
			}
		}
		c.out = append(c.out, '\n')
	}
	return nil
}
