// Package chart draws series as SVG and PNG. It is pure: the same Chart gives
// the same bytes, and nothing is read but its fields.
//
// # What a chart never does
//
// It never joins two points over an unknown stretch, and never loses a peak: where
// there are more points than pixels, each column of pixels shows the first, the
// lowest, the highest and the last of its points, and a band keeps the
// minimum and maximum of its rows.
//
// # Two ways to use it
//
// Inlined in a page an SVG has no style of its own: its elements carry the
// classes of Stylesheet, which the page serves once. Colours are CSS variables
// (--chart-1 ... --chart-8, --chart-ok, --chart-warning, ...) with a default, and
// all else is currentColor, so the page's theme holds. With
// Chart.Standalone the style, for light and dark, is inside.
//
//	scene:  frame grid | bands areas bars | lines steps | thresholds marks | texts
//	          draw.go                                            |
//	                                  svg.go <- canvas -> png.go
//
// Text is escaped. An SVG is one image to a screen reader: role="img", a title,
// and a description with the figures of every line.
package chart
