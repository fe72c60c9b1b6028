package main

import (
	"fmt"
	"io"
)

// plainWriter keeps what it writes from moving or recolouring the reader's
// terminal: names, log lines and reasons come from the network. Control
// characters but for newline and tab are written as \u001b, which JSON also
// understands.
type plainWriter struct {
	w     io.Writer
	split bool // the last write ended in 0xc2, the first byte of U+0080 to U+00bf
}

// Write implements io.Writer.
func (p *plainWriter) Write(text []byte) (int, error) {
	out := make([]byte, 0, len(text)+1)
	for _, c := range text {
		first := p.split
		p.split = false
		switch {
		case first && c >= 0x80 && c < 0xa0, c < ' ' && c != '\n' && c != '\t', c == 0x7f:
			out = fmt.Appendf(out, "\\u%04x", c)
			continue
		case first:
			out = append(out, 0xc2)
		}
		if p.split = c == 0xc2; !p.split {
			out = append(out, c)
		}
	}
	if _, err := p.w.Write(out); err != nil {
		return 0, err
	}
	return len(text), nil
}
