package post

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"rondo/syslogd/syslog/pin"
)

// TLS says whom to trust, and who we are. The zero TLS trusts the authorities
// of the system.
type TLS struct {
	CA   string `yaml:"ca"`   // file of authorities, in PEM: these instead of the system's
	Name string `yaml:"name"` // that the certificate must be for; default the host of the address
	// Cert and Key are the files, in PEM, of our own certificate. They are read
	// for each connection: when they change, nothing needs to be restarted.
	Cert       string `yaml:"cert"`
	Key        string `yaml:"key"`
	MinVersion string `yaml:"min_version"` // "1.2" or "1.3"; default 1.2
}

// Validate says what is wrong. It reads no file.
func (t TLS) Validate() error {
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
func (t TLS) Config() (*tls.Config, error) {
	version, err := pin.MinVersion(t.MinVersion)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: version, ServerName: t.Name}
	if t.CA != "" {
		text, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls: ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("tls: ca: no certificate in %s", t.CA)
		}
	}
	if t.Cert != "" {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			own, err := tls.LoadX509KeyPair(t.Cert, t.Key)
			return &own, err
		}
	}
	return c, nil
}
