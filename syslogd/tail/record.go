package tail

import (
	"bytes"
	"regexp"
)

// multiline says which lines make one record.
type multiline struct {
	pattern  *regexp.Regexp // nil: each line is a record
	start    bool           // a line that matches begins a record; else it goes on with one
	maxLines int
}

// A splitter cuts the bytes of a file into records: lines, or groups of them.
type splitter struct {
	encoding Encoding
	maxLine  int // bytes of a record
	multi    multiline
}

// An ending says what is known of what follows the data of a splitter.
type ending int

const (
	open    ending = iota // more may come, any time
	quiet                 // nothing came for a while: groups of lines are complete
	closing               // nothing will ever come: a line without its end is complete, too
)

// next returns the first record of data without its line end, and how many
// bytes of data it takes; 0 if there is no complete record. What is longer
// than a record may be is cut: what is left of it is the next record.
func (s *splitter) next(data []byte, end ending) (record []byte, n int, cut bool) {
	n, cut = s.line(data, end)
	if n == 0 || cut || s.multi.pattern == nil {
		return s.trim(data[:n]), n, cut
	}
	for lines := 1; ; lines++ {
		more, long := s.line(data[n:], end)
		switch {
		case more == 0 && n >= s.maxLine, more > 0 && lines >= s.multi.maxLines:
			return s.trim(data[:n]), n, false
		case more == 0 && len(data) >= s.room():
			return s.trim(data[:n]), n, false // as much as is ever looked at
		case more == 0 && end == open:
			return nil, 0, false
		case more == 0, s.begins(data[n : n+more]):
			return s.trim(data[:n]), n, false
		case n+more > s.maxLine || long:
			return s.trim(data[:n]), n, true
		}
		n += more
	}
}

// room is how many bytes next must be shown so that it can always go on: a
// record, and a line behind it.
func (s *splitter) room() int { return 2*s.maxLine + 16 }

// line returns the length of the first line, or of the first piece of one that
// is too long.
func (s *splitter) line(data []byte, end ending) (n int, cut bool) {
	n = s.encoding.lineEnd(data[:min(len(data), s.maxLine+4)])
	switch {
	case n > 0:
		return n, false
	case len(data) >= s.maxLine+4:
		return s.encoding.whole(data, s.maxLine), true
	case end == closing:
		return len(data), false
	}
	return 0, false
}

// begins reports whether a line begins a record.
func (s *splitter) begins(line []byte) bool {
	line = s.trim(line)
	if s.encoding != UTF8 {
		line = s.encoding.appendText(nil, line)
	}
	return s.multi.pattern.Match(line) == s.multi.start
}

// trim cuts the line end, and NULs in front, off a record. NULs are the hole
// that is left where a file was truncated under a program that did not open it
// for appending.
func (s *splitter) trim(record []byte) []byte {
	if s.encoding.wide() {
		return s.trimWide(record)
	}
	record = bytes.TrimSuffix(record, []byte("\n"))
	record = bytes.TrimSuffix(record, []byte("\r"))
	return bytes.TrimLeft(record, "\x00")
}

func (s *splitter) trimWide(record []byte) []byte {
	for _, c := range []uint16{'\n', '\r'} {
		if n := len(record); n >= 2 && n%2 == 0 && s.encoding.unit(record[n-2:]) == c {
			record = record[:n-2]
		}
	}
	for len(record) >= 2 && s.encoding.unit(record) == 0 {
		record = record[2:]
	}
	return record
}
