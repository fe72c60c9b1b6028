package main

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decode fills dst, a pointer, from a node. What the node does not mention
// keeps its value, so that defaults are set before. A key that dst does not
// know is an error with its place and the nearest known key. All errors are
// reported, not the first alone.
func decode(n *node, dst any) error {
	var d decoder
	d.value(n, reflect.ValueOf(dst).Elem(), "")
	return errors.Join(d.errs...)
}

type decoder struct{ errs []error }

func (d *decoder) fail(at place, path, format string, args ...any) {
	if path != "" {
		path += ": "
	}
	d.errs = append(d.errs, fmt.Errorf("%s: %s%s", at, path, fmt.Sprintf(format, args...)))
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	nodeDecoder  = reflect.TypeFor[nodeUnmarshaler]()
	verbatimType = reflect.TypeFor[verbatim]()
)

// A verbatim string is a template: ${NAME} in it is its own, and not a variable
// of the environment.
type verbatim interface{ Verbatim() }

// A nodeUnmarshaler decodes its node itself. Its error names the place.
type nodeUnmarshaler interface{ unmarshalNode(n *node) error }

func (d *decoder) value(n *node, v reflect.Value, path string) {
	switch {
	case v.Kind() == reflect.String && v.Type().Implements(verbatimType) && n.shape == scalar:
		n.text = n.written // wherever it is handed on
		v.SetString(n.text)
		return
	case n.unset != nil && v.Kind() != reflect.Pointer:
		d.errs = append(d.errs, n.unset)
		return
	case reflect.PointerTo(v.Type()).Implements(nodeDecoder):
		if err := v.Addr().Interface().(nodeUnmarshaler).unmarshalNode(n); err != nil {
			d.errs = append(d.errs, err)
		}
		return
	case n.shape == empty:
		return
	case v.Kind() == reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(n, p.Elem(), path)
		v.Set(p)
		return
	case reflect.PointerTo(v.Type()).Implements(textType) && n.shape == scalar:
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.text)); err != nil {
			d.fail(n.at, path, "%s", err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

func (d *decoder) structure(n *node, v reflect.Value, path string) {
	if n.shape != mapping {
		d.fail(n.at, path, "want a mapping, found %s", n.shape)
		return
	}
	fields := map[string]reflect.Value{}
	collectFields(v, fields)
	for _, e := range n.entries {
		f, ok := fields[e.key]
		if !ok {
			d.fail(e.at, path, "unknown key %q%s", e.key, suggest(e.key, slices.Collect(maps.Keys(fields))))
			continue
		}
		d.value(e.value, f, dotted(path, e.key))
	}
}

// collectFields gathers the fields of a struct by their yaml names; a field
// tagged ",inline" lends its own.
func collectFields(v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case opts == "inline":
			collectFields(v.Field(i), into)
		case tag == "-" || !f.IsExported():
		case tag == "":
			into[strings.ToLower(f.Name)] = v.Field(i)
		default:
			into[tag] = v.Field(i)
		}
	}
}

func (d *decoder) mapping(n *node, v reflect.Value, path string) {
	if n.shape != mapping {
		d.fail(n.at, path, "want a mapping, found %s", n.shape)
		return
	}
	m := reflect.MakeMap(v.Type())
	for _, e := range n.entries {
		x := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, x, dotted(path, e.key))
		m.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), x)
	}
	v.Set(m)
}

// list decodes a list. One value where a list of values is wanted is a list
// of one.
func (d *decoder) list(n *node, v reflect.Value, path string) {
	items := n.items
	if n.shape == scalar {
		items = []*node{n}
	} else if n.shape != list {
		d.fail(n.at, path, "want a list, found %s", n.shape)
		return
	}
	s := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, it := range items {
		d.value(it, s.Index(i), itemPath(path, i, it))
	}
	v.Set(s)
}

func itemPath(path string, i int, it *node) string {
	if n := it.get("name"); n != nil {
		return fmt.Sprintf("%s[%s]", path, n.text)
	}
	return fmt.Sprintf("%s[%d]", path, i)
}

func (d *decoder) scalar(n *node, v reflect.Value, path string) {
	if n.shape != scalar {
		d.fail(n.at, path, "want %s, found %s", wanted(v), n.shape)
		return
	}
	if err := setScalar(v, n.text); err != nil {
		d.fail(n.at, path, "%q: want %s", n.text, wanted(v))
	}
}

func setScalar(v reflect.Value, text string) error {
	if v.Type() == durationType {
		x, err := parseDuration(text)
		v.SetInt(int64(x))
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		x, err := strconv.ParseBool(text)
		v.SetBool(x)
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		x, err := parseInt(text, v.Type().Bits())
		v.SetInt(x)
		return err
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		x, err := strconv.ParseUint(text, 10, v.Type().Bits())
		v.SetUint(x)
		return err
	case reflect.Float32, reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		v.SetFloat(x)
		return err
	}
	return fmt.Errorf("a %s cannot be configured", v.Type())
}

func wanted(v reflect.Value) string {
	if v.Type() == durationType {
		return "a duration such as 10s, 5m, 36h or 14d"
	}
	switch v.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number, or a size such as 64KB, 10GB"
}

// parseDuration reads Go's durations, and days and weeks.
func parseDuration(s string) (time.Duration, error) {
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if num, ok := strings.CutSuffix(s, suffix); ok {
			n, err := scaled(num, float64(unit))
			return time.Duration(n), err
		}
	}
	return time.ParseDuration(s)
}

// parseInt reads a whole number, or one with a size suffix (powers of 1000,
// or of 1024 for KiB and its like).
func parseInt(s string, bits int) (int64, error) {
	units := []struct {
		suffix string
		factor float64
	}{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	}
	for _, u := range units {
		if num, ok := strings.CutSuffix(s, u.suffix); ok {
			return scaled(strings.TrimSpace(num), u.factor)
		}
	}
	return strconv.ParseInt(s, 10, bits)
}

// scaled reads a number in a unit. What does not fit is an error.
func scaled(num string, unit float64) (int64, error) {
	n, err := strconv.ParseFloat(num, 64)
	if x := n * unit; err == nil && !(math.Abs(x) < math.MaxInt64) {
		return 0, strconv.ErrRange
	}
	return int64(n * unit), err
}

func dotted(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// suggest names what is known and nearest to a misspelt key or name.
func suggest(key string, known []string) string {
	known = slices.Sorted(slices.Values(known))
	best, distance := "", len(key)/2+2
	for _, k := range known {
		if dist := editDistance(key, k); dist < distance {
			best, distance = k, dist
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known are " + strings.Join(known, ", ")
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
