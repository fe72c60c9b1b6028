package pin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// certificate makes one that signs itself and is expired: a pin asks for
// neither.
func certificate(t testing.TB) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, leaf
}

func TestClient(t *testing.T) {
	cert, leaf := certificate(t)
	_, other := certificate(t)
	shake := func(want ...Fingerprint) error {
		near, far := net.Pipe()
		defer near.Close()
		server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{cert}})
		done := make(chan struct{})
		go func() { defer close(done); _ = server.Handshake(); _ = far.Close() }()
		c := Client(want...)
		c.ServerName = "another.example" // the name does not count
		err := tls.Client(near, c).Handshake()
		_ = near.Close()
		<-done
		return err
	}
	if err := shake(Of(leaf)); err != nil {
		t.Error(err)
	}
	if err := shake(Of(other), Of(leaf)); err != nil {
		t.Error("one of two:", err)
	}
	if err := shake(Of(other)); !errors.Is(err, ErrOther) || !strings.Contains(err.Error(), Of(leaf).String()) {
		t.Error(err)
	}
	if err := shake(); err == nil {
		t.Error("without a pin the system's authorities must be asked")
	}
	if err := Verify()(tls.ConnectionState{}); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}

func TestNotations(t *testing.T) {
	_, leaf := certificate(t)
	want := Of(leaf)
	hex := strings.TrimPrefix(want.String(), "sha-256:")
	var colons strings.Builder
	for i := 0; i < len(hex); i += 2 {
		colons.WriteString(":" + strings.ToUpper(hex[i:i+2]))
	}
	for _, text := range []string{want.String(), "sha256:" + hex, "SHA256" + colons.String(), colons.String()[1:], hex} {
		var got Fingerprint
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "sha1:00", "sha-256:" + hex[2:], "sha-256:" + hex + "00", "sha-256:zz" + hex[2:]} {
		var got Fingerprint
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: taken for %v", text, got)
		}
	}
	if k := Key(leaf); !strings.HasPrefix(k, "sha256//") || len(k) != len("sha256//")+44 {
		t.Error(k)
	}
}
