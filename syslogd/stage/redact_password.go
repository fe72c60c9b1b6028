package stage

import "strings"

// findValues finds passwords and tokens by their names:
//
//	password=hunter2  DB_PASSWORD: 'hunter2'  {"apiKey":"x"}  [x@1 pwd="hunter2"]
//	Authorization: Basic dXNlcjpwYXNz
func findValues(dst []span, s string) []span { return findNamed(dst, s, isSecretName) }

// isSecretName goes by the end of a name, and looks at its last letter first.
// Names are compared without case, "_", "-" and ".": X-Api-Key ends with
// apikey. "pass", "pwd" and "pw" are ends of other words: they count alone, or
// behind one that has ended.
func isSecretName(name string) bool {
	if name == "" {
		return false
	}
	switch name[len(name)-1] | 0x20 {
	case 'd':
		return endsWith(name, "password") || endsWith(name, "passwd") || endsWithWord(name, "pwd")
	case 'e':
		return endsWith(name, "passphrase") || endsWith(name, "passcode")
	case 't':
		return endsWith(name, "secret")
	case 'n':
		return endsWith(name, "token") || isAuthorization(name)
	case 'y':
		return endsWith(name, "apikey") || endsWith(name, "accesskey") || endsWith(name, "secretkey") || endsWith(name, "privatekey")
	case 'l':
		return endsWith(name, "credential")
	case 's':
		return endsWith(name, "credentials") || endsWithWord(name, "pass")
	case 'w':
		return endsWithWord(name, "pw")
	}
	return false
}

func isAuthorization(name string) bool { return endsWith(name, "authorization") }

// endsWith compares from the end, which almost always differs at once.
func endsWith(name, lower string) bool {
	j := len(lower)
	for i := len(name) - 1; i >= 0 && j > 0; i-- {
		switch c := name[i]; {
		case c == '_' || c == '-' || c == '.':
		case c == lower[j-1] || c|0x20 == lower[j-1] && isLetter(c):
			j--
		default:
			return false
		}
	}
	return j == 0
}

func endsWithWord(name, lower string) bool {
	at := len(name) - len(lower)
	if at < 0 || !strings.EqualFold(name[at:], lower) {
		return false
	}
	return at == 0 || !isAlnum(name[at-1]) || 'A' <= name[at] && name[at] <= 'Z' && 'a' <= name[at-1] && name[at-1] <= 'z'
}

// findNamed finds the values of names that is accepts, behind "=" or ":".
func findNamed(dst []span, s string, is func(name string) bool) []span {
	equals, colon := -1, -1
	known := 0 // where the last value without quotes ended
	for i := 0; i < len(s); i++ {
		if equals < i {
			equals = indexFrom(s, '=', i)
		}
		if colon < i {
			colon = indexFrom(s, ':', i)
		}
		if i = min(equals, colon); i == len(s) {
			break
		}
		name, quoted := nameBefore(s, i)
		if name == "" || !is(name) {
			continue
		}
		sp, bare := valueAfter(s, i, quoted, isAuthorization(name), known)
		switch {
		case sp.to <= sp.from, name == "PWD" && s[sp.from] == '/': // sudo's: a directory
			continue
		case bare: // another name may stand in it: password: token=hunter2
			known = sp.to
		default:
			i = sp.to - 1
		}
		dst = append(dst, sp)
	}
	return dst
}

// indexFrom is the index of c in s from i on, or len(s).
func indexFrom(s string, c byte, i int) int {
	if n := strings.IndexByte(s[i:], c); n >= 0 {
		return i + n
	}
	return len(s)
}

// nameBefore is the name that ends before i, and whether it is in quotes.
func nameBefore(s string, i int) (name string, quoted bool) {
	for i > 0 && (s[i-1] == ' ' || s[i-1] == '\t') {
		i--
	}
	if i > 0 && (s[i-1] == '"' || s[i-1] == '\'') {
		i--
		quoted = true
	}
	const longest = 64 // of which the end decides
	from := i
	for from > 0 && i-from < longest && isNameByte(s[from-1]) {
		from--
	}
	return s[from:i], quoted
}

func isNameByte(c byte) bool { return isAlnum(c) || c == '_' || c == '-' || c == '.' }

// valueAfter is the value behind the separator at i, and whether it is bare: not
// in quotes or brackets. In JSON, where names are in quotes, brackets and commas
// end such a one. One that begins before the end of the last one ends with it.
func valueAfter(s string, i int, json, authorization bool, known int) (sp span, bare bool) {
	sep := s[i]
	i++
	if i < len(s) && (sep == '=' && s[i] == '>' || s[i] == '=') { // => := ==
		i++
	}
	i = skipBlanks(s, i)
	switch {
	case i == len(s) || strings.HasPrefix(s[i:], `\"`): // escapes are another view's
		return span{}, false
	case isQuote(s[i]):
		return span{i + 1, quoteEnd(s, i)}, false
	case json && (s[i] == '[' || s[i] == '{'):
		return span{i, bracketEnd(s, i)}, false
	case i < known:
		return span{i, known}, true
	}
	end := wordEnd(s, i, json)
	if authorization && isScheme(s[i:end]) {
		if next := skipBlanks(s, end); next < len(s) {
			return span{next, wordEnd(s, next, json)}, true
		}
	}
	return span{i, end}, true
}

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

