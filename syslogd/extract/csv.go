package extract

import "strings"

// CSV yields the columns of one record by name, in order: values between
// separators, of which those in double quotes may hold separators, line ends
// and doubled quotes (RFC 4180). Columns without a name are passed over, and so
// is what stands behind the last. It reports whether the text is such a record:
// one without any separator has one column only.
func CSV(text string, comma byte, columns []string, yield Yield) bool {
	yield = bounded(yield)
	if len(columns) == 0 || len(columns) > 1 && strings.IndexByte(text, comma) < 0 {
		return false
	}
	for _, name := range columns {
		value, rest, more := csvField(text, comma)
		if name != "" && !yield(name, value) || !more {
			return true
		}
		text = rest
	}
	return true
}

// csvField cuts a value off a record; more says that a separator followed. A
// quote that is not closed, or that something follows, is an ordinary one.
func csvField(s string, comma byte) (value, rest string, more bool) {
	if strings.HasPrefix(s, `"`) {
		for i := 1; i < len(s); i++ {
			if s[i] != '"' {
				continue
			}
			if i+1 < len(s) && s[i+1] == '"' {
				i++
				continue
			}
			if i+1 == len(s) || s[i+1] == comma {
				value = strings.ReplaceAll(s[1:i], `""`, `"`)
				return value, s[min(i+2, len(s)):], i+1 < len(s)
			}
			break
		}
	}
	return strings.Cut(s, string(rune(comma)))
}
