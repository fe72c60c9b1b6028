package extract

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oracle is what encoding/json makes of the object that a text begins with, as
// a tree: the last of members that are called alike.
func oracle(text string) (map[string]string, bool) {
	begin := strings.IndexByte(text, '{')
	if begin < 0 {
		return nil, false
	}
	var object map[string]json.RawMessage
	if json.NewDecoder(strings.NewReader(text[begin:])).Decode(&object) != nil {
		return nil, false
	}
	values := map[string]string{}
	flatten(object, "", 1, values)
	return values, true
}

func flatten(object map[string]json.RawMessage, prefix string, depth int, into map[string]string) {
	for name, raw := range object {
		var s string
		var inner map[string]json.RawMessage
		switch {
		case string(raw) == "null":
		case raw[0] == '"' && json.Unmarshal(raw, &s) == nil:
			into[prefix+name] = s
		case raw[0] == '{' && depth < MaxDepth && json.Unmarshal(raw, &inner) == nil:
			flatten(inner, prefix+name+".", depth+1, into)
		default:
			into[prefix+name] = string(raw)
		}
	}
}

// FuzzJSON holds JSON equal to encoding/json, wherever names occur once.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{"user":"ann","req":{"ms":7.50,"ok":true},"l":[1, {"a":[]}],"n":null}`, `x {"a":"b\n\u00e9\ud83d\ude00","":-1E-7} y`,
		`{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":1}}}}}}}}}`, "{\"a\":\"\xff\x01\"}", `{"a":1,}`, `{"a" 1}`, ` { } `, `{"a":1}{"b":2}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, ok := oracle(text)
		got, n := map[string]string{}, 0
		if is := JSON(text, func(name, value string) bool {
			got[name] = value
			n++
			return true
		}); is != ok {
			if strings.Count(text, "[")+strings.Count(text, "{") > maxNesting {
				return // we nest less deep
			}
			t.Fatalf("%q: %v, encoding/json says %v", text, is, ok)
		}
		if !ok || len(got) != n || n == MaxFields || len(want) != n {
			return // members that are called alike
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	text := `{"level":"info","msg":"order placed","order":"A-104711","user_id":815,"duration_ms":17.3,"items":3,"total":104.95,"region":"eu-central-1"}`
	b.ReportAllocs()
	for b.Loop() {
		JSON(text, func(string, string) bool { return true })
	}
}
