package out

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"rondo/syslogd/syslog/pin"
)

// TLS says how a destination proves who it is, and who we are. The zero TLS
// trusts the authorities of the system.
type TLS struct {
	// CA is a file of authorities, in PEM: these instead of the system's.
	CA string `yaml:"ca"`
	// Fingerprints are of certificates that the other side may have. With them
	// alone the name and the authority of its certificate do not matter; with
	// CA, these matter as well.
	Fingerprints []pin.Fingerprint `yaml:"fingerprints"`
	Name         string            `yaml:"name"` // that the certificate must be for; the host that is dialled
	// Cert and Key are the files, in PEM, of our own certificate. They are read
	// for each connection: when they change, nothing needs to be restarted.
	Cert       string `yaml:"cert"`
	Key        string `yaml:"key"`
	MinVersion string `yaml:"min_version"` // "1.2" or "1.3"; 1.2
}

// Given reports whether anything is configured.
func (t *TLS) Given() bool {
	return t.CA != "" || len(t.Fingerprints) > 0 || t.Name != "" || t.Cert != "" || t.Key != "" || t.MinVersion != ""
}

// Validate says what is wrong, each with its key. It reads no file.
func (t *TLS) Validate() error {
	var errs []error
	if (t.Cert == "") != (t.Key == "") {
		errs = append(errs, errors.New("tls: cert and key: want both or neither"))
	}
	if _, err := pin.MinVersion(t.MinVersion); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Config makes what tls.Client and net/http want. It reads the authorities.
func (t *TLS) Config() (*tls.Config, error) {
	version, err := pin.MinVersion(t.MinVersion)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: version, ServerName: t.Name}
	if t.CA != "" {
		if c.RootCAs, err = authorities(t.CA); err != nil {
			return nil, err
		}
	}
	if len(t.Fingerprints) > 0 {
		c.InsecureSkipVerify = t.CA == "" // the fingerprint says more than a name
		c.VerifyConnection = pin.Verify(t.Fingerprints...)
	}
	if t.Cert != "" {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			own, err := tls.LoadX509KeyPair(t.Cert, t.Key)
			return &own, err
		}
	}
	return c, nil
}

func authorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("tls: ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls: ca: no certificate in %s", file)
	}
	return pool, nil
}
