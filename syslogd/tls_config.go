package syslogd

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
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
type Fingerprint [sha256.Size]byte

// UnmarshalText reads the notation of RFC 5425, sha-256:E1:2D:..., and those
// of rsyslog (SHA256:) and openssl (no prefix), with or without colons.
func (f *Fingerprint) UnmarshalText(b []byte) error {
	text := strings.ToLower(string(b))
	if strings.HasPrefix(text, "sha1:") || strings.HasPrefix(text, "sha-1:") {
		return fmt.Errorf("fingerprint %q: SHA-1 is not safe; want that of SHA-256 (openssl x509 -noout -fingerprint -sha256)", b)
	}
	for _, prefix := range []string{"sha256:", "sha-256:"} {
		text = strings.TrimPrefix(text, prefix)
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil || len(raw) != len(f) {
		return fmt.Errorf("fingerprint %q: want 64 hexadecimal digits (openssl x509 -noout -fingerprint -sha256)", b)
	}
	copy(f[:], raw)
	return nil
}

func (f Fingerprint) String() string { return "sha-256:" + hex.EncodeToString(f[:]) }

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
	if _, err := t.minVersion(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (t *TLSConfig) minVersion() (uint16, error) {
	switch t.MinVersion {
	case "", "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf(`tls: min_version: %q is neither "1.2" nor "1.3"`, t.MinVersion)
}
