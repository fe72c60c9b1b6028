package extract

import (
	"encoding/json"
	"strings"
)

// JSON yields the fields of the object that the text is, or that begins in it
// at the first brace. Names of nested objects are joined by dots; lists stay
// JSON; null yields nothing. It reports whether there was an object.
//
// The text is checked to the end of the object before anything is yielded, and
// then cut up: no tree is built, and of strings without escapes no copy.
func JSON(text string, yield Yield) bool {
	begin := strings.IndexByte(text, '{')
	if begin < 0 {
		return false
	}
	text = text[begin:]
	end := valueEnd(text, 0, 0)
	if end < 0 {
		return false
	}
	eachMember(text[:end], "", 1, bounded(yield))
	return true
}

// eachMember yields the members of one object, which is well formed; false if
// nobody wants more.
func eachMember(object, prefix string, depth int, yield Yield) bool {
	i := skipSpace(object, 1)
	for object[i] != '}' {
		end := stringEnd(object, i)
		name := unquote(object[i:end])
		i = skipSpace(object, skipSpace(object, end)+1) // the colon
		end = valueEnd(object, i, 0)
		if !member(prefix+name, object[i:end], depth, yield) {
			return false
		}
		if i = skipSpace(object, end); object[i] == ',' {
			i = skipSpace(object, i+1)
		}
	}
	return true
}

func member(name, v string, depth int, yield Yield) bool {
	switch v[0] {
	case 'n':
		return true
	case '{':
		if depth < MaxDepth {
			return eachMember(v, name+".", depth+1, yield)
		}
	case '"':
		return yield(name, unquote(v))
	}
	return yield(name, v)
}

// unquote returns the value of a string that is well formed.
func unquote(quoted string) string {
	plain := quoted[1 : len(quoted)-1]
	for i := range len(plain) {
		if c := plain[i]; c == '\\' || c >= 0x80 { // perhaps no UTF-8
			var s string
			if json.Unmarshal([]byte(quoted), &s) == nil {
				return s
			}
			break
		}
	}
	return plain
}
