package autoscale

import (
	"fmt"
	"strings"
)

func passed(name, format string, args ...any) Guard {
	return Guard{Name: name, Text: fmt.Sprintf(format, args...)}
}

func blocked(name, format string, args ...any) Guard {
	return Guard{Name: name, Text: fmt.Sprintf(format, args...), Blocks: true}
}

// hold notes the guard rails that a decision has met. Those that it did not
// pass keep it from being carried out. Where nothing was to change, those that
// passed say nothing.
func hold(d *Decision, met []Guard) {
	var texts, codes []string
	for _, g := range met {
		if g.Blocks {
			texts, codes = append(texts, g.Text), append(codes, g.Name)
		}
		if g.Blocks || d.Direction != Stay {
			d.Guards = append(d.Guards, g)
		}
	}
	if len(texts) == 0 {
		return
	}
	if d.Held != "" {
		texts = append([]string{d.Held}, texts...)
	}
	d.Held, d.Code = strings.Join(texts, "; "), strings.Join(append([]string{d.Code}, codes...), "+")
}
