package canary

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/relp"
)

// send brings a line to a listener, as a client of its protocol does. Over a
// stream it waits for the listener's close: that comes when all is on disk.
func send(ctx context.Context, e syslogd.Endpoint, line string) error {
	conn, err := dial(ctx, e)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	switch e.Proto {
	case syslogd.UDP, syslogd.Unix:
		_, err := io.WriteString(conn, line)
		return err
	case syslogd.RELP, syslogd.RELPTLS:
		return converse(conn, line)
	}
	if _, err := io.WriteString(conn, framed(e, line)); err != nil {
		return err
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}

// dial connects to a listener of our own: by whom its certificate was made is
// not the question.
func dial(ctx context.Context, e syslogd.Endpoint) (net.Conn, error) {
	if e.Proto == syslogd.TLS || e.Proto == syslogd.RELPTLS {
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
		return d.DialContext(ctx, "tcp", e.Addr.String())
	}
	var d net.Dialer
	return d.DialContext(ctx, e.Addr.Network(), e.Addr.String())
}

// converse is a session of RELP with one message. All of it is said at once;
// the answers come until the server closes.
func converse(conn net.Conn, line string) error {
	ours := relp.Offers{Version: relp.Version, Software: appName, Commands: []string{relp.Syslog}}
	b := relp.AppendFrame(nil, 1, relp.Open, ours.String())
	b = relp.AppendFrame(b, 2, relp.Syslog, line)
	b = relp.AppendFrame(b, 3, relp.Close, "")
	if _, err := conn.Write(b); err != nil {
		return err
	}
	const maxAnswer = 4 << 10
	r := relp.NewReader(io.LimitReader(conn, 4*maxAnswer), maxAnswer)
	for {
		frames, err := r.Append(nil)
		for _, f := range frames {
			if f.Txnr == 2 && strings.HasPrefix(f.Data, "200") {
				return nil
			}
			if f.Command == relp.Response && strings.HasPrefix(f.Data, "500") {
				return fmt.Errorf("RELP: %s", f.Data)
			}
		}
		if errors.Is(err, io.EOF) {
			return errors.New("RELP: the session ended without an answer")
		}
		if err != nil {
			return err
		}
	}
}
