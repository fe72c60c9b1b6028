package tail

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is how the characters of a file are written. A byte order mark at
// the beginning of a file wins over it, and is no part of the text.
type Encoding string

// The encodings.
const (
	UTF8        Encoding = "utf-8" // bytes that are no UTF-8 are left as they are
	Latin1      Encoding = "latin1"
	Windows1252 Encoding = "windows-1252"
	UTF16LE     Encoding = "utf-16le"
	UTF16BE     Encoding = "utf-16be"
	UTF16       Encoding = "utf-16" // little endian without a byte order mark
)

// canonical is the one name of an encoding that has several.
func (e Encoding) canonical() (Encoding, error) {
	switch Encoding(strings.ToLower(string(e))) {
	case "", UTF8, "utf8", "ascii", "us-ascii":
		return UTF8, nil
	case Latin1, "latin-1", "iso-8859-1":
		return Latin1, nil
	case Windows1252, "cp1252":
		return Windows1252, nil
	case UTF16LE, UTF16, "utf16", "utf16le":
		return UTF16LE, nil
	case UTF16BE, "utf16be":
		return UTF16BE, nil
	}
	return e, fmt.Errorf("encoding: %q is none of %s, %s, %s, %s, %s", e, UTF8, Latin1, Windows1252, UTF16LE, UTF16BE)
}

// byMark is the encoding that the beginning of a file tells, and the length of
// its byte order mark.
func (e Encoding) byMark(head []byte) (Encoding, int) {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return UTF8, 3
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return UTF16LE, 2
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return UTF16BE, 2
	}
	return e, 0
}

// wide reports whether a character has two bytes at least.
func (e Encoding) wide() bool { return e == UTF16LE || e == UTF16BE }

// lineEnd returns the length of the first line of data with its end, or 0.
// Data begins with a whole character.
func (e Encoding) lineEnd(data []byte) int {
	if !e.wide() {
		return bytes.IndexByte(data, '\n') + 1
	}
	for from := 0; ; {
		i := bytes.IndexByte(data[from:], '\n')
		if i < 0 {
			return 0
		}
		i += from
		even := i &^ 1
		if even+1 >= len(data) {
			return 0
		}
		if e.unit(data[even:]) == '\n' {
			return even + 2
		}
		from = i + 1
	}
}

// unit reads two bytes.
func (e Encoding) unit(b []byte) uint16 {
	if e == UTF16LE {
		return uint16(b[0]) | uint16(b[1])<<8
	}
	return uint16(b[0])<<8 | uint16(b[1])
}

// whole is the largest n <= most at which data can be cut between characters.
// It is never 0 where most is not less than the longest character.
func (e Encoding) whole(data []byte, most int) int {
	most = min(most, len(data))
	switch e {
	case UTF8:
		for n := most; n > most-utf8.UTFMax && n > 0; n-- {
			if n == len(data) || utf8.RuneStart(data[n]) {
				return n
			}
		}
	case UTF16LE, UTF16BE:
		most &^= 1
		if most > 2 && utf16.IsSurrogate(rune(e.unit(data[most-2:]))) && e.unit(data[most-2:]) < 0xdc00 {
			return most - 2
		}
	}
	return most
}

// appendText appends data as UTF-8.
func (e Encoding) appendText(dst, data []byte) []byte {
	switch e {
	case Latin1:
		for _, c := range data {
			dst = utf8.AppendRune(dst, rune(c))
		}
	case Windows1252:
		for _, c := range data {
			r := rune(c)
			if 0x80 <= c && c < 0xa0 {
				r = windows1252[c-0x80]
			}
			dst = utf8.AppendRune(dst, r)
		}
	case UTF16LE, UTF16BE:
		return e.appendWide(dst, data)
	default:
		return append(dst, data...)
	}
	return dst
}

// appendWide turns half a pair, and half a unit, into U+FFFD.
func (e Encoding) appendWide(dst, data []byte) []byte {
	for len(data) >= 2 {
		r := rune(e.unit(data))
		data = data[2:]
		if utf16.IsSurrogate(r) {
			var low rune
			if len(data) >= 2 {
				low = rune(e.unit(data))
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				data = data[2:]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	if len(data) > 0 {
		dst = utf8.AppendRune(dst, utf8.RuneError)
	}
	return dst
}

// windows1252 are the characters 0x80 to 0x9f, where it differs from Latin 1
// (https://encoding.spec.whatwg.org/index-windows-1252.txt).
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ',
}
