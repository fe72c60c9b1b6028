package stage

import "strings"

// Lengths of the numbers of payment cards (ISO/IEC 7812).
const (
	minCard = 13
	maxCard = 19
)

// findCards finds the numbers of payment cards: 13 to 19 digits that begin as
// numbers of that length do and have the right check digit (Luhn), in one piece or in
// groups of four, or of 4, 6 and 4 or 5, with the same blank, "-" or "+"
// between them.
//
// A number covers at least one of every minCard places, so that most of a text
// is never looked at.
func findCards(dst []span, s string) []span {
	for i := minCard - 1; i < len(s); i += minCard {
		if !isCardByte(s[i]) {
			continue
		}
		from, to := i, i+1
		for from > 0 && isCardByte(s[from-1]) {
			from--
		}
		for to < len(s) && isCardByte(s[to]) {
			to++
		}
		if to-from >= minCard {
			dst = cardsIn(dst, s, from, to)
		}
		i = to
	}
	return dst
}

func isCardByte(c byte) bool { return isDigit(c) || isSeparator(c) }
func isSeparator(c byte) bool {
	return c == ' ' || c == '-' || c == '+'
}

// cardsIn finds the numbers in a run of digits and separators.
func cardsIn(dst []span, s string, from, to int) []span {
	for from < to {
		if isSeparator(s[from]) {
			from++
			continue
		}
		end := cardEnd(s, from, to)
		if end > 0 {
			dst = append(dst, span{from, end})
			from = end
			continue
		}
		from = digitsEnd(s, from, to)
	}
	return dst
}

func digitsEnd(s string, i, to int) int {
	for i < to && isDigit(s[i]) {
		i++
	}
	return i
}

// cardEnd is where the longest number ends that begins with the group of
// digits at i, or 0.
func cardEnd(s string, i, to int) int {
	end := digitsEnd(s, i, to)
	if end-i != 4 {
		if isCard(s[i:end]) {
			return end
		}
		return 0
	}
	longest := 0
	shape := []byte{'4'} // lengths of the groups, in digits
	for groups := 1; groups < 5 && end+1 < to && s[end] == s[i+4]; groups++ {
		next := digitsEnd(s, end+1, to)
		shape = append(shape, '0'+byte(min(next-end-1, 9)))
		if end = next; isCardShape(string(shape)) && isCard(s[i:end]) {
			longest = end
		}
	}
	return longest
}

func isCardShape(shape string) bool {
	switch shape {
	case "465", "464", "4441", "4442", "4443", "4444", "44441", "44442", "44443":
		return true
	}
	return false
}

// isCard reports whether the digits of s are the number of a card. Long numbers
// that are none are frequent, in hexadecimal identifiers above all: one in ten
// has the right check digit by chance.
func isCard(s string) bool {
	n, sum := 0, 0
	for i := len(s) - 1; i >= 0; i-- {
		if !isDigit(s[i]) {
			continue
		}
		d := int(s[i] - '0')
		if n%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		n++
	}
	return sum%10 == 0 && isIssued(s, n)
}

// isIssued reports whether some issuer has numbers of so many digits that begin
// like s.
func isIssued(s string, digits int) bool {
	two := s[:min(2, len(s))]
	switch digits {
	case 13:
		return s[0] == '4' // Visa, formerly
	case 14:
		return two == "30" || two == "36" || two == "38" || two == "39" // Diners
	case 15:
		return two == "34" || two == "37" // American Express
	case 16:
		return s[0] >= '4' && s[0] <= '6' || two >= "22" && two <= "27" || two >= "35" && two <= "39" || two == "30"
	case 17, 18, maxCard:
		return s[0] == '4' || two == "50" || two >= "56" && s[0] <= '6' // Visa, Maestro, UnionPay
	}
	return false
}

// withoutSeparators makes one spelling of all of a card's number.
func withoutSeparators(s string) string {
	for i := range len(s) {
		if !isCardByte(s[i]) {
			return s
		}
	}
	if !isCard(s) {
		return s
	}
	return strings.NewReplacer(" ", "", "-", "", "+", "").Replace(s)
}
