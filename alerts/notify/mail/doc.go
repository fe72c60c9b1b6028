// Package mail sends notices by SMTP (RFC 5321).
//
//	receivers:
//	  - name: ops
//	    email:
//	      server: smtp.example.com:587
//	      from: rondo@example.com
//	      to: [ops@example.com, 'Night shift <night@example.com>']
//	      user: rondo
//	      password: ${SMTP_PASSWORD}
//
// # Encryption
//
// STARTTLS is required; `tls: implicit` is for port 465, `tls: none` must be
// said. Passwords go over TLS only (or to loopback): PLAIN where the server
// offers it, else LOGIN.
//
// # The message
//
//	multipart/alternative
//	  text/plain                      template text
//	  multipart/related               or the text/html alone
//	    text/html                     template html
//	    image/png, inline             graph of the gravest alert's expression
//
// A graph that cannot be drawn is left out: a mail without a picture at night is
// better than none.
//
// # Repetitions
//
// The Message-ID is made of the notice's key, so that a second delivery of the
// same notice is seen as such by mail stores that look at it. References names
// the group: mail programs show what is said of one group as one thread.
//
// # No header can be injected
//
// Headers are written by templates over labels that anybody may have sent: each
// is one line of printable text, encoded (RFC 2047) where it is not ASCII, and
// addresses come from the configuration alone.
package mail
