package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/rrd/seglog"
	"rondo/web"
)

// newTestInstaller makes the installer of a server with a certificate.
func newTestInstaller(t *testing.T, conf agentsConfig) *installer {
	t.Helper()
	cert, key, err := selfSigned([]string{"rondo.example", "10.0.0.5"}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tls := web.TLS{Cert: filepath.Join(dir, "rondo.pem"), Key: filepath.Join(dir, "rondo.key")}
	for file, text := range map[string][]byte{tls.Cert: cert, tls.Key: key} {
		if err := writeNew(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in, err := newInstaller(conf, tls)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestInstallScriptIsCleanShell: with a pin and without, for one platform and
// for two.
func TestInstallScriptIsCleanShell(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("SKIPPED: shellcheck is not installed (.ci/deps)")
	}
	binaries := t.TempDir()
	other := "linux-arm64"
	if runtime.GOARCH == "arm64" {
		other = "linux-amd64"
	}
	if err := os.WriteFile(filepath.Join(binaries, "rondo-"+other), []byte("program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, conf := range []agentsConfig{
		{Address: "https://rondo.example:8443"},
		{Address: "https://[2001:db8::1]:8443", Trust: bySystem, Binaries: binaries},
		{},
	} {
		w := httptest.NewRecorder()
		newTestInstaller(t, conf).serveScript(w, httptest.NewRequest("GET", "/install.sh", nil))
		file := filepath.Join(t.TempDir(), "install.sh")
		if err := os.WriteFile(file, w.Body.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("shellcheck", file).CombinedOutput(); err != nil {
			t.Errorf("%+v: %v\n%s", conf, err, out)
		}
		if strings.Contains(w.Body.String(), other+")") != (conf.Binaries != "") {
			t.Errorf("%+v: platforms:\n%s", conf, w.Body)
		}
		if strings.Contains(w.Body.String(), "pin='sha256//") != (conf.Address != "" && conf.Trust != bySystem) {
			t.Errorf("%+v: pin:\n%s", conf, w.Body)
		}
	}
}

// TestInstallHeedsNoHeader: what is in a request never comes into the script.
func TestInstallHeedsNoHeader(t *testing.T) {
	in := newTestInstaller(t, agentsConfig{Address: "https://rondo.example:8443"})
	r := httptest.NewRequest("GET", "/install.sh?x=$(reboot)", nil)
	r.Host = "evil'$(reboot)"
	r.Header.Set("X-Forwarded-Host", "evil")
	r.Header.Set("User-Agent", "evil")
	w := httptest.NewRecorder()
	in.serveScript(w, r)
	if s := w.Body.String(); w.Code != 200 || strings.Contains(s, "evil") || strings.Contains(s, "reboot") {
		t.Error(w.Code, s)
	}
}

func TestBinary(t *testing.T) {
	in := newTestInstaller(t, agentsConfig{Address: "https://rondo.example:8443"})
	get := func(platform string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/agent/v1/binary/x", nil)
		r.SetPathValue("platform", platform)
		w := httptest.NewRecorder()
		in.serveBinary(w, r)
		return w
	}
	own := runtime.GOOS + "-" + runtime.GOARCH
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if w := get(own); w.Code != 200 || w.Body.Len() != len(exe) || w.Header().Get("ETag") == "" {
		t.Error(w.Code, w.Body.Len())
	}
	for _, name := range []string{"", "../../etc/passwd", "linux-mips", own + "/..", "self"} {
		if w := get(name); w.Code != 404 {
			t.Errorf("%q: %d", name, w.Code)
		}
	}
	for range maxDownloads {
		in.places <- struct{}{}
	}
	if w := get(own); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Error("a download too many:", w.Code)
	}
}

// TestBinaryIsReplaced while it is downloaded; go test -race sees more of it.
func TestBinaryIsReplaced(t *testing.T) {
	dir := t.TempDir()
	b := &binary{platform: "linux-riscv64", path: filepath.Join(dir, "program")}
	in := &installer{binaries: []*binary{b}, places: make(chan struct{}, maxDownloads)}
	var all sync.WaitGroup
	for i := range 8 {
		if err := seglog.Replace(b.path, []byte(strings.Repeat("x", i+1))); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			r := httptest.NewRequest("GET", "/agent/v1/binary/x", nil)
			r.SetPathValue("platform", b.platform)
			w := httptest.NewRecorder()
			in.serveBinary(w, r)
			sum := sha256.Sum256(w.Body.Bytes())
			if want := `"` + hex.EncodeToString(sum[:]) + `"`; w.Code != 200 || w.Header().Get("ETag") != want {
				t.Errorf("%d, ETag %s, want %s", w.Code, w.Header().Get("ETag"), want)
			}
		})
	}
	all.Wait()
}

func TestAgentsConfig(t *testing.T) {
	for address, good := range map[string]bool{
		"": true, "https://rondo.example": true, "https://10.0.0.5:8443": true, "https://[2001:db8::1]:8443": true, "http://127.0.0.1:8080": true, "http://localhost:8080": true,
		"http://rondo.example": false, "https://rondo.example/": false, "https://a b": false, "https://x'y": false, "https://$(reboot)": false, "rondo.example:8443": false, "https://u:p@h": false, "https://h\nx": false,
	} {
		if err := (agentsConfig{Address: address}).validate(); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}
