package syslog

import "bytes"

// beginsMessage reports whether data can follow a counted message.
func beginsMessage(data []byte) bool {
	if len(data) == 0 || isTrailer(data[0]) || data[0] == bom[0] {
		return true
	}
	if _, n := octetCount(data); n > 0 {
		return n == len(data) || data[n] == ' '
	}
	yes, whole := beginsPRI(data)
	return yes || !whole
}

// resync handles a count whose end is none of the message, or lies beyond
// that of the stream. The message ends where the next one begins.
func (f *Framer) resync(data []byte, head, end int) bool {
	inside := min(end, len(data)) - head
	n := messageEnd(data[head : head+inside])
	switch {
	case n < inside: // the count was too large
	case end > len(data): // the stream ended in the middle of the message
		f.emit(head, n, n, true)
		return true
	default: // the count was too small
		n = messageEnd(data[head:])
		if n == len(data)-head && n < f.max && f.err == nil {
			return false
		}
	}
	f.stats.BadCounts++
	f.emit(head, min(n, f.max), n, n > f.max)
	return true
}

// messageEnd is the offset of the first line end or counted header, or the
// length of data. The line end is looked for first: a header far behind it
// must not be looked for again at each line.
func messageEnd(data []byte) int {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		data = data[:i]
	}
	return nextHeader(data)
}

// nextHeader is the offset of the first place where certainly a message
// begins, a line end or a count in front of a PRI, or the length of data.
func nextHeader(data []byte) int {
	for at := 1; at < len(data); at++ {
		i := bytes.IndexByte(data[at:], '<')
		if i < 0 {
			break
		}
		at += i
		if yes, _ := beginsPRI(data[at:]); !yes {
			continue
		}
		if data[at-1] == '\n' {
			return at - 1
		}
		if start := countBefore(data, at); start > 0 {
			return start
		}
	}
	return len(data)
}

// beginsPRI reports whether data begins with "<", digits and ">", perhaps
// behind a byte order mark; it is not known if data is not whole.
func beginsPRI(data []byte) (yes, whole bool) {
	if len(data) > 0 && data[0] == bom[0] {
		n := min(len(data), len(bom))
		if string(data[:n]) != bom[:n] {
			return false, true
		}
		data = data[n:]
	}
	for i, c := range data {
		switch {
		case i == 0 && c == '<', 0 < i && i < 4 && isDigit(c):
		default:
			return i > 1 && c == '>', true
		}
	}
	return false, false
}

// headerBefore returns where a count begins in front of the PRI at data[at:],
// or 0 if there is none.
func headerBefore(data []byte, at int) int {
	if yes, _ := beginsPRI(data[at:]); !yes {
		return 0
	}
	return countBefore(data, at)
}

// countBefore returns where the MSG-LEN in front of data[at] begins, or 0.
func countBefore(data []byte, at int) int {
	start := at - 1
	for start > 0 && at-1-start < maxDigits && isDigit(data[start-1]) {
		start--
	}
	if data[at-1] != ' ' || start == at-1 || data[start] == '0' {
		return 0
	}
	return start
}
