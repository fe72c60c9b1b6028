package syslogd

import (
	"errors"

	"rondo/syslogd/syslog/pin"
)

// TLSConfig names the files of a listener's certificate, in PEM, and says
// which clients it wants. They are read again when they change.
type TLSConfig struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ClientCA holds the authorities of clients' certificates. With it, and
	// with Fingerprints, a client must have a certificate; with both, one
	// that satisfies both.
	ClientCA     string        `yaml:"client_ca"`
	Fingerprints []Fingerprint `yaml:"fingerprints"` // of clients' certificates
	MinVersion   string        `yaml:"min_version"`  // "1.2" or "1.3"; 1.2
}

// A Fingerprint is the SHA-256 of a certificate in DER.
type Fingerprint = pin.Fingerprint

// given reports whether anything is configured.
func (t *TLSConfig) given() bool {
	return t.Cert != "" || t.Key != "" || t.ClientCA != "" || len(t.Fingerprints) > 0 || t.MinVersion != ""
}

// asksClients reports whether a client needs a certificate.
func (t *TLSConfig) asksClients() bool { return t.ClientCA != "" || len(t.Fingerprints) > 0 }

func (t *TLSConfig) validate() error {
	var errs []error
	if t.Cert == "" {
		errs = append(errs, errors.New("tls: cert: the file of a certificate is wanted"))
	}
	if t.Key == "" {
		errs = append(errs, errors.New("tls: key: the file of the certificate's key is wanted"))
	}
	if _, err := pin.MinVersion(t.MinVersion); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
