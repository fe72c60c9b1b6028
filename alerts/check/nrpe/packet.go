package nrpe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The types of packets.
const (
	Query    = 1
	Response = 2
)

// Bounds of packets, in bytes.
const (
	size2   = 1036 // of a packet of version 2
	text2   = 1024 // of its text
	header  = 16   // before the text of version 3 and 4
	tail3   = 3    // after the text of version 3
	MaxText = 64 << 10
)

// Errors of packets that callers may test for.
var (
	ErrChecksum = errors.New("nrpe: checksum of the packet is wrong")
	ErrPacket   = errors.New("nrpe: not a packet of NRPE 2, 3 or 4")
)

// A Packet is a query or a response.
type Packet struct {
	Version int // 2, 3 or 4
	Type    int
	Result  int // exit code of a response
	Text    string
}

// Append appends the packet's bytes. It fails where the text is too long for
// the version, or holds a NUL, which would end it.
func (p Packet) Append(b []byte) ([]byte, error) {
	most := MaxText - 1
	if p.Version == 2 {
		most = text2 - 1
	}
	switch {
	case p.Version < 2 || p.Version > 4:
		return nil, fmt.Errorf("%w: version %d", ErrPacket, p.Version)
	case len(p.Text) > most:
		return nil, fmt.Errorf("nrpe: %d bytes are too many for version %d: at most %d", len(p.Text), p.Version, most)
	case bytes.IndexByte([]byte(p.Text), 0) >= 0:
		return nil, fmt.Errorf("%w: there is a NUL in the text", ErrPacket)
	}
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, uint16(p.Version))
	b = binary.BigEndian.AppendUint16(b, uint16(p.Type))
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(p.Result))
	end := size2
	if p.Version > 2 {
		b = binary.BigEndian.AppendUint32(append(b, 0, 0), uint32(len(p.Text)+1))
		end = header + len(p.Text) + 1 + tailOf(p.Version)
	}
	b = append(b, p.Text...)
	b = append(b, make([]byte, start+end-len(b))...)
	binary.BigEndian.PutUint32(b[start+4:], crc32.ChecksumIEEE(b[start:]))
	return b, nil
}

func tailOf(version int) int {
	if version == 3 {
		return tail3
	}
	return 0
}

// Read reads one packet, and not a byte more.
func Read(r io.Reader) (Packet, error) {
	b := make([]byte, header)
	if _, err := io.ReadFull(r, b); err != nil {
		return Packet{}, fmt.Errorf("nrpe: read: %w", err)
	}
	p := Packet{
		Version: int(binary.BigEndian.Uint16(b)), Type: int(binary.BigEndian.Uint16(b[2:])),
		Result: int(int16(binary.BigEndian.Uint16(b[8:]))),
	}
	text, rest := 10, size2-header
	if p.Version != 2 {
		text = header
		n := binary.BigEndian.Uint32(b[12:])
		if p.Version < 2 || p.Version > 4 || n > MaxText {
			return p, fmt.Errorf("%w: version %d, %d bytes of text", ErrPacket, p.Version, n)
		}
		rest = int(n) + tailOf(p.Version)
	}
	b = append(b, make([]byte, rest)...)
	if _, err := io.ReadFull(r, b[header:]); err != nil {
		return p, fmt.Errorf("nrpe: read: %w", err)
	}
	sum := binary.BigEndian.Uint32(b[4:])
	clear(b[4:8])
	if crc32.ChecksumIEEE(b) != sum {
		return p, ErrChecksum
	}
	said, _, _ := bytes.Cut(b[text:], []byte{0})
	if p.Version == 2 {
		said = said[:min(len(said), text2)]
	}
	p.Text = string(said)
	return p, nil
}
