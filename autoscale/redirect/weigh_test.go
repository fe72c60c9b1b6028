package redirect

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"rondo/autoscale"
)

// TestWeigh runs testdata/weigh.txt: under each title the servers, one a line,
// as PHASE [free=] [size=] [heard=AGO], then a line that begins with = and has
// the weight and the source of each.
func TestWeigh(t *testing.T) {
	text, err := os.ReadFile("testdata/weigh.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		title, rest, _ := strings.Cut(strings.TrimSpace(block), "\n")
		if !strings.HasPrefix(title, "# ") {
			continue
		}
		t.Run(strings.TrimPrefix(title, "# "), func(t *testing.T) { runWeigh(t, rest) })
	}
}

func runWeigh(t *testing.T, text string) {
	t.Helper()
	now := time.Unix(10_000, 0)
	s := sight{now: now, free: map[string]float64{}, size: map[string]float64{}, heard: func(string) (time.Time, bool) { return time.Time{}, false }}
	var is []autoscale.Instance
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if words[0] == "=" {
			if got, want := weights(is, s), strings.Join(words[1:], " "); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			return
		}
		host := fmt.Sprintf("web-%d", len(is)+1)
		i := autoscale.Instance{ID: host, Host: host, Phase: autoscale.Phase(words[0])}
		for _, w := range words[1:] {
			what, value, _ := strings.Cut(w, "=")
			switch v, err := strconv.ParseFloat(strings.TrimSuffix(value, "s"), 64); {
			case err != nil:
				t.Fatal(err)
			case what == "free":
				s.free[host] = v
			case what == "size":
				s.size[host] = v
			case what == "heard":
				i.LastSeen = now.Add(-time.Duration(v * float64(time.Second)))
			}
		}
		is = append(is, i)
	}
	t.Error("no line of what is wanted")
}

func weights(is []autoscale.Instance, s sight) string {
	table, _ := weigh(is, s, 30*time.Second)
	var out []string
	for _, s := range table.Servers {
		switch {
		case s.Open:
			out = append(out, fmt.Sprintf("%.4g/%s", s.Weight, s.Source))
		case s.Keeps:
			out = append(out, "keeps")
		default:
			out = append(out, "none")
		}
	}
	return strings.Join(out, " ")
}
