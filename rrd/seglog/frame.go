package seglog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

const (
	magic      = "rondolog"
	version    = 1
	headerSize = 16
	frameSize  = 8 // in front of each record's data
	suffix     = ".log"
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// appendHeader appends a segment's header.
func appendHeader(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, version)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli()))
}

// checkHeader refuses a segment of a version that we do not know. A header
// that is merely damaged is let pass: the frames' checksums decide.
func checkHeader(b []byte) error {
	if len(b) < headerSize || string(b[:8]) != magic || crc32.Checksum(b[:12], castagnoli()) != binary.LittleEndian.Uint32(b[12:]) {
		return nil
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != version {
		return fmt.Errorf("format version %d, this program knows %d", v, version)
	}
	return nil
}

// appendFrame appends the frame of a record that will stand at pos.
func appendFrame(dst []byte, pos Pos, data []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(data))<<32)
	dst = append(dst, data...)
	binary.LittleEndian.PutUint32(dst[at:], checksum(pos, dst[at+4:]))
	return dst
}

// checksum is over a frame without its checksum. Different positions give
// different sums, since a CRC is a bijection of what it begins with.
func checksum(pos Pos, lengthAndData []byte) uint32 {
	return crc32.Update(start(pos), castagnoli(), lengthAndData)
}

// start is what the checksum of the frame at pos begins with.
func start(pos Pos) uint32 { return uint32(pos) ^ uint32(pos>>32) }

// frame splits a frame's first bytes.
func frame(b []byte) (crc, length uint32) {
	return binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
}

func segmentName(base Pos) string { return fmt.Sprintf("%016x%s", uint64(base), suffix) }

func parseSegmentName(name string) (Pos, bool) {
	hex, ok := strings.CutSuffix(name, suffix)
	if !ok || len(hex) != 16 {
		return 0, false
	}
	base, err := strconv.ParseUint(hex, 16, 64)
	return Pos(base), err == nil && segmentName(Pos(base)) == name
}
