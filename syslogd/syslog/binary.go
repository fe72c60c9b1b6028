package syslog

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"time"
)

// The binary form of a message, of which logs and queues are made:
//
//	message  | flags 1 | format 1 | facility 1 | severity 1 | received varint, ms since a base |
//	         | time varint ns, if flagTime | sender string | raw string | host app pid msgid sd text |
//	string   | length uvarint | bytes |
//	field    | 0: empty | or | 1 | string | or | 2 + where it begins in raw uvarint | length uvarint |
//
// Times are Unix times. Fields are parts of the line nearly always, so that a
// message takes little more room than its line.
const (
	flagPRI = 1 << iota
	flagTime
	flagTruncated
)

const (
	fieldEmpty = iota
	fieldApart
	fieldInRaw
)

// AppendBinary appends the binary form of m. Its reception is kept to the
// millisecond and counted from base, in Unix milliseconds: that of the message
// before it makes it short. Zones are not kept, nor is a time that 64 bits of
// nanoseconds cannot tell.
func AppendBinary(dst []byte, m *Message, base int64) []byte {
	var flags byte
	if m.HasPRI {
		flags |= flagPRI
	}
	at := m.Time.UnixNano()
	if time.Unix(0, at).Equal(m.Time) {
		flags |= flagTime
	}
	if m.Truncated {
		flags |= flagTruncated
	}
	dst = append(dst, flags, byte(m.Format), byte(m.Facility), byte(m.Severity))
	dst = binary.AppendVarint(dst, m.Received.UnixMilli()-base)
	if flags&flagTime != 0 {
		dst = binary.AppendVarint(dst, at)
	}
	n := len(dst)
	dst = append(dst, 0)
	if out, err := m.Sender.AppendBinary(dst); err == nil && len(out)-n-1 < 128 {
		dst = out
		dst[n] = byte(len(dst) - n - 1)
	}
	dst = AppendBinaryString(dst, m.Raw)
	end := 0
	for _, f := range m.fields() {
		dst, end = appendBinaryField(dst, m.Raw, *f, end)
	}
	return dst
}

// appendBinaryField writes where a field lies in the line; at is where the
// last one ended. The first place is as good as any.
func appendBinaryField(dst []byte, raw, v string, at int) ([]byte, int) {
	if v == "" {
		return append(dst, fieldEmpty), at
	}
	i := strings.Index(raw[at:], v)
	if i < 0 {
		return AppendBinaryString(append(dst, fieldApart), v), at
	}
	i += at
	dst = binary.AppendUvarint(dst, uint64(i)+fieldInRaw)
	return binary.AppendUvarint(dst, uint64(len(v))), i + len(v)
}

// AppendBinaryString appends a string behind its length.
func AppendBinaryString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// ErrBinary is the error of a BinaryReader: what it reads is cut short, or was
// never written by AppendBinary and the like.
var ErrBinary = errors.New("syslog: bad binary form")

// A BinaryReader reads messages, and what stands beside them, from their binary
// form. It trusts nothing. After the first mistake all that it returns is
// empty; Err says so, and need be asked only at the end. It allocates nothing:
// the strings that it returns are parts of the one that it reads.
type BinaryReader struct {
	rest string
	bad  bool
}

// NewBinaryReader reads from s.
func NewBinaryReader(s string) *BinaryReader { return &BinaryReader{rest: s} }

// Len is how many bytes are left.
func (r *BinaryReader) Len() int { return len(r.rest) }

// Rest is what is left.
func (r *BinaryReader) Rest() string { return r.rest }

// Err is ErrBinary after a mistake.
func (r *BinaryReader) Err() error {
	if r.bad {
		return ErrBinary
	}
	return nil
}

func (r *BinaryReader) fail() { r.bad, r.rest = true, "" }

// Uvarint reads what binary.AppendUvarint wrote.
func (r *BinaryReader) Uvarint() uint64 {
	var v uint64
	for i := range min(len(r.rest), binary.MaxVarintLen64) {
		c := r.rest[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c >= 0x80 {
			continue
		}
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break // more than 64 bits
		}
		r.rest = r.rest[i+1:]
		return v
	}
	r.fail()
	return 0
}

// Varint reads what binary.AppendVarint wrote.
func (r *BinaryReader) Varint() int64 {
	v := r.Uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// Byte reads one byte.
func (r *BinaryReader) Byte() byte {
	if b := r.take(1); b != "" {
		return b[0]
	}
	return 0
}

// String reads what AppendBinaryString wrote.
func (r *BinaryReader) String() string { return r.take(r.Uvarint()) }

func (r *BinaryReader) take(n uint64) string {
	if n > uint64(len(r.rest)) {
		r.fail()
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// Message reads what AppendBinary wrote with the same base, into m, and returns
// the reception in Unix milliseconds: the base of the next one, if the writer
// did it so.
func (r *BinaryReader) Message(m *Message, base int64) int64 {
	flags := r.Byte()
	*m = Message{HasPRI: flags&flagPRI != 0, Truncated: flags&flagTruncated != 0}
	m.Format, m.Facility, m.Severity = Format(r.Byte()), Facility(r.Byte()), Severity(r.Byte())
	base += r.Varint()
	m.Received = time.UnixMilli(base).UTC()
	if flags&flagTime != 0 {
		m.Time = time.Unix(0, r.Varint()).UTC()
	}
	m.Sender = r.sender()
	m.Raw = r.String()
	for _, f := range m.fields() {
		*f = r.field(m.Raw)
	}
	return base
}

// sender reads an address as netip.Addr.AppendBinary writes it: 4 bytes, or 16
// and a zone.
func (r *BinaryReader) sender() (a netip.Addr) {
	b := r.take(uint64(r.Byte()))
	switch {
	case b == "":
		return a
	case len(b) == 4:
		return netip.AddrFrom4([4]byte([]byte(b)))
	case len(b) < 16:
		r.fail()
		return a
	}
	a = netip.AddrFrom16([16]byte([]byte(b[:16])))
	if zone := b[16:]; zone != "" {
		a = a.WithZone(zone)
	}
	return a
}

func (r *BinaryReader) field(raw string) string {
	switch at := r.Uvarint(); at {
	case fieldEmpty:
		return ""
	case fieldApart:
		return r.String()
	default:
		at -= fieldInRaw
		end := at + r.Uvarint()
		if end < at || end > uint64(len(raw)) {
			r.fail()
			return ""
		}
		return raw[at:end]
	}
}
