package web

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// SocketName is the unix socket in the data directory over which commands
// need no token: who may open it (mode 0600) owns the data already.
const SocketName = "rondo.sock"

// Config is the section "web" of the configuration.
type Config struct {
	Listen string   `yaml:"listen"` // host:port
	Hosts  []string `yaml:"hosts"`  // names, besides loopback's, by which browsers may call us
	Token  string   `yaml:"token"`  // for commands; beyond loopback for everything
	TLS    TLS      `yaml:"tls"`
	Limits Limits   `yaml:"limits"`
}

// TLS names the files of the server's certificate, in PEM.
type TLS struct {
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	ClientCA string `yaml:"client_ca"` // clients with a certificate of this authority need no token
}

// Limits bound what a client can cost.
type Limits struct {
	ReadHeader time.Duration `yaml:"read_header_timeout"`
	Read       time.Duration `yaml:"read_timeout"`
	Write      time.Duration `yaml:"write_timeout"` // streams excepted
	Idle       time.Duration `yaml:"idle_timeout"`
	MaxHeader  int           `yaml:"max_header"`  // bytes
	MaxBody    int64         `yaml:"max_body"`    // bytes
	MaxStreams int           `yaml:"max_streams"` // live readers (SSE) at one time
}

// Default is the configuration where the file says nothing.
func Default() Config {
	return Config{
		Listen: "127.0.0.1:8080",
		Limits: Limits{
			ReadHeader: 5 * time.Second, Read: time.Minute, Write: time.Minute, Idle: 2 * time.Minute,
			MaxHeader: 64 << 10, MaxBody: 32 << 20, MaxStreams: 64,
		},
	}
}

// minToken is the shortest token accepted: 16 characters cannot be guessed
// over a network.
const minToken = 16

// Validate says what is wrong, with the line to add where one would mend it.
func (c Config) Validate() error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("web: listen %q: want host:port, such as 127.0.0.1:8080: %w", c.Listen, err)
	}
	if c.Token != "" && len(c.Token) < minToken {
		return fmt.Errorf("web: token: %d characters are too few, want %d or more (openssl rand -hex 16)", len(c.Token), minToken)
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return errors.New("web: tls: cert and key belong together, one is missing")
	}
	if c.TLS.ClientCA != "" && c.TLS.Cert == "" {
		return errors.New("web: tls: client_ca needs cert and key")
	}
	if err := c.Limits.validate(); err != nil {
		return err
	}
	return c.validateExposed(host)
}

func (c Config) validateExposed(host string) error {
	if isLoopback(host) {
		return nil
	}
	if c.TLS.Cert == "" {
		return fmt.Errorf("web: listen %s is reachable from other machines and needs TLS; add under web:\n  tls: {cert: /etc/rondo/web.pem, key: /etc/rondo/web.key}", c.Listen)
	}
	if c.Token == "" && c.TLS.ClientCA == "" {
		return fmt.Errorf("web: listen %s is reachable from other machines and needs a token; add under web:\n  token: ${RONDO_TOKEN}", c.Listen)
	}
	return nil
}

func (l Limits) validate() error {
	if l.ReadHeader <= 0 || l.Read <= 0 || l.Write <= 0 || l.Idle <= 0 {
		return errors.New("web: limits: timeouts must be above zero")
	}
	if l.MaxHeader < 4<<10 || l.MaxBody < 1 || l.MaxStreams < 1 {
		return errors.New("web: limits: max_header must be 4096 or more, max_body and max_streams 1 or more")
	}
	return nil
}

// exposed says whether machines other than ours can reach us.
func (c Config) exposed() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return err != nil || !isLoopback(host)
}

// isLoopback says whether a host name or address stays on this machine. It
// means the same as in collectors.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

// readCA reads the authority of client certificates.
func readCA(path string) ([]byte, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("web: tls: client_ca: %w", err)
	}
	return pem, nil
}
