package main

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// plainWriter keeps what it writes from moving or recolouring the reader's
// terminal, or from turning the text around: names, log lines and reasons come
// from the network. Control characters but for newline and tab, and marks of
// direction, are written as \u001b, which JSON also understands.
type plainWriter struct {
	w    io.Writer
	rest []byte // the beginning of a character, of which the next write has more
}

// Write implements io.Writer.
func (p *plainWriter) Write(text []byte) (int, error) {
	in := append(p.rest, text...)
	out := make([]byte, 0, len(in))
	for len(in) > 0 && utf8.FullRune(in) {
		r, n := utf8.DecodeRune(in)
		if r == utf8.RuneError && n == 1 {
			r = rune(in[0]) // as a terminal that knows no UTF-8 takes it
		}
		if moves(r) {
			out = fmt.Appendf(out, "\\u%04x", r)
		} else {
			out = append(out, in[:n]...)
		}
		in = in[n:]
	}
	p.rest = append([]byte(nil), in...)
	if _, err := p.w.Write(out); err != nil {
		return 0, err
	}
	return len(text), nil
}

// moves says whether a terminal does something with r other than to draw it.
func moves(r rune) bool {
	return r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}