func skipBlanks(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	return i
}

// quoteEnd is where the quote that begins at i ends, or the end of s.
func quoteEnd(s string, i int) int {
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case '\\':
			j++
		case s[i]:
			return j
		}
	}
	return len(s)
}

// bracketEnd is behind the bracket that closes the one at i, or the end of s.
func bracketEnd(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '"':
			i = quoteEnd(s, i)
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// wordEnd is where a value without quotes ends that begins at i.
func wordEnd(s string, i int, json bool) int {
	from := i
	for ; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\r', '"', '\'', '`':
			return trimBracket(s, from, i)
		case '\\':
			if i+1 < len(s) && s[i+1] == '"' {
				return trimBracket(s, from, i)
			}
		case ',', ';', '|', '&':
			if json || endsList(s[i+1:]) {
				return trimBracket(s, from, i)
			}
		case '}', ']':
			if json {
				return i
			}
		}
	}
	return trimBracket(s, from, i)
}

// endsList reports whether a separator of lists ends a value: when a blank
// follows it, or another name. Otherwise it may be part of a password.
func endsList(s string) bool {
	n := 0
	for n < len(s) && isNameByte(s[n]) {
		n++
	}
	if n == 0 {
		return s == "" || strings.IndexByte(" \t\r\n\"'", s[0]) >= 0
	}
	return n < len(s) && (s[n] == '=' || s[n] == ':')
}

// trimBracket leaves out a bracket at the end that was opened before the value.
func trimBracket(s string, from, to int) int {
	if to-from > 1 {
		if i := strings.IndexByte(")]}>", s[to-1]); i >= 0 && strings.IndexByte(s[from:to], "([{<"[i]) < 0 {
			return to - 1
		}
	}
	return to
}

// isScheme knows what stands before the secret in a header.
func isScheme(word string) bool {
	if len(word) > len("negotiate") {
		return false
	}
	switch strings.ToLower(word) {
	case "basic", "bearer", "digest", "token", "negotiate", "apikey", "ntlm":
		return true
	}
	return false
}

// findOptions finds what follows --password and its like on a command line.
func findOptions(dst []span, s string) []span {
	for at := 0; ; {
		i := strings.Index(s[at:], "--")
		if i < 0 {
			return dst
		}
		from := at + i + 2
		for at = from; at < len(s) && isNameByte(s[at]); at++ {
		}
		if at == len(s) || s[at] != ' ' || !isSecretName(s[from:at]) {
			continue
		}
		switch value := skipBlanks(s, at); {
		case value == len(s) || s[value] == '-':
		case isQuote(s[value]):
			dst = append(dst, span{value + 1, quoteEnd(s, value)})
		default:
			dst = append(dst, span{value, wordEnd(s, value, false)})
		}
	}
}

const (
	bearer       = "bearer "
	bearerLength = 8 // "bearer of bad news" has no token
)

// findBearers finds tokens of OAuth (RFC 6750).
func findBearers(dst []span, s string) []span {
	return findBearer(findBearer(dst, s, 'B'), s, 'b')
}

func findBearer(dst []span, s string, first byte) []span {
	for i := 0; ; {
		if i = indexFrom(s, first, i); i+len(bearer) > len(s) {
			return dst
		}
		from := i + len(bearer)
		if !strings.EqualFold(s[i:from], bearer) {
			i++
			continue
		}
		for i = from; i < len(s) && isTokenByte(s[i]); i++ {
		}
		if i-from >= bearerLength {
			dst = append(dst, span{from, i})
		}
	}
}

func isTokenByte(c byte) bool { return isBase64(c) || strings.IndexByte("-._~=", c) >= 0 }

// findUserinfo finds passwords in URLs, and user names there that are tokens.
func findUserinfo(dst []span, s string) []span {
	const tokenLength = 20
	for at := 0; ; {
		i := strings.Index(s[at:], "://")
		if i < 0 {
			return dst
		}
		at += i + 3
		end := at + authorityLength(s[at:])
		host := strings.LastIndexByte(s[at:end], '@')
		if host < 0 {
			continue
		}
		host += at
		user := indexFrom(s[:host], ':', at)
		if user-at >= tokenLength {
			dst = append(dst, span{at, user})
		}
		if user+1 < host {
			dst = append(dst, span{user + 1, host})
		}
		at = end
	}
}

func authorityLength(s string) int {
	if n := strings.IndexAny(s, "/?# \t\r\n\"'<>`"); n >= 0 {
		return n
	}
	return len(s)
}
