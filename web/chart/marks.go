package chart

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The measures of marks, in pixels.
const (
	signSize  = 4  // from the middle of a shape to its edge
	crowded   = 12 // marks nearer to each other than this are one
	throng    = 88 // the same where there are many: there is room for "12 deploys" then
	many      = 24 // crowds
	leastText = 6  // letters of a label, else it is left out
	mostText  = 32
	mostTold  = 6 // marks of one crowd that are named when pointed at, or described
)

// A crowd is marks that stand so close that they are drawn as one.
type crowd struct {
	x     float64
	marks []Mark
}

// marks draws what happened: bands for what lasted, then an upright line for each
// crowd, with a shape and, where there is room, words.
func (d *drawing) marks() {
	seen := d.marksInSight()
	for _, m := range seen {
		if m.End.After(m.Time) {
			x0, x1 := d.markAt(m.Time), d.markAt(m.End)
			d.canvas.rect(ink{roleSpan, m.Color.valid(EventColor)}, x0, d.left.b, max(x1-x0, 1), d.left.a-d.left.b, "")
		}
	}
	crowds := d.crowds(seen)
	for i, c := range crowds {
		color, shape, words := c.looks()
		if d.Sparkline {
			d.canvas.mark(ink{roleMark, color}, c.x, d.left.b, d.left.a, "")
			continue
		}
		d.canvas.mark(ink{roleMark, color}, c.x, d.left.b, d.left.a, c.tip(d.Zone, d.stamp()))
		d.sign(shape, color, c.x, d.left.b+signSize+2)
		room := d.plot.x.b
		if i+1 < len(crowds) {
			room = crowds[i+1].x - signSize
		}
		from := c.x + signSize + 3
		if text := c.fitted(words, int((room-from)/charWidth)); text != "" {
			d.canvas.text(text, from, d.left.b+signSize+6, left, textTick)
		}
	}
}

// marksInSight are those that happened in the range or lasted into it, by time.
func (d *drawing) marksInSight() []Mark {
	var seen []Mark
	for _, m := range d.Marks {
		last := m.Time
		if m.End.After(last) {
			last = m.End
		}
		if micros(m.Time.UnixMicro()) <= d.to && micros(last.UnixMicro()) >= d.from {
			seen = append(seen, m)
		}
	}
	slices.SortStableFunc(seen, func(a, b Mark) int { return a.Time.Compare(b.Time) })
	return seen
}

// markAt is where an instant stands, at the edge if that is outside.
func (d *drawing) markAt(t time.Time) float64 {
	return d.plot.across(min(max(micros(t.UnixMicro()), d.from), d.to))
}

func (d *drawing) crowds(seen []Mark) []crowd {
	if d.Sparkline {
		return d.crowdsWithin(seen, 2)
	}
	out := d.crowdsWithin(seen, crowded)
	if len(out) > many {
		return d.crowdsWithin(seen, throng)
	}
	return out
}

// crowdsWithin merges marks within so many pixels of the first of them.
func (d *drawing) crowdsWithin(seen []Mark, near float64) (out []crowd) {
	for _, m := range seen {
		x := d.markAt(m.Time)
		if n := len(out); n > 0 && x-out[n-1].x < near {
			out[n-1].marks = append(out[n-1].marks, m)
			continue
		}
		out = append(out, crowd{x, []Mark{m}})
	}
	return out
}

// looks are the colour and the shape of a crowd, and its words: those of its
// one mark, or how many there are of what.
func (c crowd) looks() (color Color, shape Shape, words string) {
	first := c.marks[0]
	color, shape, words = first.Color.valid(EventColor), first.Shape, first.Label
	if len(c.marks) == 1 {
		return color, shape, words
	}
	what := first.What
	for _, m := range c.marks[1:] {
		if m.Color.valid(EventColor) != color {
			color = EventColor
		}
		if m.Shape != shape {
			shape = Disc
		}
		if m.What != what {
			what = ""
		}
	}
	return color, shape, fmt.Sprintf("%d %s", c.count(), Plural(orElse(what, "event")))
}

