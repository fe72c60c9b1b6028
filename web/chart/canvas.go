package chart

// A canvas is what a chart is drawn on.
type canvas interface {
	begin(k ink)       // a path: of strokes, or one filled shape
	move(x, y float64) // start a stretch of it
	line(x, y float64) // go on
	end()              // finish the path
	rect(k ink, x, y, w, h float64, tip string)
	mark(k ink, x, y0, y1 float64, tip string) // an upright line with something to tell
	text(s string, x, y float64, a anchor, c textClass)
}

// An anchor is where a text stands on its point.
type anchor uint8

const (
	left anchor = iota
	middle
	right
)

// A textClass is how a text looks.
type textClass string

const (
	textTick  textClass = "dim"
	textTitle textClass = "title"
	textPlain textClass = "plain"
)
