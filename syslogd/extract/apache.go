package extract

import "strings"

// Apache yields the values of a line of Apache's access log, in the common or
// the combined format, with or without a virtual host in front. nginx's format
// combined is the same.
//
//	[www.example.com:443 ]10.0.0.7 - ann [11/Oct/2026:22:14:15 +0200] "GET /a?b HTTP/1.1" 200 17 "https://x/" "curl/8" rest
//	vhost                 client ident user time             method path protocol status bytes referer agent rest
//
// "-" means that there is none, and yields nothing. A request that is not of
// three parts is yielded as request. It reports whether the line is such a
// one; all up to bytes must be there.
func Apache(text string, yield Yield) bool {
	var values [len(apacheNames)]string
	if !splitApache(text, &values) {
		return false
	}
	yield = bounded(yield)
	for i, v := range values {
		if v != "" && v != "-" && !yield(apacheNames[i], v) {
			break
		}
	}
	return true
}

const (
	apacheVhost = iota
	apacheClient
	apacheIdent
	apacheUser
	apacheTime
	apacheMethod
	apachePath
	apacheProtocol
	apacheRequest
	apacheStatus
	apacheBytes
	apacheReferer
	apacheAgent
	apacheRest
	apacheFields
)

// The table is never written.
var apacheNames = [apacheFields]string{
	"vhost", "client", "ident", "user", "time", "method", "path", "protocol", "request",
	"status", "bytes", "referer", "agent", "rest",
}

func splitApache(text string, v *[apacheFields]string) bool {
	head, rest, ok := strings.Cut(text, " [")
	if !ok {
		return false
	}
	if !splitApacheHead(head, v) {
		return false
	}
	if v[apacheTime], rest, ok = strings.Cut(rest, "] "); !ok {
		return false
	}
	request, rest, ok := apacheQuoted(rest)
	if !ok {
		return false
	}
	splitRequest(request, v)
	v[apacheStatus], rest, _ = strings.Cut(strings.TrimPrefix(rest, " "), " ")
	v[apacheBytes], rest, _ = strings.Cut(rest, " ")
	if !isNumber(v[apacheStatus]) || v[apacheBytes] != "-" && !isNumber(v[apacheBytes]) {
		return false
	}
	if referer, after, ok := apacheQuoted(rest); ok {
		if agent, after, ok := apacheQuoted(strings.TrimPrefix(after, " ")); ok {
			v[apacheReferer], v[apacheAgent], rest = referer, agent, after
		}
	}
	v[apacheRest] = strings.TrimPrefix(rest, " ")
	return true
}

// splitApacheHead reads [vhost] client ident user. A user name may hold blanks.
func splitApacheHead(head string, v *[apacheFields]string) bool {
	parts := strings.SplitN(head, " ", 4)
	if len(parts) < 3 {
		return false
	}
	if len(parts) == 4 && parts[2] == "-" && parts[1] != "-" {
		v[apacheVhost], parts = parts[0], parts[1:]
	}
	v[apacheClient], v[apacheIdent] = parts[0], parts[1]
	v[apacheUser] = strings.Join(parts[2:], " ")
	return true
}

func splitRequest(request string, v *[apacheFields]string) {
	method, rest, ok := strings.Cut(request, " ")
	last := strings.LastIndexByte(rest, ' ')
	if !ok || last < 0 {
		v[apacheRequest] = request
		return
	}
	v[apacheMethod], v[apachePath], v[apacheProtocol] = method, rest[:last], rest[last+1:]
}

// apacheQuoted cuts a value in double quotes off s. Of its escapes, \" and \\
// are undone; others, such as \x0a, stay.
func apacheQuoted(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", s, false
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return unescapeApache(s[1:i]), s[i+1:], true
		}
	}
	return "", s, false
}

func unescapeApache(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s)
}

func isNumber(s string) bool { return s != "" && digits(s, 0) == len(s) }