// count is how many events a crowd is.
func (c crowd) count() (n int) {
	for _, m := range c.marks {
		n += max(m.Count, 1)
	}
	return n
}

// Plural is the plural of what marks are.
func Plural(s string) string {
	for _, end := range []string{"s", "sh", "ch", "x"} {
		if strings.HasSuffix(s, end) {
			return s + "es"
		}
	}
	return s + "s"
}

// tip is what a crowd tells when pointed at.
func (c crowd) tip(zone *time.Location, layout string) string {
	var told []string
	for _, m := range c.marks[:min(len(c.marks), mostTold)] {
		told = append(told, m.told(zone, layout))
	}
	if len(c.marks) > mostTold {
		told = append(told, fmt.Sprintf("and %d more", crowd{marks: c.marks[mostTold:]}.count()))
	}
	if len(c.marks) == 1 {
		return told[0]
	}
	_, _, words := c.looks()
	return words + ": " + strings.Join(told, "; ")
}

// told is when a mark happened, and what.
func (m Mark) told(zone *time.Location, layout string) string {
	s := m.Time.In(zone).Format(layout)
	if m.End.After(m.Time) {
		s += " to " + m.End.In(zone).Format(layout)
	}
	return s + " " + m.Label
}

// stamp is how instants are written, by how long the range is.
func (d *drawing) stamp() string { return stampLayout(d.To.Sub(d.From)) }

func stampLayout(span time.Duration) string {
	if span > 24*time.Hour {
		return "2006-01-02 15:04"
	}
	return "15:04:05"
}

// fitted is what n letters have room for: the words, or the begin of those of a
// single mark, or how many there are.
func (c crowd) fitted(words string, n int) string {
	n = min(n, mostText)
	if utf8.RuneCountInString(words) <= n {
		return words
	}
	if len(c.marks) > 1 {
		if words = strconv.Itoa(c.count()); len(words) <= n {
			return words
		}
		return ""
	}
	if n < leastText {
		return ""
	}
	return string([]rune(words)[:n-2]) + ".."
}

// sign draws a shape around a point.
func (d *drawing) sign(s Shape, c Color, x, y float64) {
	const r, h = signSize, signSize / 2.0
	var at [][2]float64
	switch s {
	case NoShape:
		return
	case Diamond:
		at = [][2]float64{{0, -r - 1}, {r + 1, 0}, {0, r + 1}, {-r - 1, 0}}
	case Up:
		at = [][2]float64{{0, -r}, {r, r}, {-r, r}}
	case Down:
		at = [][2]float64{{0, r}, {r, -r}, {-r, -r}}
	case Square:
		at = [][2]float64{{-r + 1, -r + 1}, {r - 1, -r + 1}, {r - 1, r - 1}, {-r + 1, r - 1}}
	default: // a disc, as eight corners
		at = [][2]float64{{-h, -r}, {h, -r}, {r, -h}, {r, h}, {h, r}, {-h, r}, {-r, h}, {-r, -h}}
	}
	d.canvas.begin(ink{roleSign, c})
	d.canvas.move(x+at[0][0], y+at[0][1])
	for _, p := range at[1:] {
		d.canvas.line(x+p[0], y+p[1])
	}
	d.canvas.end()
}

// describeMarks tells in words what happened.
func (c Chart) describeMarks() (parts []string) {
	seen := (&drawing{Chart: c, from: micros(c.From.UnixMicro()), to: micros(c.To.UnixMicro())}).marksInSight()
	for i, m := range seen {
		if i == mostTold {
			return append(parts, "and "+strconv.Itoa(crowd{marks: seen[i:]}.count())+" more")
		}
		zone := c.Zone
		if zone == nil {
			zone = time.UTC
		}
		parts = append(parts, strings.TrimSpace("event "+m.told(zone, stampLayout(c.To.Sub(c.From)))))
	}
	return parts
}
