package syslogd

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"rondo/syslogd/syslog/pin"
)

// certificatePeriod is how often files are looked at for a change.
const certificatePeriod = 10 * time.Second

// certificates are a listener's certificate and the authorities of its
// clients, as their files have them. Files that are bad leave the old ones in
// use.
type certificates struct {
	cfg   TLSConfig
	seen  [][]byte // the files as they were last read
	inUse atomic.Pointer[tls.Config]
}

// CheckFiles reads the certificates of all listeners and says what is wrong
// with them, each with its key: a reload looks here before it stops anything.
func (c *Config) CheckFiles() error {
	var errs []error
	for _, l := range c.listeners() {
		if !l.Proto.isTLS() {
			continue
		}
		if _, err := openCertificates(l.TLS); err != nil {
			errs = append(errs, fmt.Errorf("%q: tls: %w", l.Name, err))
		}
	}
	return errors.Join(errs...)
}

func openCertificates(cfg TLSConfig) (*certificates, error) {
	c := &certificates{cfg: cfg}
	_, err := c.reload()
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *certificates) config() *tls.Config { return c.inUse.Load() }

// notAfter is when the certificate in use expires.
func (c *certificates) notAfter() time.Time { return c.config().Certificates[0].Leaf.NotAfter }

// reload reads the files again and uses them if they have changed, which it
// reports. The same bad files are told once.
func (c *certificates) reload() (changed bool, err error) {
	files, err := c.read()
	if err != nil {
		return false, err
	}
	if sameFiles(files, c.seen) {
		return false, nil
	}
	c.seen = files
	config, err := c.cfg.build(files)
	if err != nil {
		return false, err
	}
	c.inUse.Store(config)
	return true, nil
}

func sameFiles(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// read reads certificate, key and authorities.
func (c *certificates) read() (files [][]byte, err error) {
	for _, f := range []struct{ key, path string }{{"cert", c.cfg.Cert}, {"key", c.cfg.Key}, {"client_ca", c.cfg.ClientCA}} {
		var data []byte
		if f.path != "" {
			if data, err = os.ReadFile(f.path); err != nil {
				return nil, fmt.Errorf("%s: %w", f.key, err)
			}
		}
		files = append(files, data)
	}
	return files, nil
}

// build makes what the handshake needs of the files' contents.
func (t *TLSConfig) build(files [][]byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(files[0], files[1])
	if err != nil {
		return nil, fmt.Errorf("cert: %w", err)
	}
	version, err := pin.MinVersion(t.MinVersion)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: version,
		// A ticket would outlive the authority that it was given under.
		SessionTicketsDisabled: true,
	}
	if !t.asksClients() {
		return config, nil
	}
	// That the certificate comes from client_ca, where one is configured, the
	// handshake itself verifies.
	config.ClientAuth, config.VerifyConnection = tls.RequestClientCert, pin.Verify(t.Fingerprints...)
	if t.ClientCA == "" {
		return config, nil
	}
	config.ClientAuth, config.ClientCAs = tls.VerifyClientCertIfGiven, x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(files[2]) {
		return nil, fmt.Errorf("client_ca: %s holds no certificate", t.ClientCA)
	}
	return config, nil
}

// watchCertificates looks after the files until it is told to stop, or ctx
// ends.
func (l *listener) watchCertificates(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		var bad state
		for sleep(ctx, certificatePeriod) {
			l.reloadCertificates(&bad)
		}
	})
	return func() { cancel(); wg.Wait() }
}

func (l *listener) reloadCertificates(bad *state) {
	changed, err := l.certs.reload()
	switch {
	case err != nil:
		l.srv.stats.Add("tls_reload_failures", 1)
		if bad.begins() {
			l.log.Error("new certificates are not good; the old ones stay in use", "err", err)
		}
		return
	case changed:
		l.log.Info("new certificates are in use")
	}
	bad.ends()
}
