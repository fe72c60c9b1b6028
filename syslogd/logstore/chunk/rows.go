package chunk

import (
	"fmt"
	"strconv"
	"time"

	"rondo/syslogd/syslog"
)

// Rows are the messages of a chunk, open or sealed, in order of arrival. They
// do not change. A Rows is not safe for concurrent use: it decodes columns
// when they are first needed.
type Rows struct {
	Types   []*Type
	Origins []Origin
	rows    []row
	counts  []uint32 // by type
	source  values
	sealed  *sealedRows // what of rows is not yet decoded; nil for an open chunk
	buf     []byte
	today   dayText
	close   func() // nil for an open chunk
}

// values are the values of the slots: of row ord of a type, the sub-th.
type values interface {
	value(typ uint32, sub int, ord uint32) uint64
	text(typ uint32, sub int, ord uint32) string
	err() error // of what was read so far
	fail(error)
}

// Close ends the use of the rows: what they were decoded into goes to the next
// chunk. Messages that were rendered stay.
func (r *Rows) Close() {
	if r.close != nil {
		r.close()
		*r = Rows{source: r.source}
	}
}

// Len is the number of messages.
func (r *Rows) Len() int { return len(r.rows) }

// When is the time of message i (Message.When) in Unix nanoseconds.
func (r *Rows) When(i int) int64 {
	if r.sealed != nil {
		r.sealed.readTimes(r)
	}
	return r.rows[i].when
}

// Received is the reception of message i in Unix nanoseconds.
func (r *Rows) Received(i int) int64 {
	if r.sealed != nil {
		r.sealed.readTimes(r)
	}
	return r.rows[i].received
}

// Load makes types and origins known, which Type and Origin need. It is apart,
// because many searches end before. Times are decoded when they are asked for;
// Err reports their damage.
func (r *Rows) Load() error {
	if r.sealed != nil {
		r.sealed.readPlaces(r)
	}
	return r.source.err()
}

// Err is what is wrong with the bytes that were decoded so far.
func (r *Rows) Err() error { return r.source.err() }

// load decodes all that is needed to render a row.
func (r *Rows) load() error {
	if r.sealed != nil {
		r.sealed.readPlaces(r)
		r.sealed.readTimes(r)
	}
	return r.source.err()
}

// Type is the index in Types of message i.
func (r *Rows) Type(i int) int { return int(r.rows[i].typ) }

// Origin is the index in Origins of message i.
func (r *Rows) Origin(i int) int { return int(r.rows[i].origin) }

// Count is how many messages are of a type.
func (r *Rows) Count(typ int) int { return int(r.counts[typ]) }

// Message renders message i. It is the same as was added, but for the
// location of its times, which is UTC.
func (r *Rows) Message(i int) (syslog.Message, error) {
	if err := r.load(); err != nil {
		return syslog.Message{}, fmt.Errorf("chunk: message %d: %w", i, err)
	}
	row := &r.rows[i]
	t, o := r.Types[row.typ], &r.Origins[row.origin]
	m := syslog.Message{
		Format: t.Format, Facility: t.Facility, Severity: t.Severity, HasPRI: t.HasPRI, Truncated: t.Truncated,
		Received: time.Unix(0, row.received).UTC(), Host: o.Host, Sender: o.Sender,
	}
	if !t.NoTime {
		m.Time = time.Unix(0, row.when).UTC()
	}
	r.render(&m, row, t)
	if err := r.source.err(); err != nil {
		return syslog.Message{}, fmt.Errorf("chunk: message %d: %w", i, err)
	}
	return m, nil
}

// render writes the line and cuts the fields out of it.
func (r *Rows) render(m *syslog.Message, row *row, t *Type) {
	out := r.buf[:0]
	var from, to [fields]int
	field, rawEnd := -1, -1
	for i := range t.parts {
		p := &t.parts[i]
		switch {
		case p.kind == 0:
			out = append(out, p.text...)
		case p.kind == markHost:
			out = append(out, m.Host...)
		case p.kind == markApp:
			from[fieldApp] = len(out)
			out = append(out, p.text...)
			to[fieldApp] = len(out)
		case isSlot(p.kind):
			out = r.appendSlot(out, p, row)
		case p.kind == markEnd && field >= 0:
			to[field], field = len(out), -1
		case p.kind == markRawEnds:
			rawEnd = len(out)
		case p.kind < markField+fields:
			field = int(p.kind - markField)
			from[field], to[field] = len(out), len(out)
		}
	}
	r.buf = out
	all := string(out)
	if rawEnd < 0 {
		rawEnd = len(all)
	}
	m.Raw = all[:rawEnd]
	m.App, m.PID, m.MsgID = all[from[0]:to[0]], all[from[1]:to[1]], all[from[2]:to[2]]
	m.SD, m.Text = all[from[3]:to[3]], all[from[4]:to[4]]
}

