package iid

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
)

// Object identifiers, in DER, without their tag and length.
const (
	oidData          = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
	oidSignedData    = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
	oidContentType   = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"
	oidMessageDigest = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"
	oidRSA           = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
	oidSHA256RSA     = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"
	oidSHA256        = "\x60\x86\x48\x01\x65\x03\x04\x02\x01"
)

var (
	errShape     = errors.New("it is no PKCS #7 SignedData with one signer, its content and its attributes inside")
	errAlgorithm = errors.New("it is not signed with RSA over SHA-256: want what the metadata service has as instance-identity/rsa2048")
	errDigest    = errors.New("the document is not the one that was signed")
)

// signed is what is taken from a SignedData.
type signed struct {
	content    []byte
	attributes []byte // as a SET in DER, which is what the signature is over
	signature  []byte
}

// parse reads a SignedData. That the digest in the attributes is that of the
// content is verified; whether the signature is good is not.
func parse(ber []byte) (s signed, err error) {
	outer := reader{b: ber}
	info := outer.inside(tagSequence)
	if string(info.next(tagOID).body) != oidSignedData {
		return s, errShape
	}
	data := info.inside(tagContext0).inside(tagSequence)
	data.next(tagInteger) // version
	data.next(tagSet)     // digest algorithms; the signer names its own
	held := data.inside(tagSequence)
	if string(held.next(tagOID).body) != oidData {
		return s, errShape
	}
	content := held.inside(tagContext0)
	s.content = content.octets()
	data.optional(tagContext0) // certificates: not looked at
	data.optional(tagContext1) // revocations
	signers := data.inside(tagSet)
	signer := signers.inside(tagSequence)
	for _, r := range []*reader{&outer, info, data, held, content, signers} {
		if r.end() != nil {
			return s, errShape
		}
	}
	return s, s.parseSigner(signer)
}

func (s *signed) parseSigner(r *reader) error {
	r.next(tagInteger)  // version
	r.next(tagSequence) // issuer and serial number: the region says whose it must be
	digest := r.inside(tagSequence).next(tagOID)
	attributes := r.next(tagContext0)
	algorithm := r.inside(tagSequence).next(tagOID)
	s.signature = r.next(tagOctets).body
	r.optional(tagContext1) // attributes that are not signed
	if r.end() != nil || !attributes.definite() {
		return errShape
	}
	if string(digest.body) != oidSHA256 || string(algorithm.body) != oidRSA && string(algorithm.body) != oidSHA256RSA {
		return errAlgorithm
	}
	s.attributes = append([]byte{tagSet}, attributes.raw[1:]...)
	return s.checkAttributes(attributes.body)
}

// checkAttributes wants one content type, data, and one digest, that of the
// content.
func (s *signed) checkAttributes(b []byte) error {
	types, digests := 0, 0
	sum := sha256.Sum256(s.content)
	r := reader{b: b}
	for len(r.b) > 0 && r.err == nil {
		a := r.inside(tagSequence)
		name := string(a.next(tagOID).body)
		values := a.inside(tagSet)
		switch name {
		case oidContentType:
			types++
			if string(values.next(tagOID).body) != oidData || values.end() != nil {
				return errShape
			}
		case oidMessageDigest:
			digests++
			if !bytes.Equal(values.octets(), sum[:]) || values.end() != nil {
				return errDigest
			}
		}
		if a.end() != nil {
			return errShape
		}
	}
	if r.err != nil || types != 1 || digests != 1 {
		return errShape
	}
	return nil
}

// by reports whether a certificate's key made the signature.
func (s *signed) by(c *x509.Certificate) bool {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok || key.Size() < 2048/8 {
		return false
	}
	sum := sha256.Sum256(s.attributes)
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], s.signature) == nil
}
