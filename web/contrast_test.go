package web_test

import (
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"testing"

	"rondo/web/static"
)

// Text must stand out from what is behind it by 4.5 to 1 (WCAG 2.2, 1.4.3),
// lines of a graph by 3 to 1 (1.4.11), in both themes.
func TestContrast(t *testing.T) {
	css, err := fs.ReadFile(static.FS(), "app.css")
	if err != nil {
		t.Fatal(err)
	}
	themes := [2]map[string]string{{}, {}}
	for _, m := range regexp.MustCompile(`--([a-z0-9-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)`).FindAllStringSubmatch(string(css), -1) {
		themes[0][m[1]], themes[1][m[1]] = m[2], m[3]
	}
	f := func(want float64, front string, behind ...string) {
		t.Helper()
		for i, theme := range themes {
			for _, b := range behind {
				if theme[front] == "" || theme[b] == "" {
					t.Fatalf("no colour %s or %s", front, b)
				}
				if got := contrast(theme[front], theme[b]); got < want {
					t.Errorf("%s: %s on %s is %.2f to 1, want %.1f", [...]string{"light", "dark"}[i], front, b, got, want)
				}
			}
		}
	}
	papers := []string{"bg", "card", "raised", "hover", "accent-soft", "ok-soft", "warning-soft", "critical-soft"}
	f(4.5, "ink", papers...)
	f(4.5, "muted", papers...)
	f(4.5, "accent", "bg", "card", "hover", "accent-soft", "critical-soft", "warning-soft")
	f(4.5, "ok", "card", "bg", "hover", "ok-soft")
	f(4.5, "warning", "card", "bg", "hover", "warning-soft", "critical-soft")
	f(4.5, "critical", "card", "bg", "hover", "critical-soft")
	for _, c := range []string{"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "out", "in"} {
		f(3, c, "card")
	}
}

// contrast is the ratio of two colours' relative luminance.
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(hex string) float64 {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		return math.NaN()
	}
	channel := func(shift int) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}
