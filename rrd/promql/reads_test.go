package promql

import (
	"fmt"
	"strings"
	"testing"
)

func TestReads(t *testing.T) {
	f := func(expr, want string, thresholds ...float64) {
		t.Helper()
		w, err := Reads(expr, thresholds...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, ms := range w.Selectors {
			var parts []string
			for _, m := range ms {
				parts = append(parts, m.Label+[]string{"=", "!=", "=~", "!~"}[m.Op]+m.Value)
			}
			got = append(got, strings.Join(parts, ","))
		}
		if text := fmt.Sprint(strings.Join(got, " "), w.Cuts); text != want {
			t.Errorf("%s: got %q, want %q", expr, text, want)
		}
	}
	f(`up`, `__name__=up[]`)
	f(`up{job="a"}`, `job=a,__name__=up[1 5]`, 5, 1, 5)
	f(`({"a.b"})`, `__name__=a.b[2]`, 2)
	f(`-x`, `__name__=x[-2]`, 2)
	f(`x > 5`, `__name__=x[5]`)
	f(`x > bool 5`, `__name__=x[5]`, 0.5)
	f(`5 < x * 100 <= 7`, `__name__=x[0.05 0.07]`)
	f(`100 - x / 2`, `__name__=x[20]`, 90)
	f(`(x - 1) + 3 != -4`, `__name__=x[-6]`)
	f(`x * 0`, `__name__=x[]`, 2)
	f(`1 / x`, `__name__=x[]`, 2)
	f(`x > 1e308 * 10`, `__name__=x[]`)
	f(`a / b`, `__name__=a __name__=b[]`, 2)
	f(`rate(x[5m])`, `__name__=x[]`, 2)
	f(`avg by (g) (x) > 3`, `__name__=x[]`)
	f(`x offset 1h`, `[]`, 2)
	f(`x / (x offset 1h)`, `__name__=x[]`, 2)
	f(`x @ 100`, `[]`, 2)
	f(`vector(1)`, `[]`, 2)
	if _, err := Reads("x{"); err == nil {
		t.Error("no error for what cannot be read")
	}
}
