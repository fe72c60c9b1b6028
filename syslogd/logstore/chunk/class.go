package chunk

// The classes of the bytes that tokens are made of; all other bytes are 0.
// The union is what the filter language calls a word (filter.Tokens).
const (
	digit    = 1
	hexLower = 2
	hexUpper = 4
	other    = 8
	hexBoth  = hexLower | hexUpper
)

// The tables are never written.
var (
	classes = byteClasses()
	powers  = powersOfTen()
	// firstCode[w] is the code of w zeros: digit strings of one width follow
	// those of all smaller widths, so that the code keeps leading zeros.
	firstCode = digitCodes()
)

// maxDigits is the longest digit string whose code fits in 64 bits.
const maxDigits = 17

func byteClasses() (t [256]byte) {
	for c := range t {
		switch {
		case c >= '0' && c <= '9':
			t[c] = digit
		case c >= 'a' && c <= 'f':
			t[c] = hexLower
		case c >= 'A' && c <= 'F':
			t[c] = hexUpper
		case c >= 'g' && c <= 'z', c >= 'G' && c <= 'Z', c == '_', c >= 0x80:
			t[c] = other
		}
	}
	return t
}

func powersOfTen() (t [20]uint64) {
	t[0] = 1
	for i := 1; i < len(t); i++ {
		t[i] = t[i-1] * 10
	}
	return t
}

func digitCodes() (t [maxDigits + 2]uint64) {
	for w := 1; w < len(t); w++ {
		t[w] = t[w-1] + powers[w-1]
	}
	return t
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// number is the value of a string of at most 18 digits.
func number(s string) uint64 {
	var v uint64
	for i := range len(s) {
		v = v*10 + uint64(s[i]-'0')
	}
	return v
}

// twoDigits is the value of the first two bytes, -1 if they are no digits.
func twoDigits(s string) int {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		return -1
	}
	return int(a)*10 + int(b)
}

// appendDigits writes v with exactly w digits, cutting the upper ones.
func appendDigits(dst []byte, v uint64, w int) []byte {
	n := len(dst)
	for range w {
		dst = append(dst, '0')
	}
	for i := n + w - 1; i >= n; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}

// hexValue reads at most 16 hexadecimal digits.
func hexValue(s string) uint64 {
	var v uint64
	for i := range len(s) {
		c := s[i]
		if c <= '9' {
			v = v<<4 | uint64(c-'0')
		} else {
			v = v<<4 | uint64(c|0x20-'a'+10)
		}
	}
	return v
}

// appendHex writes v with exactly w hexadecimal digits.
func appendHex(dst []byte, v uint64, w int, digits string) []byte {
	for i := w - 1; i >= 0; i-- {
		dst = append(dst, digits[v>>(4*i)&15])
	}
	return dst
}
