package out

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rondo/syslogd/syslog/pin"
)

// TestTLS dials a server whose certificate no system trusts.
func TestTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	der := srv.Certificate().Raw
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	own, other := pin.Of(srv.Certificate()), pin.Fingerprint{}
	f := func(c TLS, want string) {
		t.Helper()
		conf, err := c.Config()
		if err == nil {
			client := http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
			var resp *http.Response
			if resp, err = client.Get(srv.URL); err == nil {
				resp.Body.Close()
			}
			client.CloseIdleConnections()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error %v, want %q", err, want)
		}
		if errors.Is(err, pin.ErrOther) != strings.Contains(want, "fingerprint") {
			t.Errorf("error %v is pin.ErrOther, or should be", err)
		}
	}
	f(TLS{}, "unknown authority")
	f(TLS{CA: ca}, "")
	f(TLS{CA: ca, Name: "elsewhere.example.org"}, "not elsewhere.example.org")
	f(TLS{Fingerprints: []pin.Fingerprint{other, own}}, "")
	f(TLS{Fingerprints: []pin.Fingerprint{other}}, "fingerprint of the other side's certificate is not the configured one: it is "+own.String())
	f(TLS{CA: ca, Fingerprints: []pin.Fingerprint{own}}, "")
	f(TLS{CA: ca, Fingerprints: []pin.Fingerprint{other}}, "fingerprint of the other")
	f(TLS{CA: ca, Fingerprints: []pin.Fingerprint{own}, Name: "elsewhere.example.org"}, "not elsewhere.example.org")
	f(TLS{CA: filepath.Join(dir, "none.pem")}, "no such file")
}

func TestTLSIsChecked(t *testing.T) {
	f := func(c TLS, want string) {
		t.Helper()
		if err := c.Validate(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	f(TLS{}, "")
	f(TLS{Cert: "a", Key: "b", MinVersion: "1.3"}, "")
	f(TLS{Cert: "a"}, "want both or neither")
	f(TLS{MinVersion: "1.1"}, "min_version")
}
