package collectors

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// A Network is a range of addresses: "10.0.0.0/8", or a single address.
type Network struct{ netip.Prefix }

// UnmarshalText reads a network as it stands in a configuration.
func (n *Network) UnmarshalText(b []byte) error {
	if a, err := netip.ParseAddr(string(b)); err == nil {
		n.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(string(b))
	if err != nil {
		return fmt.Errorf("network %q: want an address, or a network such as 10.0.0.0/8", b)
	}
	n.Prefix = p.Masked()
	return nil
}

// A Bind is where a plaintext protocol listens, and who may send to it.
// Loopback may always.
type Bind struct {
	Listen string    `yaml:"listen"`
	Allow  []Network `yaml:"allow"`
}

// Validate refuses to take plaintext from everybody.
func (b Bind) Validate() error {
	host, _, err := net.SplitHostPort(b.Listen)
	if err != nil {
		return fmt.Errorf("listen %q: want an address and a port, such as 127.0.0.1:2003", b.Listen)
	}
	if isLoopback(host) || len(b.Allow) > 0 {
		return nil
	}
	return fmt.Errorf("listen %q takes plaintext from other machines: name those that may send, as in\n    allow: [10.0.0.0/8]", b.Listen)
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Allows says whether a may send.
func (b Bind) Allows(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsLoopback() {
		return true
	}
	for _, n := range b.Allow {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// ListenTCP binds the address. Whoever serves the listener closes it.
func (b Bind) ListenTCP(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", b.Listen)
}

// ListenUDP binds the address. Whoever serves the socket closes it.
func (b Bind) ListenUDP(ctx context.Context) (*net.UDPConn, error) {
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(ctx, "udp", b.Listen)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}
