package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	_ "embed" // for the script and the unit
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"text/template"
	"time"

	"rondo/syslogd/syslog/pin"
	"rondo/web"
)

//go:embed install.sh
var installText string

//go:embed rondo-agent.service
var agentUnit string

// An installer serves the script that installs agents, and the programs that it
// downloads. What is written into the script comes from the configuration and
// from files that it names, never from a request.
type installer struct {
	conf     agentsConfig
	leaf     *x509.Certificate // the server's; nil without TLS
	script   *template.Template
	binaries []*binary
	places   chan struct{} // a place for each download
}

const (
	maxDownloads  = 16
	downloadLimit = 10 * time.Minute
)

// newInstaller makes the installer of a server with this certificate.
func newInstaller(conf agentsConfig, tls web.TLS) (*installer, error) {
	t, err := template.New("install.sh").Parse(installText)
	if err != nil {
		return nil, fmt.Errorf("install.sh: %w", err)
	}
	in := &installer{conf: conf, script: t, places: make(chan struct{}, maxDownloads)}
	if tls.Cert != "" {
		if in.leaf, err = readCertificate(tls.Cert); err != nil {
			return nil, err
		}
	}
	for _, platform := range []string{"linux-amd64", "linux-arm64"} {
		switch {
		case platform == runtime.GOOS+"-"+runtime.GOARCH:
			in.binaries = append(in.binaries, &binary{platform: platform, path: "/proc/self/exe"})
		case conf.Binaries != "":
			in.binaries = append(in.binaries, &binary{platform: platform, path: filepath.Join(conf.Binaries, "rondo-"+platform)})
		}
	}
	return in, nil
}

// readCertificate reads the first certificate of a file.
func readCertificate(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			return nil, fmt.Errorf("certificate: %s holds none", file)
		}
		if b.Type == "CERTIFICATE" {
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				err = fmt.Errorf("certificate: %s: %w", file, err)
			}
			return c, err
		}
	}
}

// A binary is the program for one platform.
type binary struct {
	platform string
	path     string

	mu   sync.Mutex
	seen fs.FileInfo // of what sum is
	sum  string
}

// open opens the file and returns its SHA-256, which is computed anew when the
// file has changed, and when that was.
func (b *binary) open() (f *os.File, sum string, changed time.Time, err error) {
	if f, err = os.Open(b.path); err != nil {
		return nil, "", changed, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	info, err := f.Stat()
	if err == nil && (b.seen == nil || !os.SameFile(info, b.seen) || info.Size() != b.seen.Size() || !info.ModTime().Equal(b.seen.ModTime())) {
		h := sha256.New()
		if _, err = io.Copy(h, f); err == nil {
			b.seen, b.sum = info, hex.EncodeToString(h.Sum(nil))
		}
	}
	if err != nil {
		return nil, "", changed, errors.Join(err, f.Close())
	}
	return f, b.sum, info.ModTime(), nil
}

// trusted reports whether agents know the server by its fingerprint.
func (in *installer) trusted() bool { return in.leaf != nil && in.conf.Trust != bySystem }

// A scriptBinary is a program as the script needs it.
type scriptBinary struct{ Platform, Sum string }

// render writes the script.
func (in *installer) render() ([]byte, error) {
	data := struct {
		Address, Pin, Fingerprint, Unit string
		Binaries                        []scriptBinary
	}{Address: in.conf.Address, Unit: agentUnit}
	if in.trusted() {
		data.Pin, data.Fingerprint = pin.Key(in.leaf), pin.Of(in.leaf).String()
	}
	for _, b := range in.binaries {
		f, sum, _, err := b.open()
		if errors.Is(err, fs.ErrNotExist) {
			continue // the script says so to whom it concerns
		}
		if err != nil {
			return nil, err
		}
		_ = f.Close() // it was read only
		data.Binaries = append(data.Binaries, scriptBinary{b.platform, sum})
	}
	var out bytes.Buffer
	err := in.script.Execute(&out, data)
	return out.Bytes(), err
}

// noAddress says what is missing, in place of the line to paste.
const noAddress = "the server does not know its address; add to its configuration\n  agents: {address: https://HOST:PORT}"

// serveScript answers GET /install.sh. An error is a script too, since it is
// given to a shell.
func (in *installer) serveScript(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/x-shellscript; charset=utf-8")
	fail := func(text string) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "#!/bin/sh\ncat >&2 <<'END'\nrondo: %s\nEND\nexit 1\n", text)
	}
	if in.conf.Address == "" {
		fail(noAddress)
		return
	}
	text, err := in.render()
	if err != nil {
		fail("the script cannot be made: the programs for agents cannot be read")
		return
	}
	_, _ = w.Write(text) // the client is gone: nobody to tell
}

// serveBinary answers GET /agent/v1/binary/{platform}, for the platforms that
// it knows and no other name.
func (in *installer) serveBinary(w http.ResponseWriter, r *http.Request) {
	for _, b := range in.binaries {
		if b.platform == r.PathValue("platform") {
			in.send(w, r, b)
			return
		}
	}
	http.Error(w, "there is no program for this platform (agents: binaries)", http.StatusNotFound)
}

func (in *installer) send(w http.ResponseWriter, r *http.Request, b *binary) {
	select {
	case in.places <- struct{}{}:
		defer func() { <-in.places }()
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("%d downloads are under way; come again", maxDownloads), http.StatusServiceUnavailable)
		return
	}
	f, sum, changed, err := b.open()
	if err != nil {
		http.Error(w, "there is no program for "+b.platform+" (agents: binaries)", http.StatusNotFound)
		return
	}
	defer f.Close()
	// Longer than any other answer may take. A recorder in a test has no deadline.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(downloadLimit))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+sum+`"`)
	http.ServeContent(w, r, "", changed, f)
}

// fetch is a line that downloads the script to a file, or to standard output.
func (in *installer) fetch(to string) string {
	line := "curl -fsS "
	if in.trusted() {
		line += "-k --pinnedpubkey '" + pin.Key(in.leaf) + "' "
	}
	return line + to + in.conf.Address + "/install.sh"
}

// line is what to paste into a shell. The token goes before the script, and not
// among the arguments of a process, which every user of the host can see.
func (in *installer) line(token string) string {
	return "(echo RONDO_TOKEN=" + token + "; " + in.fetch("") + ") | sudo sh"
}

// userData is what cloud-init installs an agent by.
func (in *installer) userData(token string) string {
	return "#cloud-config\nruncmd:\n  - |\n    " + in.command(token) + "\n"
}

// command is a line for root's shell that installs an agent, as soon as the
// network is up.
func (in *installer) command(token string) string {
	const file = "/run/rondo-install.sh"
	return in.fetch("--retry 20 --retry-delay 3 --retry-connrefused -o "+file+" ") + " && RONDO_TOKEN=" + token + " sh " + file
}

// tell adds to a new token how it is used.
func (in *installer) tell(t *newToken) {
	if in.conf.Address == "" {
		t.Install = noAddress
		return
	}
	t.Install, t.UserData = in.line(t.Text), in.userData(t.Text)
}
