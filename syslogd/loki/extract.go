package loki

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// parse makes labels out of the line.
func (r *record) parse(how string) {
	if how == "logfmt" {
		r.parseLogfmt(r.line)
		return
	}
	if err := r.parseJSON(r.line); err != nil {
		r.fail("JSONParserErr", err.Error())
	}
}

// maxNesting of a JSON line; what lies deeper is left out.
const maxNesting = 32

// parseJSON makes a label of each value of an object. Nested objects join the
// names by "_"; lists are left out.
func (r *record) parseJSON(line string) error {
	dec := json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	t, err := dec.Token()
	if err != nil || t != json.Delim('{') {
		return errors.New("the line is no JSON object")
	}
	if err := r.parseObject(dec, "", 1); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// parseObject reads the rest of an object.
func (r *record) parseObject(dec *json.Decoder, prefix string, depth int) error {
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name := prefix + labelName(t.(string), prefix == "") // a key is always a string
		if t, err = dec.Token(); err != nil {
			return err
		}
		switch t := t.(type) {
		case json.Delim:
			if t == '{' && depth < maxNesting {
				err = r.parseObject(dec, name+"_", depth+1)
			} else {
				err = skipJSON(dec)
			}
		case string:
			r.extract(name, t)
		case json.Number:
			r.extract(name, t.String())
		case bool:
			r.extract(name, strconv.FormatBool(t))
		}
		if err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// skipJSON passes over the rest of a list or an object.
func skipJSON(dec *json.Decoder) error {
	for depth := 1; depth > 0; {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

// labelName makes a name of a label: what none may hold becomes "_", and so
// goes before a digit at the beginning.
func labelName(s string, first bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if i == 0 && first && isDigit(c) {
			b.WriteByte('_')
		}
		if !isLetter(c) && !isDigit(c) {
			c = '_'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// parseLogfmt makes labels of key=value and key="va lue". What is none of these
// is passed over.
func (r *record) parseLogfmt(line string) {
	for i := 0; i < len(line); {
		start := i
		for i < len(line) && line[i] > ' ' && line[i] != '=' {
			i++
		}
		name := line[start:i]
		if i == len(line) || line[i] != '=' {
			i++ // a word, or a blank
			continue
		}
		value, end := logfmtValue(line, i+1)
		if i = end; name != "" && value != "" {
			r.extract(labelName(name, true), value)
		}
	}
}

// logfmtValue reads the value at i, and returns where it ends.
func logfmtValue(line string, i int) (string, int) {
	if i < len(line) && line[i] == '"' {
		for end := i + 1; end < len(line); end++ {
			if line[end] == '\\' {
				end++
			} else if line[end] == '"' {
				raw := line[i : end+1]
				if s, err := strconv.Unquote(raw); err == nil {
					return s, end + 1
				}
				return raw[1 : len(raw)-1], end + 1
			}
		}
	}
	end := i
	for end < len(line) && line[end] > ' ' {
		end++
	}
	return line[i:end], end
}
