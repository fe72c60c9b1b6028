package autoscale

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts/state"
)

func openTestJournal(t *testing.T, s state.Store) (*Journal, []Entry, error) {
	t.Helper()
	c := DefaultConfig()
	c.Keep = 1000
	log, err := OpenLog(s, c)
	if err != nil {
		t.Fatal(err)
	}
	return OpenJournal(log)
}

func TestJournalReadsWhatItWrote(t *testing.T) {
	t.Parallel()
	store := state.NewMemory()
	j, entries, err := openTestJournal(t, store)
	if err != nil || len(entries) != 0 {
		t.Fatal(entries, err)
	}
	var want []Entry
	for n := range 5 {
		e, err := j.Append(t.Context(), Entry{
			At: time.Now(), Group: "web", Kind: KindLaunch, Attempt: strings.Repeat("a", n), Text: "bad \xff utf-8 <&>",
			Decision: &Decision{ID: "x", Points: []Point{{Time: time.Now().UTC().Round(0), Value: 1.5}}}, Launch: &Launch{Count: n, Tags: map[string]string{"a": "b"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		e.Text = strings.ToValidUTF8(e.Text, "\ufffd") // as JSON keeps it
		want = append(want, e)
	}
	again, got, err := openTestJournal(t, store)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if again.Seq() != 5 || again.Hash() != want[4].Hash {
		t.Errorf("continues at %d, %s", again.Seq(), again.Hash())
	}
}

func TestJournalChain(t *testing.T) {
	t.Parallel()
	f := func(what, text string, damage func(*state.Journal) error) {
		t.Helper()
		store := state.NewMemory()
		j, _, err := openTestJournal(t, store)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			if _, err := j.Append(t.Context(), Entry{Kind: KindStop, Group: "web", Text: "ops"}); err != nil {
				t.Fatal(err)
			}
		}
		raw, err := state.OpenJournal(store, "autoscale", 1000)
		if err != nil {
			t.Fatal(err)
		}
		if err := damage(raw); err != nil {
			t.Fatal(err)
		}
		j, entries, err := openTestJournal(t, store)
		if j == nil || !errors.Is(err, ErrChain) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, %d entries; want ErrChain with %q", what, err, len(entries), text)
		}
	}
	ctx := context.Background()
	record := func(raw *state.Journal, seq uint64) []byte {
		for r := range raw.After(seq - 1) {
			return r.Value
		}
		return nil
	}
	f("changed", "record 2: journal's chain is broken: entry 2 does not have the hash", func(raw *state.Journal) error {
		return raw.Replace(ctx, 2, []byte(strings.Replace(string(record(raw, 2)), "ops", "eve", 1)))
	})
	f("replaced by another", "entry 1 of", func(raw *state.Journal) error {
		return raw.Replace(ctx, 3, record(raw, 1))
	})
	f("no JSON", "record 4", func(raw *state.Journal) error { return raw.Replace(ctx, 4, []byte("garbage")) })
	f("appended from outside", "record 5", func(raw *state.Journal) error {
		_, err := raw.Append(ctx, record(raw, 2))
		return err
	})
}

// FuzzEntry: whatever is in a record with a right hash, reading and applying
// it does not fail worse than with an error.
func FuzzEntry(f *testing.F) {
	for _, e := range []Entry{
		{Kind: KindStop, Text: "ops"},
		{Kind: KindLaunch, Attempt: "a", Decision: &Decision{ID: "a"}, Launch: &Launch{Count: 2}},
		{Kind: KindOutcome, Attempt: "a", Instances: []string{"i-1"}, Failure: NoRoom},
		{Kind: KindSnapshot, State: newMemory()},
		{Kind: KindHeard, Instances: []string{"i-1"}, Boot: &Boot{Image: "ami-1", Seconds: 94}},
		{Kind: KindReclaim, Instances: []string{"i-1"}},
	} {
		record, _, err := e.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(record[hashLen+1:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		e, err := decodeEntry(slices.Concat([]byte(hex.EncodeToString(sum[:])), []byte(" "), body))
		if err != nil {
			return
		}
		m := newMemory()
		m.apply(Entry{Kind: KindLaunch, Attempt: "a", Decision: &Decision{ID: "a", Direction: Out}, Launch: &Launch{Count: 2}})
		m.apply(e)
		m.apply(Entry{Kind: KindOutcome, Attempt: "a", Instances: []string{"i-1"}})
	})
}

// TestSnapshotKeepsEveryField: what a memory has, it has after a snapshot that
// was written and read back.
func TestSnapshotKeepsEveryField(t *testing.T) {
	t.Parallel()
	m := newMemory()
	launch := Entry{Kind: KindLaunch, Decision: &Decision{ID: "d"}, Launch: &Launch{Template: Template{Image: "ami-1"}}}
	m.apply(launch)
	all := reflect.ValueOf(m).Elem()
	for i := range all.NumField() {
		if f := all.Field(i); f.Type() != reflect.TypeFor[*Entry]() {
			fill(f)
		}
	}
	j, _, err := openTestJournal(t, state.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(t.Context(), Entry{Kind: KindSnapshot, State: m}); err != nil {
		t.Fatal(err)
	}
	back := newMemory()
	for e := range j.entries(0) {
		back.merge(e.State)
	}
	for i := range all.NumField() {
		before, _ := json.Marshal(all.Field(i).Interface())
		after, _ := json.Marshal(reflect.ValueOf(back).Elem().Field(i).Interface())
		if all.Field(i).IsZero() || string(before) != string(after) {
			t.Errorf("%s: %s, after the snapshot %s", all.Type().Field(i).Name, before, after)
		}
	}
}

// fill puts something into every field, of a map or list into one element.
func fill(v reflect.Value) {
	switch v.Addr().Interface().(type) {
	case *time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
		return
	case *Cron:
		_ = v.Addr().Interface().(*Cron).UnmarshalText([]byte("0 8 * * mon-fri"))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		element := reflect.New(v.Type().Elem()).Elem()
		fill(element)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k").Convert(v.Type().Key()), element)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint64:
		v.SetUint(3)
	case reflect.Float64:
		v.SetFloat(1.5)
	default:
	}
}
