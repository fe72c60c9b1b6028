package pages

import (
	"html/template"
	"math"
	"strconv"
)

// Sizes of the small pictures in a table.
const (
	sparkWidth, sparkHeight = 120, 26
	meterWidth              = 64
)

// SVG draws the curve without axes, its band behind it. It holds numbers only.
func (c Curve) SVG() template.HTML {
	st := c.Stats()
	if math.IsNaN(st.Last) {
		return ""
	}
	lo, hi := min(0, st.Min), st.Max
	if hi <= lo {
		hi = lo + 1
	}
	y := func(v float64) float64 { return 2 + (sparkHeight-4)*(1-(v-lo)/(hi-lo)) }
	x := func(i int) float64 { return float64(i) * sparkWidth / float64(max(len(c.Avg)-1, 1)) }
	b := []byte(`<svg class="spark" viewBox="0 0 120 26" aria-hidden="true">`)
	if c.Min != nil {
		b = appendBand(b, c, x, y)
	}
	b = append(b, `<path class="line" d="`...)
	pen := byte('M')
	for i, v := range c.Avg {
		if math.IsNaN(v) {
			pen = 'M'
			continue
		}
		b = appendPoint(append(b, pen), x(i), y(v))
		pen = 'L'
	}
	b = append(b, `"/></svg>`...)
	return template.HTML(b)
}

// appendBand draws the range from lowest to highest as one stroke per step.
func appendBand(b []byte, c Curve, x func(int) float64, y func(float64) float64) []byte {
	b = append(b, `<path class="band" d="`...)
	for i := range c.Avg {
		if !math.IsNaN(c.Min[i]) && c.Max[i] > c.Min[i] {
			b = appendPoint(append(b, 'M'), x(i), y(c.Min[i]))
			b = appendPoint(append(b, 'L'), x(i), y(c.Max[i]))
		}
	}
	return append(b, `"/>`...)
}

func appendPoint(b []byte, x, y float64) []byte {
	b = strconv.AppendFloat(b, x, 'f', 1, 64)
	b = append(b, ' ')
	return strconv.AppendFloat(b, y, 'f', 1, 64)
}

// Title is the curve in words.
func (c Curve) Title() string {
	st := c.Stats()
	return "lowest " + number(st.Min, "") + ", highest " + number(st.Max, "")
}

// meter draws a share of 100 as a bar; its number always stands beside it.
func meter(v float64) template.HTML {
	if math.IsNaN(v) {
		return ""
	}
	class := "fine"
	switch {
	case v >= 90:
		class = "full"
	case v >= 75:
		class = "high"
	}
	w := strconv.FormatFloat(meterWidth*min(max(v, 0), 100)/100, 'f', 1, 64)
	return template.HTML(`<svg class="meter ` + class + `" viewBox="0 0 64 6" aria-hidden="true"><rect class="bg" width="64" height="6" rx="3"/><rect class="fg" width="` + w + `" height="6" rx="3"/></svg>`)
}
