package chart

import (
	"strconv"
	"time"
)

// overHeight is the row above the picture in which signs and words stand.
const overHeight = 2*signSize + 6

// AppendMarks appends an svg element of a chart's marks alone, to be laid over
// another picture of the same range that is stretched to its place: each mark
// stands at its share of the width, while signs and words keep their size. The
// chart's Width says about how wide the place is, for that decides what crowds.
// A mark is a link to where link says that its time is shown.
func AppendMarks(b []byte, c Chart, link func(from, to time.Time) string) []byte {
	s := &svg{b: b}
	d := newDrawing(c, s)
	d.plot = plot{x: scale{0, float64(d.to - d.from), 0, float64(d.Width)}, from: d.from, to: d.to}
	seen := d.marksInSight()
	s.raw(`<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="group" aria-label="Events">`)
	for _, m := range seen {
		if m.End.After(m.Time) {
			x := d.markAt(m.Time)
			s.raw("<rect")
			s.class(ink{roleSpan, m.Color.valid(EventColor)})
			d.share(s, "x", x)
			d.share(s, "width", max(d.markAt(m.End)-x, 1))
			s.raw(` height="100%"/>`)
		}
	}
	crowds := d.crowds(seen)
	for i, c := range crowds {
		room := float64(d.Width)
		if i+1 < len(crowds) {
			room = crowds[i+1].x - signSize
		}
		d.over(s, c, room-c.x, link)
	}
	s.raw("</svg>\n")
	return s.b
}

// over draws a crowd that has some room to its right.
func (d *drawing) over(s *svg, c crowd, room float64, link func(from, to time.Time) string) {
	color, shape, words := c.looks()
	tip := c.tip(d.Zone, d.stamp())
	s.raw(`<a href="`)
	s.b = appendEscaped(s.b, link(c.span()))
	s.raw(`" aria-label="`)
	s.b = appendEscaped(s.b, tip)
	s.raw(`">`)
	s.element("title", tip)
	s.raw("<line")
	s.class(ink{roleMark, color})
	d.share(s, "x1", c.x)
	d.share(s, "x2", c.x)
	s.raw(` y1="0" y2="100%"/><svg`)
	d.share(s, "x", c.x)
	s.raw(` overflow="visible"><rect class="hit" x="-8" width="16" height="` + strconv.Itoa(overHeight) + `"/>`)
	d.sign(shape, color, 0, signSize+2)
	s.raw("</svg>")
	const from = signSize + 3
	if text := c.fitted(words, int((room-from)/charWidth)); text != "" {
		s.raw("<svg") // which cuts what a narrower place has no room for
		d.share(s, "x", c.x)
		d.share(s, "width", room)
		s.raw(` height="` + strconv.Itoa(overHeight) + `">`)
		s.text(text, from, signSize+6, left, textTick)
		s.raw("</svg>")
	}
	s.raw("</a>")
}

// share writes an attribute as a share of the width.
func (d *drawing) share(s *svg, name string, x float64) {
	s.raw(" " + name + `="`)
	s.b = strconv.AppendFloat(s.b, 100*x/float64(d.Width), 'f', 2, 64)
	s.raw(`%"`)
}

// span is from when to when a crowd lasted.
func (c crowd) span() (from, to time.Time) {
	from = c.marks[0].Time
	to = from
	for _, m := range c.marks {
		for _, t := range [...]time.Time{m.Time, m.End} {
			if t.After(to) {
				to = t
			}
		}
	}
	return from, to
}
