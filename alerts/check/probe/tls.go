package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
)

// TLS is a probe of a server's certificates: whether they are trusted, and how
// long yet.
type TLS struct {
	Port       int    `yaml:"port"`          // default 443
	ServerName string `yaml:"server_name"`   // that the certificate must be for; default: the target's host
	Warning    int    `yaml:"warning_days"`  // left; default 21
	Critical   int    `yaml:"critical_days"` // left; default 7
	Trust      Trust  `yaml:",inline"`
}

func (p TLS) withDefaults() TLS {
	for v, d := range map[*int]int{&p.Port: 443, &p.Warning: 21, &p.Critical: 7} {
		if *v == 0 {
			*v = d
		}
	}
	return p
}

// Validate says what is wrong with the configuration.
func (p TLS) Validate() error {
	p = p.withDefaults()
	if p.Critical < 0 || p.Critical > p.Warning {
		return fmt.Errorf("critical_days (%d) must lie between 0 and warning_days (%d)", p.Critical, p.Warning)
	}
	return validPort(p.Port)
}

// Build makes the probe of a valid configuration.
func (p TLS) Build() (Prober, error) {
	p = p.withDefaults()
	conf, err := p.Trust.Config(p.ServerName)
	if err != nil {
		return nil, err
	}
	return tlsProbe{p, conf}, nil
}

type tlsProbe struct {
	TLS
	conf *tls.Config
}

// Probe implements Prober. The chain is verified after the handshake, so that
// the result of a certificate that is not trusted still says when it ends.
func (p tlsProbe) Probe(ctx context.Context, t plugin.Target) plugin.Result {
	what := fmt.Sprintf("TLS port %d on %s", p.Port, t.At())
	began := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(t.At(), strconv.Itoa(p.Port)))
	if err != nil {
		return failed(ctx, what, err)
	}
	defer conn.Close()
	conf := p.conf.Clone()
	if conf.ServerName == "" {
		conf.ServerName = t.Host
	}
	conf.InsecureSkipVerify = true
	secure := tls.Client(conn, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		return failed(ctx, what, err)
	}
	took := time.Since(began)
	out := p.judge(what, secure.ConnectionState().PeerCertificates, conf, time.Now())
	out.Perf = append(out.Perf, Latency{}.perf(took))
	return out
}

// judge looks at the certificates that a server showed.
func (p tlsProbe) judge(what string, chain []*x509.Certificate, conf *tls.Config, now time.Time) plugin.Result {
	ends, whose := soonest(chain)
	days := ends.Sub(now).Hours() / 24
	r := plugin.Result{Status: alerts.OK}
	switch {
	case days < float64(p.Critical):
		r.Status = alerts.Critical
	case days < float64(p.Warning):
		r.Status = alerts.Warning
	}
	r.Text = fmt.Sprintf("%s: certificate of %s ends %s, in %.1f days", what, whose, ends.UTC().Format(time.RFC3339), days)
	if days < 0 {
		r.Text = fmt.Sprintf("%s: certificate of %s has ended %s", what, whose, ends.UTC().Format(time.RFC3339))
	}
	if err := verify(chain, conf, now); err != nil && !p.Trust.Insecure {
		r.Status, r.Text = alerts.Critical, r.Text+"; "+err.Error()
	}
	r.Perf = []plugin.Perf{{
		Label: "days", Value: days, Warn: atLeast(float64(p.Warning)), Crit: atLeast(float64(p.Critical)),
	}}
	return r
}

func atLeast(v float64) *plugin.Range { return &plugin.Range{Low: v, High: math.Inf(1)} }

// soonest is when the first certificate of a chain ends, and whose it is.
func soonest(chain []*x509.Certificate) (time.Time, string) {
	first := chain[0] // a server always shows one
	for _, c := range chain[1:] {
		if c.NotAfter.Before(first.NotAfter) {
			first = c
		}
	}
	name := first.Subject.CommonName
	if name == "" {
		name = strings.Join(first.DNSNames, ", ")
	}
	return first.NotAfter, strconv.Quote(name)
}

func verify(chain []*x509.Certificate, conf *tls.Config, now time.Time) error {
	others := x509.NewCertPool()
	for _, c := range chain[1:] {
		others.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: conf.ServerName, Roots: conf.RootCAs, Intermediates: others, CurrentTime: now})
	return err
}
