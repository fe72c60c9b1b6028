package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"rondo/syslogd/query"
)

const (
	// The widths of columns are found from so many rows; later ones that are
	// wider stand out, but nothing waits for the last row.
	alignRows = 1000
	maxColumn = 60 // characters that other rows are widened for
)

// answerLine is the first or the last line of an answer of rows. A row has no
// cell that is an object, so none is mistaken for it.
type answerLine struct {
	Columns []query.Column
	Open    bool
	Status  *struct {
		query.Status
		Error string
	}
}

// rows prints the rows of a query as a table. What is missing is an error
// behind them: a script must not take half an answer for a whole one.
func (c logsSearchCmd) rows(ctx context.Context, out io.Writer, q url.Values) error {
	body, err := c.do(ctx, http.MethodGet, "/api/logs", q)
	if err != nil {
		return err
	}
	defer body.Close()
	t := rowTable{out: bufio.NewWriter(out)}
	err = t.read(json.NewDecoder(body))
	t.align()
	return errors.Join(err, t.out.Flush())
}

// rowTable prints rows in columns.
type rowTable struct {
	out     *bufio.Writer
	columns []query.Column
	open    bool
	waiting [][]string // until the widths are known
	widths  []int      // nil until then
}

// read takes an answer, line by line.
func (t *rowTable) read(dec *json.Decoder) error {
	var first answerLine
	if err := dec.Decode(&first); err != nil {
		return fmt.Errorf("answer is not understood: %w", err)
	}
	t.columns, t.open = first.Columns, first.Open
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return fmt.Errorf("answer broke off: %w", err)
		}
		if last, err := t.line(raw); last || err != nil {
			return err
		}
	}
}

// line takes a row, or the end of the answer.
func (t *rowTable) line(raw json.RawMessage) (last bool, err error) {
	var row map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // which prints numbers as they came
	if err := dec.Decode(&row); err != nil {
		return false, fmt.Errorf("answer is not understood: %w", err)
	}
	if _, isStatus := row["status"].(map[string]any); isStatus {
		var end answerLine
		if err := json.Unmarshal(raw, &end); err != nil {
			return false, fmt.Errorf("answer is not understood: %w", err)
		}
		t.align()
		return true, end.verdict(t.out)
	}
	t.add(row)
	return false, nil
}

// verdict prints notes, and returns what is wrong with the answer.
func (l answerLine) verdict(out io.Writer) error {
	if l.Status.Error != "" {
		return errors.New(l.Status.Error)
	}
	for _, n := range l.Status.Notes {
		fmt.Fprintln(out, "#", n)
	}
	if words := l.Status.Words(); words != "" {
		return fmt.Errorf("incomplete: %s", words)
	}
	return nil
}

// add prints a row, or keeps it until the widths are known.
func (t *rowTable) add(row map[string]any) {
	if t.open {
		t.widen(row)
	}
	cells := make([]string, len(t.columns))
	for i, c := range t.columns {
		if v := row[c.Name]; v != nil {
			cells[i] = strings.Map(printable, fmt.Sprint(v))
		}
	}
	if t.widths != nil {
		t.print(cells)
		return
	}
	if t.waiting = append(t.waiting, cells); len(t.waiting) == alignRows {
		t.align()
	}
}

// widen adds the columns that a row is the first to have, in order of name.
func (t *rowTable) widen(row map[string]any) {
	known := len(t.columns)
	for name := range row {
		if !slices.ContainsFunc(t.columns, func(c query.Column) bool { return c.Name == name }) {
			t.columns = append(t.columns, query.Column{Name: name, Type: "text"})
		}
	}
	slices.SortFunc(t.columns[known:], func(a, b query.Column) int { return strings.Compare(a.Name, b.Name) })
}

// printable keeps a terminal from what a sender wrote.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
		return '.'
	}
	return r
}

// align finds the widths and prints what waited for them. From then on there
// are no new columns.
func (t *rowTable) align() {
	if t.widths != nil {
		return
	}
	head := make([]string, len(t.columns))
	t.widths = make([]int, len(t.columns))
	for i, c := range t.columns {
		head[i] = c.Name
	}
	for _, cells := range append([][]string{head}, t.waiting...) {
		for i, cell := range cells {
			t.widths[i] = max(t.widths[i], min(utf8.RuneCountInString(cell), maxColumn))
		}
	}
	t.open = false
	if len(head) > 0 {
		t.print(head)
	}
	for _, cells := range t.waiting {
		t.print(cells)
	}
	t.waiting = nil
}

// print writes one line: numbers to the right, and no blanks at its end.
func (t *rowTable) print(cells []string) {
	var b strings.Builder
	for i, cell := range cells {
		pad := strings.Repeat(" ", max(0, t.widths[i]-utf8.RuneCountInString(cell)))
		if t.columns[i].Type == "number" {
			b.WriteString(pad + cell + "  ")
		} else {
			b.WriteString(cell + pad + "  ")
		}
	}
	_, _ = t.out.WriteString(strings.TrimRight(b.String(), " ") + "\n") // an error shows in Flush
}
