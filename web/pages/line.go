package pages

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// How many neighbours a line is shown with: at first, and at most.
const (
	near    = 15
	maxNear = 200
)

// lineURL shows one line with its neighbours, for as long as it is kept.
func lineURL(id syslogd.ID, r Range) string {
	return "/logs?line=" + url.QueryEscape(string(id)) + "&" + r.Query()
}

// lineView is a line with what came before and after it.
type lineView struct {
	Frame
	Err     string
	Host    string
	All     bool // neighbours are of all hosts
	Lines   []LogLine
	Details []Detail
	Own     string // link: neighbours of its host only
	Others  string // link: of all hosts
	More    string // link: more of them; "" if that is all we show
	Search  string // link: the log around that time
}

// A Detail is one field of a message.
type Detail struct{ Name, Value string }

// line shows one message, whatever the page's range is.
func (p *Pages) line(w http.ResponseWriter, r *http.Request, id syslogd.ID) {
	v := lineView{Frame: p.frame(r, "logs", "Log line", "line", "n", "hosts"), All: r.URL.Query().Get("hosts") == "all"}
	v.Still = true // what came before and after does not change
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil || n < 1 {
		n = near
	}
	n = min(n, maxNear)
	status := http.StatusOK
	if err := p.fillLine(r.Context(), &v, id, n); err != nil {
		v.Err, status = p.lineError(err)
	}
	here := lineURL(id, v.Range) + "&n=" + strconv.Itoa(n)
	v.Own, v.Others = here, here+"&hosts=all"
	if n < maxNear {
		v.More = lineURL(id, v.Range) + "&n=" + strconv.Itoa(min(4*n, maxNear))
		if v.All {
			v.More += "&hosts=all"
		}
	}
	p.render(w, status, "line", v)
}

func (p *Pages) lineError(err error) (text string, status int) {
	if errors.Is(err, syslogd.ErrNoMessage) {
		return "This line is not here: its time of keeping is over, or it never was.", http.StatusNotFound
	}
	if ctxErr(err) {
		return p.failed("The line", err), http.StatusServiceUnavailable
	}
	return p.failed("The line", err), http.StatusBadRequest
}

func (p *Pages) fillLine(ctx context.Context, v *lineView, id syslogd.ID, n int) error {
	if _, err := id.Received(); err != nil {
		return err
	}
	c, err := p.deps.Logs.Context(ctx, id, n, n, !v.All)
	if err != nil {
		return err
	}
	m := &c.Message
	v.Host = m.Origin()
	v.Search = logsURL("host:"+quoteField(v.Host), absolute(m.When().Add(-5*time.Minute), m.When().Add(5*time.Minute)))
	v.Details = details(m)
	add := func(list []syslog.Message, marked bool) {
		for i := range list {
			l := newLogLine(&list[i], v.Range)
			l.Marked = marked
			v.Lines = append(v.Lines, l)
		}
	}
	add(c.Before, false)
	add([]syslog.Message{*m}, true)
	add(c.After, false)
	return nil
}

// details are all fields of a message that it has.
func details(m *syslog.Message) []Detail {
	all := []Detail{
		{"Time", m.When().UTC().Format(time.RFC3339Nano)}, {"Received", m.Received.UTC().Format(time.RFC3339Nano)},
		{"Host", m.Origin()}, {"Sender", filter.Value(m, "sender")}, {"Program", m.App}, {"PID", m.PID}, {"Message ID", m.MsgID},
		{"Severity", m.Severity.String()}, {"Facility", m.Facility.String()}, {"Structured data", m.SD},
	}
	var out []Detail
	for _, d := range all {
		if d.Value != "" {
			out = append(out, d)
		}
	}
	return out
}
