package loki

import (
	"strings"

	"rondo/syslogd/extract"
)

// parse makes labels out of the line. Nested objects of JSON join their names
// by "_".
func (r *record) parse(how string) {
	yield := func(name, value string) bool {
		if value != "" {
			r.extract(labelName(name), value)
		}
		return true
	}
	if how == "logfmt" {
		extract.Logfmt(r.line, yield)
		return
	}
	if line := strings.TrimLeft(r.line, " \t"); !strings.HasPrefix(line, "{") || !extract.JSON(line, yield) {
		r.fail("JSONParserErr", "the line is no JSON object")
	}
}

// labelName makes a name of a label: what none may hold becomes "_", and so
// goes before a digit at the beginning.
func labelName(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if i == 0 && isDigit(c) {
			b.WriteByte('_')
		}
		if !isLetter(c) && !isDigit(c) {
			c = '_'
		}
		b.WriteByte(c)
	}
	return b.String()
}
