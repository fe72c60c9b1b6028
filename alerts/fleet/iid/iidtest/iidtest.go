// Package iidtest makes identity documents that are signed as EC2 signs them,
// to the byte, but by an authority of the test's own.
package iidtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"rondo/alerts/fleet/iid"
)

// A Signer signs documents of one region.
type Signer struct {
	Cert *x509.Certificate
	key  *rsa.PrivateKey
}

// New makes a signer.
func New(t testing.TB) *Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<34, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Signer{Cert: c, key: key}
}

// PEM is the signer's certificate, as a configuration names it.
func (s *Signer) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Cert.Raw})
}

// Document is one of an instance, launched at a time, in the account
// 123456789012 and the region eu-west-1.
func Document(instance string, ip netip.Addr, launched time.Time) string {
	return fmt.Sprintf(`{
  "accountId" : "123456789012",
  "architecture" : "x86_64",
  "availabilityZone" : "eu-west-1a",
  "billingProducts" : null,
  "devpayProductCodes" : null,
  "marketplaceProductCodes" : null,
  "imageId" : "ami-0fa9e1f64142cde17",
  "instanceId" : %q,
  "instanceType" : "m7g.large",
  "kernelId" : null,
  "pendingTime" : %q,
  "privateIp" : %q,
  "ramdiskId" : null,
  "region" : "eu-west-1",
  "version" : "2017-09-30"
}`, instance, launched.UTC().Format(time.RFC3339), ip)
}

// Sign wraps a document as instance-identity/rsa2048 has it: in base64, with
// lines of 76 characters.
func (s *Signer) Sign(t testing.TB, document string) []byte {
	t.Helper()
	return Lines(s.Wrap(t, []byte(document), []byte(document)))
}

// Lines writes base64 in lines.
func Lines(ber []byte) (out []byte) {
	for text := base64.StdEncoding.EncodeToString(ber); text != ""; {
		n := min(76, len(text))
		out = append(append(out, text[:n]...), '\n')
		text = text[n:]
	}
	return out
}

// Wrap signs one content and puts another one in. In BER: the outer elements
// have no length, as those of EC2 have none.
func (s *Signer) Wrap(t testing.TB, sign, content []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(sign)
	attributes := join(
		tlv(0x30, oid("2a864886f70d010903"), tlv(0x31, oid("2a864886f70d010701"))),
		tlv(0x30, oid("2a864886f70d010905"), tlv(0x31, tlv(0x17, []byte("210903212547Z")))),
		tlv(0x30, oid("2a864886f70d010904"), tlv(0x31, tlv(0x04, sum[:]))),
	)
	digest := sha256.Sum256(tlv(0x31, attributes))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	sha := tlv(0x30, oid("608648016503040201"), tlv(0x05))
	signer := tlv(0x30, tlv(0x02, []byte{1}), tlv(0x30, s.Cert.RawIssuer, tlv(0x02, []byte{1})), sha,
		tlv(0xa0, attributes), tlv(0x30, oid("2a864886f70d01010b"), tlv(0x05)), tlv(0x04, signature))
	return endless(0x30, oid("2a864886f70d010702"), endless(0xa0, endless(0x30,
		tlv(0x02, []byte{1}), tlv(0x31, sha),
		endless(0x30, oid("2a864886f70d010701"), endless(0xa0, endless(0x24, tlv(0x04, content[:len(content)/2]), tlv(0x04, content[len(content)/2:])))),
		tlv(0x31, signer))))
}

// Authorities lets the signer sign for eu-west-1.
func (s *Signer) Authorities() iid.Authorities {
	return iid.Authorities{"eu-west-1": {s.Cert}}
}

func join(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// tlv is an element with its length.
func tlv(tag byte, parts ...[]byte) []byte {
	body := join(parts...)
	switch n := len(body); {
	case n < 0x80:
		return join([]byte{tag, byte(n)}, body)
	case n < 0x100:
		return join([]byte{tag, 0x81, byte(n)}, body)
	default:
		return join([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body)
	}
}

// endless is an element without its length.
func endless(tag byte, parts ...[]byte) []byte {
	return join([]byte{tag, 0x80}, join(parts...), []byte{0, 0})
}

func oid(hex string) []byte {
	var body []byte
	_, _ = fmt.Sscanf(hex, "%x", &body)
	return tlv(0x06, body)
}
