package autoscale

import (
	"cmp"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Setting is one value of a group's configuration, named as in the file.
type Setting struct {
	Name  string `json:"name"` // such as out.above
	Value string `json:"value"`
}

// public is the group without what may be secret: user data is told by its hash
// alone, so that a change of it is seen.
func (g Group) public() Group {
	g.Launch.UserData = hashed(g.Launch.UserData)
	return g
}

// hashed tells a secret by its hash; what is one already stays.
func hashed(secret string) string {
	const prefix = "sha256:"
	if secret == "" || strings.HasPrefix(secret, prefix) {
		return secret
	}
	sum := sha256.Sum256([]byte(secret))
	return prefix + hex.EncodeToString(sum[:8])
}

// Digest names a configuration: two that differ anywhere have different ones.
func (g Group) Digest() string {
	sum := sha256.New()
	for _, s := range g.Settings() {
		fmt.Fprintf(sum, "%s=%q\n", s.Name, s.Value)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}

// A Difference is a setting that is not the same in two configurations; "" where
// one has none.
type Difference struct {
	Name string `json:"name"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

func (d Difference) String() string {
	return fmt.Sprintf("%s %s -> %s", d.Name, cmp.Or(d.Old, "(none)"), cmp.Or(d.New, "(none)"))
}

// Differences lists what changes from one configuration to another.
func Differences(old, new Group) (out []Difference) {
	before, after := old.Settings(), new.Settings()
	find := func(in []Setting, name string) (value string, found bool) {
		i := slices.IndexFunc(in, func(s Setting) bool { return s.Name == name })
		if i < 0 {
			return "", false
		}
		return in[i].Value, true
	}
	for _, s := range before {
		if v, found := find(after, s.Name); !found || v != s.Value {
			out = append(out, Difference{s.Name, s.Value, v})
		}
	}
	for _, s := range after {
		if _, found := find(before, s.Name); !found {
			out = append(out, Difference{s.Name, "", s.Value})
		}
	}
	return out
}

// Settings lists all that the group is configured with, defaults included, in
// the order of the fields. Empty values are left out.
func (g Group) Settings() []Setting {
	return appendSettings(nil, "", reflect.ValueOf(g.public()))
}

// appendSettings walks through a configuration by its yaml tags.
func appendSettings(dst []Setting, name string, v reflect.Value) []Setting {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return dst
		}
		v = v.Elem()
	}
	if text, plain := settingText(v); plain {
		if v.IsZero() {
			return dst
		}
		return append(dst, Setting{name, text})
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			if v.Type().Field(i).IsExported() && tag != "-" {
				dst = appendSettings(dst, strings.TrimPrefix(name+"."+tag, "."), v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			dst = appendSettings(dst, fmt.Sprintf("%s[%d]", name, i), v.Index(i))
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		for _, k := range keys {
			dst = appendSettings(dst, fmt.Sprintf("%s.%v", name, k), v.MapIndex(k))
		}
	default:
	}
	return dst
}

// settingText writes a value that has no parts.
func settingText(v reflect.Value) (text string, plain bool) {
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String(), true
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		return string(b), err == nil
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), true
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), true
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), true
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64), true
	default:
		return "", false
	}
}
