package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"rondo/syslogd/syslog/pin"
)

// certCmd makes and shows certificates.
type certCmd struct {
	Make certMakeCmd `cmd:"" help:"Make a certificate that signs itself, and its key."`
	Show certShowCmd `cmd:"" help:"Show the fingerprint of a certificate."`
}

type certMakeCmd struct {
	Hosts []string `arg:"" name:"host" help:"Names and addresses by which the server is called."`
	Out   string   `help:"Where to put rondo.pem and rondo.key." default:"." type:"path" placeholder:"DIR"`
	Days  int      `help:"How long it is valid." default:"3650"`
}

func (certMakeCmd) Help() string {
	return `Examples:
  rondo cert make rondo.example.com 10.0.0.5 --out=/etc/rondo

Agents and senders know the server by the certificate's fingerprint, which is
printed: no authority is needed. Files that are there are not touched.`
}

// maxDays is as far as a certificate may reach: the year stays below 2050.
const maxDays = 7300

func (c certMakeCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Days < 1 || c.Days > maxDays {
		return fmt.Errorf("--days=%d: want 1 to %d", c.Days, maxDays)
	}
	cert, key, err := selfSigned(c.Hosts, time.Now(), time.Duration(c.Days)*24*time.Hour)
	if err != nil {
		return err
	}
	certFile, keyFile := filepath.Join(c.Out, "rondo.pem"), filepath.Join(c.Out, "rondo.key")
	if err := writeNew(keyFile, key, 0o600); err != nil {
		return err
	}
	if err := writeNew(certFile, cert, 0o644); err != nil {
		return errors.Join(err, os.Remove(keyFile))
	}
	if _, err := fmt.Fprintf(out, "tls: {cert: %s, key: %s}\n", certFile, keyFile); err != nil {
		return err
	}
	return certShowCmd{certFile}.Run(ctx, out)
}

// writeNew writes a file that must not be there, and brings it to disk.
func writeNew(file string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// selfSigned makes a certificate for a server, and its key, in PEM.
func selfSigned(hosts []string, now time.Time, life time.Duration) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: hosts[0]},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life), // a client's clock may be behind
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}

type certShowCmd struct {
	File string `arg:"" help:"Certificate in PEM." type:"path"`
}

func (certShowCmd) Help() string {
	return `Examples:
  rondo cert show /etc/rondo/rondo.pem

The fingerprint is for agents and senders, the pin for curl --pinnedpubkey.`
}

func (c certShowCmd) Run(_ context.Context, out io.Writer) error {
	leaf, err := readCertificate(c.File)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "fingerprint: %s\npin: %s\nvalid until: %s\n", pin.Of(leaf), pin.Key(leaf), leaf.NotAfter.UTC().Format(time.RFC3339))
	return err
}
