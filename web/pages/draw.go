package pages

import (
	gobytes "bytes"
	"fmt"
	"html/template"
	"io"
	"math"
)

// drawFunc writes a figure as a picture of a size in pixels.
type drawFunc func(w io.Writer, f Figure, width, height int) error

func writeSVG(w io.Writer, f Figure, width, height int) error {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, c := range f.Curves {
		s := c.Stats()
		lo, hi = min(lo, s.Min), max(hi, s.Max)
	}
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d">`, width, height)
	for _, c := range f.Curves {
		fmt.Fprint(w, `<polyline fill="none" stroke="#3b82c4" points="`)
		for i, v := range c.Avg {
			if !math.IsNaN(v) {
				fmt.Fprintf(w, "%.1f,%.1f ", float64(i)*float64(width)/float64(len(c.Avg)), float64(height)*(1-(v-min(lo, 0))/(hi-min(lo, 0)+1e-9)))
			}
		}
		fmt.Fprint(w, `"/>`)
	}
	_, err := fmt.Fprint(w, "</svg>")
	return err
}

func writePNG(w io.Writer, f Figure, width, height int) error {
	return fmt.Errorf("no PNG yet")
}

// drawFigure is the figure as part of a page.
func drawFigure(f Figure) template.HTML {
	h := 200
	if f.Tall {
		h = 260
	}
	var b gobytes.Buffer
	if err := writeSVG(&b, f, 720, h); err != nil {
		return ""
	}
	return template.HTML(b.String()) // written by the chart package, which escapes all text
}
