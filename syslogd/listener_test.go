package syslogd

import (
	"net"
	"testing"
)

// somewhere is a listener with an address of its own choice.
type somewhere struct {
	streamListener
	at net.TCPAddr
}

func (s somewhere) Addr() net.Addr { return &s.at }

// TestClosed wants to know whether a client on this machine would get in: it
// comes from the address that is listened on.
func TestClosed(t *testing.T) {
	f := func(listen string, allow []string, change func(*listener), want string) {
		t.Helper()
		at, err := net.ResolveTCPAddr("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		l := &listener{socket: &socket{streams: somewhere{at: *at}}}
		for _, text := range allow {
			var n Network
			if err := n.UnmarshalText([]byte(text)); err != nil {
				t.Fatal(err)
			}
			l.Allow = append(l.Allow, n)
		}
		if change != nil {
			change(l)
		}
		if got := l.closed(); got != want {
			t.Errorf("%s, allow %v: %q, want %q", listen, allow, got, want)
		}
	}
	f("127.0.0.1:514", []string{"10.0.0.0/8"}, nil, "")
	f("0.0.0.0:514", []string{"10.0.0.0/8"}, nil, "")
	f("[::]:514", []string{"10.0.0.0/8"}, nil, "")
	f("10.0.0.5:514", []string{"10.0.0.0/8"}, nil, "")
	f("192.0.2.7:514", []string{"10.0.0.0/8"}, nil, "its address, 192.0.2.7, in allow")
	f("192.0.2.7:514", nil, nil, "")
	f("127.0.0.1:6514", nil, func(l *listener) { l.certs = &certificates{} }, "")
	f("127.0.0.1:6514", nil, func(l *listener) {
		l.certs = &certificates{}
		l.TLS.ClientCA = "ca.pem"
	}, "a client certificate")
}
