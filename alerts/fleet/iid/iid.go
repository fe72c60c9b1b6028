package iid

import (
	"bytes"
	"crypto/x509"
	_ "embed" // for aws.pem
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

//go:embed aws.pem
var awsPEM []byte

// MaxSize bounds a signed document in base64, in bytes; EC2's have about 1,700.
const MaxSize = 16 << 10

// ErrRegion says that no certificate is known for the document's region,
// ErrSignature that none of those that are has signed it.
var (
	ErrRegion    = errors.New("iid: no certificate of this region is known")
	ErrSignature = errors.New("iid: EC2 did not sign this document")
)

// A Document is what EC2 says of an instance. All that is here was signed.
type Document struct {
	Account      string     `json:"accountId"`
	Region       string     `json:"region"`
	Zone         string     `json:"availabilityZone"`
	Instance     string     `json:"instanceId"`
	InstanceType string     `json:"instanceType"`
	Image        string     `json:"imageId"`
	PrivateIP    netip.Addr `json:"privateIp"`
	Pending      time.Time  `json:"pendingTime"` // when the instance was last started
}

// Authorities are the certificates that may sign documents, by region. A region
// may have several: the present one, and the next.
type Authorities map[string][]*x509.Certificate

// AWS returns EC2's certificates of all regions that were public when this was
// built.
func AWS() (Authorities, error) {
	all := Authorities{}
	for rest := awsPEM; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return all, nil
		}
		if err := all.add(b.Headers["Region"], b.Bytes); err != nil {
			return nil, err
		}
	}
}

func (a Authorities) add(region string, der []byte) error {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("iid: certificate of %s: %w", region, err)
	}
	a[region] = append(a[region], c)
	return nil
}

// Add lets the certificates in PEM sign for a region too.
func (a Authorities) Add(region string, text []byte) error {
	n := 0
	for rest := text; ; n++ {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if err := a.add(region, b.Bytes); err != nil {
			return err
		}
	}
	if n == 0 {
		return fmt.Errorf("iid: certificate of %s: no certificate in PEM is there", region)
	}
	return nil
}

// Verify reads what the metadata service has as instance-identity/rsa2048, with
// or without armor and line ends, and returns the document in it if EC2 signed
// it. The error says what is wrong; it is ErrRegion or ErrSignature where the
// structure was good.
func (a Authorities) Verify(text []byte) (Document, error) {
	var d Document
	if len(text) > MaxSize {
		return d, fmt.Errorf("iid: signed document: %d bytes, at most %d", len(text), MaxSize)
	}
	ber, err := decode(text)
	if err != nil {
		return d, fmt.Errorf("iid: signed document: %w", err)
	}
	s, err := parse(ber)
	if err != nil {
		return d, fmt.Errorf("iid: signed document: %w", err)
	}
	if err := json.Unmarshal(s.content, &d); err != nil {
		return Document{}, fmt.Errorf("iid: document: %w", err)
	}
	certs := a[d.Region]
	if len(certs) == 0 {
		return Document{}, fmt.Errorf("%w: %.40q", ErrRegion, d.Region)
	}
	for _, c := range certs {
		if s.by(c) {
			return d, d.check()
		}
	}
	return Document{}, ErrSignature
}

// check wants what nothing can be decided without.
func (d Document) check() error {
	if !IsInstance(d.Instance) || d.Account == "" || !d.PrivateIP.IsValid() || d.Pending.IsZero() {
		return errors.New("iid: document: instanceId, accountId, privateIp or pendingTime is missing")
	}
	return nil
}

// decode takes base64, which may stand between lines of armor.
func decode(text []byte) ([]byte, error) {
	if b, _ := pem.Decode(text); b != nil {
		return b.Bytes, nil
	}
	var plain []byte
	for line := range bytes.FieldsSeq(text) {
		plain = append(plain, line...)
	}
	ber := make([]byte, base64.StdEncoding.DecodedLen(len(plain)))
	n, err := base64.StdEncoding.Decode(ber, plain)
	return ber[:n], err
}

// IsInstance reports whether s has the form of an instance ID: i- and 8 or 17
// hexadecimal digits.
func IsInstance(s string) bool {
	if len(s) != 10 && len(s) != 19 || s[:2] != "i-" {
		return false
	}
	for _, c := range s[2:] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
