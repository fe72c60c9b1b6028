// Package pin knows the other side of a TLS connection by the fingerprint of
// its certificate, without an authority: one that made its certificate itself
// (rondo cert) is as well known as one that bought it.
//
// A fingerprint is the SHA-256 of the certificate in DER, as RFC 5425 (section
// 4.2.2) wants it for syslog over TLS; senders, relays and agents all use it.
// It names one certificate: a renewed one has another, even with the same key,
// so wherever a fingerprint is configured there may be two of them, the present
// one and the next.
//
// curl pins the key instead (--pinnedpubkey): [Key] is what it wants.
package pin

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNone says that the other side has no certificate, ErrOther that it has
// one whose fingerprint was not configured.
var (
	ErrNone  = errors.New("pin: the other side has no certificate")
	ErrOther = errors.New("pin: the fingerprint of the other side's certificate is not the configured one")
)

// A Fingerprint is the SHA-256 of a certificate in DER.
type Fingerprint [sha256.Size]byte

// Of is a certificate's fingerprint.
func Of(c *x509.Certificate) Fingerprint { return sha256.Sum256(c.Raw) }

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

// String is the fingerprint as it is written in configurations.
func (f Fingerprint) String() string { return "sha-256:" + hex.EncodeToString(f[:]) }

// MarshalText writes what UnmarshalText reads.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// Key is the SHA-256 of a certificate's public key, as curl's --pinnedpubkey
// wants it: sha256//BASE64.
func Key(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return "sha256//" + base64.StdEncoding.EncodeToString(sum[:])
}

// Verify returns what a tls.Config's VerifyConnection does to let only a
// certificate in that has one of the fingerprints. With none it lets in any.
func Verify(want ...Fingerprint) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return ErrNone
		}
		if own := Of(state.PeerCertificates[0]); len(want) > 0 && !slices.Contains(want, own) {
			return fmt.Errorf("%w: it is %s", ErrOther, own)
		}
		return nil
	}
}

// MinVersion is the oldest version of TLS that is accepted, as min_version of a
// configuration says it: "1.2", which is the default, or "1.3".
func MinVersion(text string) (uint16, error) {
	switch text {
	case "", "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf(`tls: min_version: %q is neither "1.2" nor "1.3"`, text)
}

// Client is the configuration of a client that knows its server by a
// fingerprint: neither authority, name nor expiry count then, the fingerprint
// says all. With none it is that of any client, which trusts the system's
// authorities.
func Client(want ...Fingerprint) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(want) > 0 {
		c.InsecureSkipVerify = true // Verify does it
		c.VerifyConnection = Verify(want...)
	}
	return c
}
