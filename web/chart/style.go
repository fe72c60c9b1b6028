package chart

import (
	"fmt"
	"image/color"
	"strings"
)

// A role is what an element is in the picture. It decides the strokes; the
// colour comes from a Color.
type role uint8

// The roles.
const (
	roleGrid   role = iota // a tick's line across the plot
	roleAxis               // its frame
	roleBand               // minimum to maximum
	roleArea               // a line's, down to zero
	roleBar                // of a histogram
	roleLine               // averages
	roleDashed             // the same, told apart by its stroke
	roleStep               // capacity
	roleLimit              // a threshold
	roleMark               // an event
	roleSpan               // the time that it lasted
	roleSign               // its shape
	numRoles
)

// A look is how a role is drawn.
type look struct {
	class   string
	width   float64 // of the stroke; 0: filled
	opacity float64
	dash    float64 // length of dashes and of the gaps between; 0: none
}

func (r role) look() look {
	return [numRoles]look{
		roleGrid:   {"grid", 1, 0.15, 0},
		roleAxis:   {"axis", 1, 0.5, 0},
		roleBand:   {"band", 0, 0.25, 0},
		roleArea:   {"area", 0, 0.15, 0},
		roleBar:    {"bar", 0, 0.85, 0},
		roleLine:   {"line", 1.5, 1, 0},
		roleDashed: {"line dashed", 1.5, 1, 5},
		roleStep:   {"step", 2, 0.8, 0},
		roleLimit:  {"limit", 1.5, 0.9, 6},
		roleMark:   {"mark", 1, 0.9, 2},
		roleSpan:   {"span", 0, 0.13, 0},
		roleSign:   {"sign", 0, 1, 0},
	}[r]
}

// An ink is how an element is drawn.
type ink struct {
	role  role
	color Color
}

// A tint is a colour in the light and the dark theme.
type tint struct {
	color       Color
	light, dark color.RGBA
}

// tints are the palette: Okabe and Ito's eight for the lines, which are told
// apart without seeing red or green.
func tints() []tint {
	return []tint{
		{Color1, rgb(0x0072b2), rgb(0x4db2ec)},
		{Color2, rgb(0xd55e00), rgb(0xf58b3c)},
		{Color3, rgb(0x009e73), rgb(0x2fcf9f)},
		{Color4, rgb(0xb0568a), rgb(0xe29cc4)},
		{Color5, rgb(0xb87d00), rgb(0xf0b93a)},
		{Color6, rgb(0x2f8fc4), rgb(0x8fd0f5)},
		{Color7, rgb(0x7a6f00), rgb(0xe8de5a)},
		{Color8, rgb(0x555555), rgb(0xbbbbbb)},
		{OK, rgb(0x2e7d32), rgb(0x66bb6a)},
		{Warning, rgb(0xb26a00), rgb(0xffb74d)},
		{Critical, rgb(0xc62828), rgb(0xef6b6b)},
		{Unknown, rgb(0x757575), rgb(0xaaaaaa)},
		{Info, rgb(0x1565c0), rgb(0x64a8f0)},
		{EventColor, rgb(0x6a4fb3), rgb(0xb39ddb)},
	}
}

func rgb(v uint32) color.RGBA {
	return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 0xff}
}

// valid gives a colour that the style sheet knows, so that no foreign text gets
// into a class.
func (c Color) valid(instead Color) Color {
	for _, t := range tints() {
		if t.color == c {
			return c
		}
	}
	return instead
}

// Stylesheet is the CSS of inlined charts, for the page to serve.
// A theme sets --chart-s1 to --chart-s8, --chart-ok, and so on.
func Stylesheet() string {
	var b strings.Builder
	b.WriteString(".chart{font:11px system-ui,sans-serif;font-variant-numeric:tabular-nums;overflow:hidden}\n")
	b.WriteString(".chart text{fill:currentColor}\n.chart .title{font-weight:600;font-size:13px}\n.chart .dim{opacity:.75}\n")
	b.WriteString(".chart path{fill:none;stroke-linejoin:round;stroke-linecap:round}\n")
	b.WriteString(".chart{--ink:currentColor}\n")
	for r := range numRoles {
		l := r.look()
		b.WriteString(".chart ." + strings.ReplaceAll(l.class, " ", ".") + "{" + l.css() + "}\n")
	}
	for _, t := range tints() {
		fmt.Fprintf(&b, ".chart .%s{--ink:var(--chart-%[1]s,%s)}\n", t.color, hex(t.light))
	}
	b.WriteString("@media(prefers-color-scheme:dark){\n")
	for _, t := range tints() {
		fmt.Fprintf(&b, ".chart .%s{--ink:var(--chart-%[1]s,%s)}\n", t.color, hex(t.dark))
	}
	b.WriteString("}\n")
	return b.String()
}

// css is the declarations of a look.
func (l look) css() string {
	if l.width == 0 {
		return fmt.Sprintf("fill:var(--ink);fill-opacity:%g;stroke:none", l.opacity)
	}
	s := fmt.Sprintf("stroke:var(--ink);stroke-width:%g;stroke-opacity:%g", l.width, l.opacity)
	if l.dash > 0 {
		s += fmt.Sprintf(";stroke-dasharray:%g %[1]g;stroke-linecap:butt", l.dash)
	}
	return s
}

// standalone adds what an image has to bring itself: ink and paper.
func standalone() string {
	return Stylesheet() + ".chart{color:#222;background:#fff}\n@media(prefers-color-scheme:dark){.chart{color:#ddd;background:#16181d}}\n"
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }
