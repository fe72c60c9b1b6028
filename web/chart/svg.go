package chart

import (
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// SVG writes a chart as one svg element. An error is the writer's.
func SVG(w io.Writer, c Chart) error {
	_, err := w.Write(AppendSVG(nil, c))
	return err
}

// AppendSVG appends the svg element of a chart to b.
func AppendSVG(b []byte, c Chart) []byte {
	c = c.sized()
	s := &svg{b: b}
	s.raw(`<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" viewBox="0 0 `)
	s.b = strconv.AppendInt(s.b, int64(c.Width), 10)
	s.raw(" ")
	s.b = strconv.AppendInt(s.b, int64(c.Height), 10)
	s.raw(`" width="`)
	s.b = strconv.AppendInt(s.b, int64(c.Width), 10)
	s.raw(`" height="`)
	s.b = strconv.AppendInt(s.b, int64(c.Height), 10)
	s.raw(`">`)
	if name := orElse(c.Title, orElse(c.Label, "chart")); !c.Sparkline || c.Title != "" || c.Label != "" {
		s.element("title", name)
	}
	if about := c.describe(); about != "" {
		s.element("desc", about)
	}
	if c.Standalone {
		s.raw("<style>")
		s.raw(standalone())
		s.raw("</style>")
	}
	drawChart(c, s)
	s.raw("</svg>\n")
	return s.b
}

func orElse(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// An svg is the canvas that writes SVG.
type svg struct {
	b []byte
	// The last point of the path, in tenths of a pixel: what is drawn upon it
	// is left out.
	x, y  int64
	empty bool // the path has no point yet
	at    int  // where its element begins
}

func (s *svg) raw(t string) { s.b = append(s.b, t...) }

func (s *svg) element(name, text string) {
	s.raw("<" + name + ">")
	s.b = appendEscaped(s.b, text)
	s.raw("</" + name + ">")
}

// class writes the class attribute of an ink.
func (s *svg) class(k ink) {
	s.raw(` class="`)
	s.raw(k.role.look().class)
	if k.color != "" {
		s.raw(" ")
		s.raw(string(k.color))
	}
	s.raw(`"`)
}

func (s *svg) begin(k ink) {
	s.at, s.empty = len(s.b), true
	s.raw("<path")
	s.class(k)
	s.raw(` d="`)
}

func (s *svg) move(x, y float64) {
	s.x, s.y = tenths(x), tenths(y)
	s.empty = false
	s.b = append(s.b, 'M')
	s.point(s.x, s.y)
}

func (s *svg) line(x, y float64) {
	nx, ny := tenths(x), tenths(y)
	if nx == s.x && ny == s.y {
		return
	}
	s.x, s.y = nx, ny
	s.b = append(s.b, 'L')
	s.point(nx, ny)
}

func (s *svg) end() {
	if s.empty {
		s.b = s.b[:s.at]
		return
	}
	s.raw(`"/>`)
}

func (s *svg) rect(k ink, x, y, w, h float64, tip string) {
	s.raw("<rect")
	s.class(k)
	s.attribute("x", x)
	s.attribute("y", y)
	s.attribute("width", w)
	s.attribute("height", h)
	s.close("rect", tip)
}

func (s *svg) mark(k ink, x, y0, y1 float64, tip string) {
	s.raw("<line")
	s.class(k)
	s.attribute("x1", x)
	s.attribute("y1", y0)
	s.attribute("x2", x)
	s.attribute("y2", y1)
	s.close("line", tip)
}

// close ends an element, with what it tells when pointed at.
func (s *svg) close(name, tip string) {
	if tip == "" {
		s.raw("/>")
		return
	}
	s.raw(">")
	s.element("title", tip)
	s.raw("</" + name + ">")
}

func (s *svg) text(t string, x, y float64, a anchor, c textClass) {
	s.raw("<text")
	s.attribute("x", x)
	s.attribute("y", y)
	switch a {
	case middle:
		s.raw(` text-anchor="middle"`)
	case right:
		s.raw(` text-anchor="end"`)
	}
	s.raw(` class="` + string(c) + `">`)
	s.b = appendEscaped(s.b, t)
	s.raw("</text>")
}

func (s *svg) attribute(name string, v float64) {
	s.raw(" " + name + `="`)
	s.b = appendTenths(s.b, tenths(v))
	s.raw(`"`)
}

func (s *svg) point(x, y int64) {
	s.b = appendTenths(s.b, x)
	s.b = append(s.b, ' ')
	s.b = appendTenths(s.b, y)
}

// tenths is the precision of coordinates: finer than any eye, shorter than any
// float.
func tenths(v float64) int64 { return int64(math.Round(v * 10)) }

func appendTenths(b []byte, n int64) []byte {
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	b = strconv.AppendInt(b, n/10, 10)
	if r := n % 10; r != 0 {
		b = append(b, '.', byte('0'+r))
	}
	return b
}

// appendEscaped appends text for the inside of an element. What XML cannot hold
// becomes the replacement character.
func appendEscaped(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '"':
			b = append(b, "&#34;"...)
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0xfffe, r == 0xffff:
			b = utf8.AppendRune(b, utf8.RuneError)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
