package query

import (
	"slices"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// A Column of rows.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"` // text, number, time, or any of them
}

const anyType = "any"

// A Schema is what columns the rows of a query have.
type Schema struct {
	Columns []Column `json:"columns"`
	// Open says that rows may have more, as the texts of messages have it.
	Open bool `json:"open,omitempty"`
}

func lists(columns []Column, name string) bool {
	return slices.ContainsFunc(columns, func(c Column) bool { return c.Name == name })
}

// with adds columns that are not there yet.
func (s Schema) with(columns ...Column) Schema {
	out := Schema{append([]Column(nil), s.Columns...), s.Open}
	for _, c := range columns {
		if !lists(out.Columns, c.Name) {
			out.Columns = append(out.Columns, c)
		}
	}
	return out
}

// typeOf is the type of a column; of one that is not listed, text.
func (s Schema) typeOf(name string) string {
	for _, c := range s.Columns {
		if c.Name == name {
			return c.Type
		}
	}
	return Text.String()
}

// messageColumns are the columns of a message, in the order of its JSON.
func messageColumns() []Column {
	text := Text.String()
	return []Column{
		{"time", Time.String()}, {"received", Time.String()}, {"host", text}, {"app", text}, {"severity", text}, {"facility", text},
		{"pid", text}, {"msgid", text}, {"sd", text}, {"sender", text}, {"message", text}, {"id", text},
	}
}

// A Row is a message with what was extracted from it, or what a pipe made.
type Row struct {
	message *syslog.Message // nil if a pipe made the row
	cells   []cell
	mask    func(*syslog.Message) string
}

type cell struct {
	name  string
	value Value
}

// Message is the message that the row is; nil if a pipe made it of several,
// or of some columns.
func (r *Row) Message() *syslog.Message { return r.message }

// Get returns the value of a column.
func (r *Row) Get(name string) Value {
	for i := range r.cells {
		if r.cells[i].name == name {
			return r.cells[i].value
		}
	}
	if r.message == nil {
		return Value{}
	}
	switch m := r.message; name {
	case "time":
		return timeOf(m.When())
	case "received":
		return timeOf(m.Received)
	case "message":
		return textOrNone(m.Text)
	case "sd":
		return textOrNone(m.SD)
	case "id":
		return textOf(string(syslogd.IDOf(m)))
	case syslogd.Pattern:
		return textOf(r.mask(m))
	}
	return textOrNone(filter.Value(r.message, name))
}

// set puts a value into a column. The first of a name stays.
func (r *Row) set(name string, v Value) {
	if !r.hides(name) {
		r.cells = append(r.cells, cell{name, v})
	}
}

// Each yields the columns that the row has, those of a message first.
func (r *Row) Each(yield func(name string, v Value) bool) {
	if r.message != nil {
		for _, c := range messageColumns() {
			if r.hides(c.Name) {
				continue
			}
			if v := r.Get(c.Name); v.kind != None && !yield(c.Name, v) {
				return
			}
		}
	}
	for _, c := range r.cells {
		if !yield(c.name, c.value) {
			return
		}
	}
}

// hides reports whether something was put into a column, of a message or not.
func (r *Row) hides(name string) bool {
	return slices.ContainsFunc(r.cells, func(c cell) bool { return c.name == name })
}

// AppendJSON appends the row as an object.
func (r *Row) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	begin := len(dst)
	for name, v := range r.Each {
		if len(dst) > begin {
			dst = append(dst, ',')
		}
		dst = v.appendJSON(append(appendString(dst, name), ':'))
	}
	return append(dst, '}')
}

// bytes is about how much memory the row takes.
func (r *Row) bytes() int64 {
	n := int64(64)
	if r.message != nil {
		n += 400 + int64(len(r.message.Raw))
	}
	for _, c := range r.cells {
		n += int64(len(c.name)) + c.value.bytes()
	}
	return n
}