// Text renders only Message.Text of message i. It is valid until the next
// call of Text or Message.
func (r *Rows) Text(i int) (string, error) {
	if err := r.load(); err != nil {
		return "", err
	}
	row := &r.rows[i]
	out, inText := r.buf[:0], false
	for k := range r.Types[row.typ].parts {
		p := &r.Types[row.typ].parts[k]
		switch {
		case p.kind == markField+fieldText:
			out, inText = out[:0], true
		case p.kind == markEnd:
			inText = false
		case !inText:
		case p.kind == 0:
			out = append(out, p.text...)
		case isSlot(p.kind):
			out = r.appendSlot(out, p, row)
		}
	}
	r.buf = out
	return view(out), r.source.err()
}

const (
	hexDigits      = "0123456789abcdef"
	hexUpperDigits = "0123456789ABCDEF"
)

func (r *Rows) appendSlot(dst []byte, p *part, row *row) []byte {
	if p.kind == slotString || p.kind == slotTail {
		return append(dst, r.source.text(row.typ, p.sub, row.ord)...)
	}
	v := r.source.value(row.typ, p.sub, row.ord)
	switch p.kind {
	case slotInt, slotPID:
		return strconv.AppendUint(dst, v, 10)
	case slotDigits:
		w := 1
		for w < maxDigits && v >= firstCode[w+1] {
			w++
		}
		return appendDigits(dst, v-firstCode[w], w)
	case slotIPv4:
		return appendQuad(dst, v)
	case slotMAC:
		dst = appendHex(dst, v>>40, 2, hexDigits)
		for shift := 32; shift >= 0; shift -= 8 {
			dst = appendHex(append(dst, ':'), v>>shift, 2, hexDigits)
		}
		return dst
	case slotShortHex:
		return strconv.AppendUint(dst, v, 16)
	case slotHex:
		return r.appendLongHex(dst, p, row, v)
	}
	return r.today.append(dst, p, v, row.when)
}

func appendQuad(dst []byte, v uint64) []byte {
	dst = strconv.AppendUint(dst, v>>24&255, 10)
	for shift := 16; shift >= 0; shift -= 8 {
		dst = strconv.AppendUint(append(dst, '.'), v>>shift&255, 10)
	}
	return dst
}

func (r *Rows) appendLongHex(dst []byte, p *part, row *row, v uint64) []byte {
	digits := hexDigits
	if p.par&hexIsUpper != 0 {
		digits = hexUpperDigits
	}
	for w, sub := int(p.par&^hexIsUpper), p.sub; w > 0; w -= 16 {
		dst = appendHex(dst, v, min(w, 16), digits)
		if sub++; w > 16 {
			v = r.source.value(row.typ, sub, row.ord)
		}
	}
	return dst
}

// dayText keeps the last day that was rendered.
type dayText struct {
	day           int64
	iso, clf, bsd []byte
}

func (d *dayText) set(day int64) {
	if d.day == day && d.iso != nil {
		return
	}
	day = min(max(day, 0), maxDay) // a writer stays within; hostile bytes may not
	y, m, n := civil(day)
	d.day = day
	d.iso = append(appendDigits(d.iso[:0], uint64(y), 4), '-')
	d.iso = append(appendDigits(d.iso, uint64(m), 2), '-')
	d.iso = appendDigits(d.iso, uint64(n), 2)
	d.clf = append(append(append(appendDigits(d.clf[:0], uint64(n), 2), '/'), monthName(m)...), '/')
	d.clf = appendDigits(d.clf, uint64(y), 4)
	d.bsd = append(append(d.bsd[:0], monthName(m)...), ' ')
	if n < 10 {
		d.bsd = append(d.bsd, ' ', byte('0'+n))
	} else {
		d.bsd = appendDigits(d.bsd, uint64(n), 2)
	}
}

// append renders a time that is relative to the row's.
func (d *dayText) append(dst []byte, p *part, v uint64, when int64) []byte {
	if p.kind == slotISO {
		return d.appendISO(dst, p, v, when)
	}
	sec := FloorDiv(when, 1e9) + unzigzag(v)
	day := FloorDiv(sec, secondsPerDay)
	d.set(day)
	if p.kind == slotCLF {
		dst = append(append(dst, d.clf...), ':')
	} else {
		dst = append(append(dst, d.bsd...), ' ')
	}
	return appendClock(dst, sec-day*secondsPerDay)
}

func (d *dayText) appendISO(dst []byte, p *part, v uint64, when int64) []byte {
	digits := min(int(v&15), 9)
	units := unzigzag(v>>4) + FloorDiv(when, int64(powers[9-digits]))
	sec := FloorDiv(units, int64(powers[digits]))
	day := FloorDiv(sec, secondsPerDay)
	d.set(day)
	dst = append(dst, d.iso...)
	if p.par&isoT != 0 {
		dst = append(dst, 'T')
	} else {
		dst = append(dst, ' ')
	}
	dst = appendClock(dst, sec-day*secondsPerDay)
	if digits == 0 {
		return dst
	}
	if p.par&isoComma != 0 {
		dst = append(dst, ',')
	} else {
		dst = append(dst, '.')
	}
	return appendDigits(dst, uint64(units-sec*int64(powers[digits])), digits)
}
