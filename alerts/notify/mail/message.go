package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"rondo/alerts/notify"
	"rondo/alerts/notify/text"
)

// reserved are the headers that are made here.
const reserved = " Date From To Cc Bcc Subject Message-Id References In-Reply-To Mime-Version Content-Type Content-Transfer-Encoding Auto-Submitted Sender Return-Path "

func ownHeader(name string) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == ':' || r > '~' }) {
		return fmt.Errorf("headers: %q cannot be sent", name)
	}
	if strings.Contains(reserved, " "+textproto.CanonicalMIMEHeaderKey(name)+" ") {
		return fmt.Errorf("headers: %s is made by rondo", name)
	}
	return nil
}

// message is a whole mail. The same notice makes the same Message-ID, Date and
// boundaries: a repetition differs in nothing but its picture.
func (s *Sender) message(n notify.Notice, png []byte) ([]byte, error) {
	d := text.Of(n)
	words, err := s.templates.text.Execute(d, maxText)
	if err != nil {
		return nil, err
	}
	html, err := s.templates.html.Execute(d, maxText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := s.header(&b, n, d); err != nil {
		return nil, err
	}
	alternative := multipart.NewWriter(&b)
	err = errors.Join(
		alternative.SetBoundary(s.id(n.Key, "alternative")),
		field(&b, "Content-Type", "multipart/alternative; boundary="+alternative.Boundary()),
		line(&b, ""),
		quoted(alternative, "text/plain; charset=utf-8", words),
		s.pictured(alternative, n, html, png),
		alternative.Close(),
	)
	return b.Bytes(), err
}

func (s *Sender) header(b *bytes.Buffer, n notify.Notice, d text.Data) error {
	subject, err := s.templates.subject.Line(d, maxSubject)
	if err != nil {
		return err
	}
	to := make([]string, len(s.to))
	for i, a := range s.to {
		to[i] = a.String()
	}
	domain := s.domain()
	errs := []error{
		field(b, "Date", n.At.Format(time.RFC1123Z)),
		field(b, "From", s.from.String()),
		field(b, "To", strings.Join(to, ",\r\n ")),
		field(b, "Subject", encode(subject)),
		field(b, "Message-ID", "<"+s.id(n.Key, "message")+"@"+domain+">"),
		field(b, "References", "<"+s.id(n.GroupKey, "group")+"@"+domain+">"),
		field(b, "MIME-Version", "1.0"),
		field(b, "Auto-Submitted", "auto-generated"),
	}
	for _, name := range slices.Sorted(maps.Keys(s.templates.headers)) {
		v, err := s.templates.headers[name].Line(d, maxSubject)
		if errs = append(errs, err); v != "" {
			errs = append(errs, field(b, name, encode(v)))
		}
	}
	return errors.Join(errs...)
}

// id is the same for the same receiver and text, and for no other.
func (s *Sender) id(of, what string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(what+"\x00"+strings.Join(s.config.To, "\x00")+"\x00"+of)))[:32]
}

func (s *Sender) domain() string {
	_, domain, _ := strings.Cut(s.from.Address, "@")
	return domain
}

// encode writes a header's text in ASCII, in pieces that a line can hold. What
// is ASCII already stays readable; control characters are gone.
func encode(v string) string {
	v = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, v)
	return strings.ReplaceAll(mime.QEncoding.Encode("utf-8", v), "?= =?", "?=\r\n =?")
}

func field(w io.Writer, name, value string) error { return line(w, name+": "+value) }

func line(w io.Writer, s string) error {
	_, err := io.WriteString(w, s+"\r\n")
	return err
}

func quoted(parent *multipart.Writer, kind, body string) error {
	p, err := parent.CreatePart(textproto.MIMEHeader{"Content-Type": {kind}, "Content-Transfer-Encoding": {"quoted-printable"}})
	if err != nil {
		return err
	}
	q := quotedprintable.NewWriter(p)
	_, err = io.WriteString(q, body)
	return errors.Join(err, q.Close())
}

// pictured writes the HTML, with the picture that belongs to it.
func (s *Sender) pictured(parent *multipart.Writer, n notify.Notice, html string, png []byte) error {
	const kind = "text/html; charset=utf-8"
	if len(png) == 0 {
		return quoted(parent, kind, html)
	}
	cid := s.id(n.Key, "graph") + "@" + s.domain()
	picture := `<p><img alt="graph" src="cid:` + cid + `"></p>`
	if i := strings.LastIndex(html, "</body>"); i >= 0 {
		html = html[:i] + picture + html[i:]
	} else {
		html += picture
	}
	boundary := s.id(n.Key, "related")
	p, err := parent.CreatePart(textproto.MIMEHeader{"Content-Type": {`multipart/related; type="text/html"; boundary=` + boundary}})
	if err != nil {
		return err
	}
	related := multipart.NewWriter(p)
	return errors.Join(
		related.SetBoundary(boundary),
		quoted(related, kind, html),
		attach(related, cid, png),
		related.Close(),
	)
}

func attach(parent *multipart.Writer, cid string, png []byte) error {
	p, err := parent.CreatePart(textproto.MIMEHeader{
		"Content-Type": {`image/png; name="graph.png"`}, "Content-Disposition": {`inline; filename="graph.png"`},
		"Content-Id": {"<" + cid + ">"}, "Content-Transfer-Encoding": {"base64"},
	})
	if err != nil {
		return err
	}
	const lineBytes = 57 // 76 characters (RFC 2045, 6.8)
	for part := range slices.Chunk(png, lineBytes) {
		if err := line(p, base64.StdEncoding.EncodeToString(part)); err != nil {
			return err
		}
	}
	return nil
}
