package iid_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts/fleet/iid"
	"rondo/alerts/fleet/iid/iidtest"
)

const instance = "i-0123456789abcdef0"

var (
	ip       = netip.MustParseAddr("10.0.0.209")
	launched = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
)

func TestVerify(t *testing.T) {
	s := iidtest.New(t)
	text := s.Sign(t, iidtest.Document(instance, ip, launched))
	want := iid.Document{
		Account: "123456789012", Region: "eu-west-1", Zone: "eu-west-1a", Instance: instance,
		InstanceType: "m7g.large", Image: "ami-0fa9e1f64142cde17", PrivateIP: ip, Pending: launched,
	}
	armored := "-----BEGIN PKCS7-----\n" + string(text) + "-----END PKCS7-----\n"
	for _, in := range []string{string(text), strings.ReplaceAll(string(text), "\n", ""), strings.ReplaceAll(string(text), "\n", "\r\n"), armored} {
		got, err := s.Authorities().Verify([]byte(in))
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
}

// TestForged: whatever is not EC2's word to the letter is refused.
func TestForged(t *testing.T) {
	ec2, other := iidtest.New(t), iidtest.New(t)
	document := iidtest.Document(instance, ip, launched)
	another := strings.Replace(document, instance, "i-0ffffffffffffffff", 1)
	flip := func(at int) []byte {
		b := ec2.Wrap(t, []byte(document), []byte(document))
		b[len(b)+at] ^= 1
		return iidtest.Lines(b)
	}
	bare, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(ec2.Sign(t, document)), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"signed by another":     {other.Sign(t, document), "did not sign"},
		"the content exchanged": {iidtest.Lines(ec2.Wrap(t, []byte(document), []byte(another))), "not the one that was signed"},
		"the signature altered": {flip(-40), "did not sign"},
		"another region":        {ec2.Sign(t, strings.Replace(document, `"region" : "eu-west-1"`, `"region" : "eu-west-9"`, 1)), "no certificate of this region"},
		"no region":             {ec2.Sign(t, `{}`), "no certificate of this region"},
		"no instance":           {ec2.Sign(t, strings.Replace(document, instance, "", 1)), "missing"},
		"no address":            {ec2.Sign(t, strings.Replace(document, ip.String(), "", 1)), "missing"},
		"no JSON":               {ec2.Sign(t, "hello"), "document"},
		"DSA over SHA-1":        {iidtest.Lines(bytes.Replace(bare, []byte("\x60\x86\x48\x01\x65\x03\x04\x02\x01"), []byte("\x60\x86\x48\x01\x65\x03\x04\x02\x03"), -1)), "rsa2048"},
		"cut":                   {iidtest.Lines(bare[:len(bare)-200]), "no PKCS #7"},
		"something behind":      {iidtest.Lines(append(bare, 0x05, 0)), "no PKCS #7"},
		"no base64":             {[]byte("{}"), "illegal base64"},
		"nothing":               {nil, "no PKCS #7"},
		"too large":             {make([]byte, iid.MaxSize+1), "at most"},
	} {
		got, err := ec2.Authorities().Verify(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestAWS: the certificates that are built in are EC2's, one for each region,
// and have keys that are long enough.
func TestAWS(t *testing.T) {
	all, err := iid.AWS()
	if err != nil || len(all) < 35 {
		t.Fatalf("%d regions, %v", len(all), err)
	}
	for region, certs := range all {
		if len(certs) != 1 || certs[0].PublicKeyAlgorithm.String() != "RSA" || certs[0].Subject.Organization[0] != "Amazon Web Services LLC" {
			t.Errorf("%s: %v", region, certs)
		}
	}
	s := iidtest.New(t)
	text := s.Sign(t, iidtest.Document(instance, ip, launched))
	if _, err := all.Verify(text); !errors.Is(err, iid.ErrSignature) {
		t.Error(err)
	}
	if err := all.Add("eu-west-1", s.PEM()); err != nil {
		t.Fatal(err)
	}
	if _, err := all.Verify(text); err != nil {
		t.Error("a certificate that the configuration adds:", err)
	}
	if err := all.Add("eu-west-1", []byte("nothing")); err == nil {
		t.Error("a file without a certificate")
	}
}

// FuzzVerify: no bytes make the parser fail in another way than by an error,
// and none but EC2's own word verifies.
func FuzzVerify(f *testing.F) {
	s := iidtest.New(f)
	document := iidtest.Document(instance, ip, launched)
	good := s.Wrap(f, []byte(document), []byte(document))
	want, err := s.Authorities().Verify(iidtest.Lines(good))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(s.Wrap(f, []byte(document), []byte("{}")))
	f.Add([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80"))
	f.Fuzz(func(t *testing.T, ber []byte) {
		got, err := s.Authorities().Verify([]byte(base64.StdEncoding.EncodeToString(ber)))
		if err == nil && got != want {
			t.Errorf("verified: %+v", got)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := iidtest.New(b)
	text := s.Sign(b, iidtest.Document(instance, ip, launched))
	all := s.Authorities()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := all.Verify(text); err != nil {
			b.Fatal(err)
		}
	}
}
