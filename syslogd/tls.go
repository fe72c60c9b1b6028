package syslogd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"rondo/syslogd/syslog/pin"
)

// handshakeTimeout bounds what a client that is slow, or silent, can hold.
const handshakeTimeout = 10 * time.Second

// handshake secures a connection. One that is refused is counted by reason.
// It runs in the connection's own goroutine, so that it holds nobody up.
func (l *listener) handshake(ctx context.Context, conn net.Conn) (*tls.Conn, bool) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	secured := tls.Server(conn, l.certs.config())
	if err := secured.HandshakeContext(ctx); err != nil {
		reason := handshakeReason(err)
		l.srv.refused.add("refused_tls_"+reason, peer(conn), 1)
		l.log.Debug("TLS handshake refused", "addr", conn.RemoteAddr().String(), "reason", reason, "err", err)
		return nil, false
	}
	state := secured.ConnectionState()
	if len(state.PeerCertificates) > 0 {
		l.log.Info("TLS client connected", "addr", conn.RemoteAddr().String(),
			"name", certificateName(state.PeerCertificates[0]), "version", tls.VersionName(state.Version))
	}
	return secured, true
}

// handshakeReason names what a handshake failed of.
func handshakeReason(err error) string {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "not_tls"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "authority"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "expired"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate"
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, pin.ErrNone):
		return "no_certificate"
	case errors.Is(err, pin.ErrOther):
		return "fingerprint"
	}
	return "other" // such as a client that hangs up, or does not trust us
}

// certificateName is what a certificate calls its owner: its first DNS name,
// else its common name.
func certificateName(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return c.DNSNames[0]
	}
	return c.Subject.CommonName
}
