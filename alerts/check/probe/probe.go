package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
)

// A Prober checks a target. It is safe for concurrent use.
type Prober interface {
	Probe(ctx context.Context, t plugin.Target) plugin.Result
}

// Latency are the thresholds of the time that an answer takes; zero judges
// nothing.
type Latency struct {
	Warning  time.Duration `yaml:"warning"`
	Critical time.Duration `yaml:"critical"`
}

func (l Latency) validate() error {
	if l.Warning < 0 || l.Critical < 0 {
		return errors.New("warning and critical: want positive durations")
	}
	if l.Warning > 0 && l.Critical > 0 && l.Warning > l.Critical {
		return fmt.Errorf("critical (%v) must not be below warning (%v)", l.Critical, l.Warning)
	}
	return nil
}

func (l Latency) judge(d time.Duration) alerts.Status {
	switch {
	case l.Critical > 0 && d > l.Critical:
		return alerts.Critical
	case l.Warning > 0 && d > l.Warning:
		return alerts.Warning
	}
	return alerts.OK
}

// perf is the time as a performance value.
func (l Latency) perf(d time.Duration) plugin.Perf {
	p := plugin.Perf{Label: "time", Value: d.Seconds(), Unit: "s", Min: new(0.0)}
	p.Warn, p.Crit = upTo(l.Warning.Seconds()), upTo(l.Critical.Seconds())
	return p
}

// upTo is the range from 0 to v, or none where v is 0.
func upTo(v float64) *plugin.Range {
	if v == 0 {
		return nil
	}
	return &plugin.Range{High: v}
}

// worst is the graver of two statuses, in the order that supervision has.
func worst(a, b alerts.Status) alerts.Status { return max(a, b) }

// failed is the result of a probe that did not get its answer.
func failed(ctx context.Context, what string, err error) plugin.Result {
	if ctx.Err() != nil {
		return plugin.Say(alerts.Critical, "%s: no answer in time", what)
	}
	return plugin.Say(alerts.Critical, "%s: %v", what, err)
}

// untilDone ends what is read from and written to a connection with ctx. The
// function that it returns must be called.
func untilDone(ctx context.Context, conn net.Conn) func() bool {
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}

// Trust is whom a probe believes over TLS.
type Trust struct {
	CA       string `yaml:"ca"`       // file with authorities instead of the system's
	Insecure bool   `yaml:"insecure"` // believe everybody
}

// Config reads the authorities; name is what a server's certificate must be for,
// where it is not what was dialled.
func (t Trust) Config(name string) (*tls.Config, error) {
	c := &tls.Config{ServerName: name, InsecureSkipVerify: t.Insecure}
	if t.CA == "" {
		return c, nil
	}
	text, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca: %s: there is no certificate in it", t.CA)
	}
	return c, nil
}

func validPort(port int) error {
	if port < 1 || port > 65535 {
		return fmt.Errorf("port %d: want 1 to 65535", port)
	}
	return nil
}
