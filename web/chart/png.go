package chart

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// PNG writes a chart as an image in the light theme, for mail and wikis.
func PNG(w io.Writer, c Chart) error {
	c = c.sized()
	img := image.NewRGBA(image.Rect(0, 0, c.Width, c.Height))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	p := &pixels{img: img, raster: vector.NewRasterizer(c.Width, c.Height)}
	drawChart(c, p)
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(w, img); err != nil {
		return fmt.Errorf("chart: writing the image: %w", err)
	}
	return nil
}

// pixels is the canvas that paints an image.
type pixels struct {
	img    *image.RGBA
	raster *vector.Rasterizer
	look   look
	color  color.RGBA
	points []spot
}

// A spot is a point of a path; start says that no line leads to it.
type spot struct {
	x, y  float64
	start bool
}

// textColor is the light theme's currentColor.
func textColor() color.RGBA { return rgb(0x222222) }

func (p *pixels) begin(k ink) {
	p.look, p.color, p.points = k.role.look(), textColor(), p.points[:0]
	for _, t := range tints() {
		if t.color == k.color {
			p.color = t.light
		}
	}
	p.raster.Reset(p.img.Bounds().Dx(), p.img.Bounds().Dy())
	p.raster.DrawOp = draw.Over
}

func (p *pixels) move(x, y float64) { p.points = append(p.points, spot{x, y, true}) }
func (p *pixels) line(x, y float64) { p.points = append(p.points, spot{x, y, false}) }

func (p *pixels) end() {
	if p.look.width == 0 {
		p.fill()
	} else {
		p.stroke()
	}
	alpha := p.look.opacity
	paint := color.NRGBA{p.color.R, p.color.G, p.color.B, uint8(math.Round(alpha * 255))}
	p.raster.Draw(p.img, p.img.Bounds(), image.NewUniform(paint), image.Point{})
}

func (p *pixels) fill() {
	for i, s := range p.points {
		if s.start {
			if i > 0 {
				p.raster.ClosePath()
			}
			p.raster.MoveTo(float32(s.x), float32(s.y))
		} else {
			p.raster.LineTo(float32(s.x), float32(s.y))
		}
	}
	p.raster.ClosePath()
}

// stroke makes a rectangle of every segment. They overlap at the corners; all
// turn the same way, so the rasterizer paints what is covered once.
func (p *pixels) stroke() {
	walked := 0.0 // along the dashes
	for i := 1; i < len(p.points); i++ {
		a, b := p.points[i-1], p.points[i]
		if b.start {
			walked = 0
			continue
		}
		length := math.Hypot(b.x-a.x, b.y-a.y)
		if p.look.dash == 0 {
			p.segment(a, b, length)
			continue
		}
		for at := 0.0; at < length; {
			n := math.Floor((walked+at)/p.look.dash + 1e-9)
			next := min(length, (n+1)*p.look.dash-walked)
			if next <= at {
				break
			}
			if int(n)%2 == 0 {
				p.segment(between(a, b, at/length), between(a, b, next/length), next-at)
			}
			at = next
		}
		walked += length
	}
}

func between(a, b spot, f float64) spot { return spot{x: a.x + (b.x-a.x)*f, y: a.y + (b.y-a.y)*f} }

func (p *pixels) segment(a, b spot, length float64) {
	half := p.look.width / 2
	dx, dy := half, 0.0 // of a dot
	if length > 0 {
		dx, dy = (b.x-a.x)/length*half, (b.y-a.y)/length*half
	}
	over := 0.5 // how far to reach past the ends, so that corners close
	if p.look.dash > 0 {
		over = 0
	}
	ax, ay, bx, by := a.x-dx*over, a.y-dy*over, b.x+dx*over, b.y+dy*over
	p.raster.MoveTo(float32(ax-dy), float32(ay+dx))
	p.raster.LineTo(float32(bx-dy), float32(by+dx))
	p.raster.LineTo(float32(bx+dy), float32(by-dx))
	p.raster.LineTo(float32(ax+dy), float32(ay-dx))
	p.raster.ClosePath()
}

func (p *pixels) rect(k ink, x, y, w, h float64, _ string) {
	p.begin(k)
	p.move(x, y)
	p.line(x+w, y)
	p.line(x+w, y+h)
	p.line(x, y+h)
	p.end()
}

func (p *pixels) mark(k ink, x, y0, y1 float64, _ string) {
	p.begin(k)
	p.move(x, y0)
	p.line(x, y1)
	p.end()
}

// text writes with the one font that needs no file: 7 by 13 pixels, ASCII.
func (p *pixels) text(s string, x, y float64, a anchor, _ textClass) {
	d := font.Drawer{Dst: p.img, Src: image.NewUniform(textColor()), Face: basicfont.Face7x13}
	width := float64(d.MeasureString(s)) / 64
	switch a {
	case middle:
		x -= width / 2
	case right:
		x -= width
	}
	d.Dot = fixed.P(int(math.Round(x)), int(math.Round(y)))
	d.DrawString(s)
}
