package hook

import (
	"os"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/rrd"
)

// inherited is all that a command gets to see of our own environment, which
// may hold secrets.
func inherited() (env []string) {
	for _, k := range []string{"PATH", "HOME", "LANG", "TZ"} {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	return env
}

type environment []string

func (e *environment) set(name, value string) {
	*e = append(*e, "RONDO_"+name+"="+strings.ReplaceAll(value, "\x00", ""))
}

func (e *environment) labels(ls rrd.Labels) {
	for _, l := range ls {
		e.set("LABEL_"+variable(l.Name), l.Value)
	}
}

func ofTransition(t alerts.Transition) []string {
	var e environment
	e.set("ID", t.ID)
	e.set("RULE", t.Rule)
	e.set("FROM", t.From.String())
	e.set("TO", t.To.String())
	if t.Flap != "" {
		e.set("FLAP", string(t.Flap))
	}
	e.set("SINCE", t.Since.UTC().Format(time.RFC3339))
	e.set("AT", t.At.UTC().Format(time.RFC3339))
	e.set("VALUE", strconv.FormatFloat(t.Value, 'g', -1, 64))
	e.set("TEXT", t.Text)
	e.labels(t.Labels)
	return e
}

func ofNotice(n notify.Notice) []string {
	var e environment
	firing := 0
	for _, a := range n.Alerts {
		if a.Firing() {
			firing++
		}
	}
	status := "resolved"
	if firing > 0 {
		status = "firing"
	}
	e.set("ID", n.Key)
	e.set("RECEIVER", n.Receiver)
	e.set("STATUS", status)
	e.set("REASON", n.Reason)
	e.set("GROUP_KEY", n.GroupKey)
	e.set("AT", n.At.UTC().Format(time.RFC3339))
	e.set("FIRING", strconv.Itoa(firing))
	e.set("RESOLVED", strconv.Itoa(len(n.Alerts)-firing))
	e.set("TEXT", n.Alerts[0].Text)
	e.labels(n.CommonLabels)
	return e
}

// variable makes a label's name one that a shell can read.
func variable(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}
