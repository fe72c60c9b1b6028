package web_test

import (
	"testing"

	"rondo/web"
)

// Each page, over stores that answer at once from the clock.
func BenchmarkPage(b *testing.B) {
	s, err := web.New(web.Default(), rich(14), quiet())
	if err != nil {
		b.Fatal(err)
	}
	for _, page := range []string{"/", "/hosts/web-1", "/explore?e=load1", "/alerts", "/autoscale"} {
		b.Run(page, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.ReportMetric(float64(ask(s, "GET", page).Body.Len()), "page-B")
			}
		})
	}
}
