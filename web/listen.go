package web

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Listen binds the configured address and, where dataDir is not empty,
// rondo.sock in it, so that a port in use is found before anything runs.
// [Server.Run] owns and closes what it returns.
func Listen(cfg Config, dataDir string) ([]net.Listener, error) {
	tcp, err := net.Listen("tcp", cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("web: listen %s: another program has this port; stop it or set web: listen to another one", cfg.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if cfg.TLS.Cert != "" {
		tc, err := cfg.TLS.load()
		if err != nil {
			return nil, errors.Join(err, tcp.Close())
		}
		tcp = tls.NewListener(tcp, tc)
	}
	if dataDir == "" {
		return []net.Listener{tcp}, nil
	}
	sock, err := listenUnix(filepath.Join(dataDir, SocketName))
	if err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	return []net.Listener{tcp, sock}, nil
}

// CheckFiles reads the files that c names, and says which cannot be used.
func (c Config) CheckFiles() error {
	if c.TLS.Cert == "" {
		return nil
	}
	_, err := c.TLS.load()
	return err
}

// load reads the certificate. Without a client authority no client
// certificate is asked for.
func (t TLS) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("web: tls: %w", err)
	}
	tc := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if t.ClientCA == "" {
		return tc, nil
	}
	pem, err := readCA(t.ClientCA)
	if err != nil {
		return nil, err
	}
	tc.ClientCAs, tc.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
	if !tc.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("web: tls: client_ca %s holds no certificate", t.ClientCA)
	}
	return tc, nil
}

// listenUnix binds the socket with mode 0600. A socket that nobody answers is
// left over from a crash and is removed; any other file is not ours to remove.
func listenUnix(path string) (net.Listener, error) {
	st, err := os.Lstat(path)
	switch {
	case err == nil && st.Mode()&fs.ModeSocket == 0:
		return nil, fmt.Errorf("web: %s is in the way: it is no socket", path)
	case err == nil:
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			return nil, errors.Join(fmt.Errorf("web: %s: another rondo answers there", path), c.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("web: %w", err), l.Close())
	}
	return l, nil
}
