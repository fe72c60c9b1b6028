package extract

import (
	"bytes"
	"encoding/json"
	"strings"
)

// JSON yields the fields of the object that the text is, or that begins in it
// at the first brace. Names of nested objects are joined by dots; lists stay
// JSON; null yields nothing. It reports whether there was an object.
func JSON(text string, yield Yield) bool {
	begin := strings.IndexByte(text, '{')
	if begin < 0 {
		return false
	}
	dec := json.NewDecoder(strings.NewReader(text[begin:]))
	var object json.RawMessage
	if dec.Decode(&object) != nil {
		return false
	}
	eachMember(object, "", 1, bounded(yield))
	return true
}

// eachMember yields the members of one object; false if nobody wants more.
func eachMember(raw json.RawMessage, prefix string, depth int, yield Yield) bool {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil { // the brace
		return true
	}
	for dec.More() {
		key, err := dec.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return true
		}
		var v json.RawMessage
		if dec.Decode(&v) != nil {
			return true
		}
		if !member(prefix+name, v, depth, yield) {
			return false
		}
	}
	return true
}

func member(name string, v json.RawMessage, depth int, yield Yield) bool {
	switch v[0] {
	case 'n':
		return true
	case '{':
		if depth < MaxDepth {
			return eachMember(v, name+".", depth+1, yield)
		}
	case '"':
		var s string
		if json.Unmarshal(v, &s) == nil {
			return yield(name, s)
		}
	}
	return yield(name, string(v))
}
