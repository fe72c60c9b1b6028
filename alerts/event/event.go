package event

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of one event.
const (
	maxTitle  = 200 // bytes
	maxText   = 4 << 10
	maxWho    = 128
	maxLink   = 1024
	maxKey    = 256
	maxTags   = 16
	maxTag    = 64
	maxLabels = 16
	maxLabel  = 128 // name or value

	maxLasts = 366 * 24 * time.Hour // from its begin to its end
	maxAhead = 366 * 24 * time.Hour // how far in the future it may begin
)

// The tags that pages and graphs know a sign for; any other will do.
const (
	TagDeploy   = "deploy"
	TagConfig   = "config"
	TagIncident = "incident"
	TagScale    = "scale" // with one of the next two
	TagScaleOut = "scale-out"
	TagScaleIn  = "scale-in"
	TagRefresh  = "refresh"  // the rolling replacement of a group's instances
	TagInstance = "instance" // with one of the next two
	TagJoined   = "joined"
	TagLeft     = "left"
	TagFailed   = "failed" // beside another: a deploy that went wrong
)

// An Event is something that happened, at an instant or from one to another.
type Event struct {
	ID     string            `json:"id"`
	At     time.Time         `json:"at"`
	End    time.Time         `json:"end,omitzero"` // of what lasted
	Title  string            `json:"title"`
	Text   string            `json:"text,omitempty"`
	Tags   []string          `json:"tags,omitempty"`
	Labels map[string]string `json:"labels,omitempty"` // group, host, role, ...: what it is about
	Who    string            `json:"who,omitempty"`
	Link   string            `json:"link,omitempty"`

	Source  string    `json:"source"`            // how it came: api, grafana, graphite, autoscale, hook:NAME
	Key     string    `json:"key,omitempty"`     // the caller's: see the package
	Added   time.Time `json:"added"`             // by our clock
	Revised time.Time `json:"revised,omitzero"`  // by the source's clock, where it says so: older news changes nothing
	Removed bool      `json:"removed,omitempty"` // only in the store
}

// idBits is the length of an ID: a number of so many bits is exact in JSON's
// doubles, as Grafana's clients read it.
const idBits = 52

// keyID is the ID of the event that a source knows by a key.
func keyID(source, key string) string {
	sum := sha256.Sum256([]byte(source + "\x00" + key))
	return formatID(binary.BigEndian.Uint64(sum[:]))
}

func formatID(n uint64) string { return fmt.Sprintf("%013x", n&(1<<idBits-1)) }

// Number is the ID as Grafana's API writes it.
func (e *Event) Number() int64 {
	n, err := strconv.ParseInt(e.ID, 16, 64)
	if err != nil {
		return 0 // no ID of ours
	}
	return n
}

// Has says whether the event has a tag.
func (e *Event) Has(tag string) bool { return slices.Contains(e.Tags, tag) }

// Last is its end, or its instant.
func (e *Event) Last() time.Time {
	if e.End.IsZero() {
		return e.At
	}
	return e.End
}

// Within says whether it happened in a range, or lasted into it.
func (e *Event) Within(from, to time.Time) bool { return !e.At.After(to) && !e.Last().Before(from) }

// size is about what the event takes in memory and on disk.
func (e *Event) size() int {
	n := 160 + len(e.Title) + len(e.Text) + len(e.Who) + len(e.Link) + len(e.Source) + len(e.Key)
	for _, t := range e.Tags {
		n += 16 + len(t)
	}
	for k, v := range e.Labels {
		n += 48 + len(k) + len(v)
	}
	return n
}

// amended is e with what news of it says; everything that the news does not say
// stays.
func (e Event) amended(news Event) Event {
	e.Title, e.Text, e.Who, e.Link = cmp.Or(news.Title, e.Title), cmp.Or(news.Text, e.Text), cmp.Or(news.Who, e.Who), cmp.Or(news.Link, e.Link)
	if !news.At.IsZero() {
		e.At = news.At
	}
	if !news.End.IsZero() {
		e.End = news.End
	}
	if len(news.Tags) > 0 {
		e.Tags = news.Tags
	}
	if len(news.Labels) > 0 {
		e.Labels = news.Labels
	}
	if news.Revised.After(e.Revised) {
		e.Revised = news.Revised
	}
	return e
}

// same says whether two states of an event tell the same.
func (e Event) same(f Event) bool {
	return e.At.Equal(f.At) && e.End.Equal(f.End) && e.Title == f.Title && e.Text == f.Text && e.Who == f.Who && e.Link == f.Link &&
		slices.Equal(e.Tags, f.Tags) && maps.Equal(e.Labels, f.Labels) && e.Revised.Equal(f.Revised)
}

// tidy puts texts into the form in which they are compared and stored: one
// line but for the text, no blanks around, tags once.
func (e Event) tidy() Event {
	e.Title, e.Who, e.Link, e.Key = oneLine(e.Title), oneLine(e.Who), strings.TrimSpace(e.Link), strings.TrimSpace(e.Key)
	e.Text = strings.TrimSpace(strings.ToValidUTF8(e.Text, "\uFFFD"))
	var tags []string
	for _, t := range e.Tags {
		if t = oneLine(t); t != "" && !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	e.Tags = tags
	labels := make(map[string]string, len(e.Labels))
	for k, v := range e.Labels {
		if k, v = oneLine(k), oneLine(v); k != "" && v != "" {
			labels[k] = v
		}
	}
	e.Labels = nil
	if len(labels) > 0 {
		e.Labels = labels
	}
	// The store keeps milliseconds: what is read back is what was written.
	e.At, e.End, e.Revised = milli(e.At), milli(e.End), milli(e.Revised)
	return e
}

func milli(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// oneLine is a text without line breaks and control characters.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.TrimSpace(s)
}

// ErrBad is of an event that cannot be taken as it is.
var ErrBad = errors.New("event: not taken")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrBad}, args...)...)
}

// check says what is wrong with a complete event.
func (e *Event) check(now time.Time) error {
	for _, f := range []struct {
		name, text string
		most       int
	}{{"title", e.Title, maxTitle}, {"text", e.Text, maxText}, {"who", e.Who, maxWho}, {"link", e.Link, maxLink}, {"key", e.Key, maxKey}} {
		if len(f.text) > f.most {
			return bad("%s has %d bytes, at most %d", f.name, len(f.text), f.most)
		}
	}
	switch {
	case e.Title == "":
		return bad("title is missing: what happened, in a few words")
	case e.At.Year() < 1990:
		return bad("at %s: before 1990; are these milliseconds taken for seconds?", e.At.Format(time.RFC3339))
	case e.At.Sub(now) > maxAhead:
		return bad("at %s: more than a year ahead", e.At.Format(time.RFC3339))
	case !e.End.IsZero() && e.End.Before(e.At):
		return bad("it ends (%s) before it begins (%s)", e.End.Format(time.RFC3339), e.At.Format(time.RFC3339))
	case e.Last().Sub(e.At) > maxLasts:
		return bad("it lasts %v, at most a year", e.Last().Sub(e.At))
	}
	if u, err := url.Parse(e.Link); err != nil || e.Link != "" && u.Scheme != "http" && u.Scheme != "https" {
		return bad("link %q: want an address that begins with http:// or https://", e.Link)
	}
	return e.checkWords()
}

func (e *Event) checkWords() error {
	if len(e.Tags) > maxTags || len(e.Labels) > maxLabels {
		return bad("%d tags and %d labels, at most %d and %d", len(e.Tags), len(e.Labels), maxTags, maxLabels)
	}
	for _, t := range e.Tags {
		if len(t) > maxTag {
			return bad("tag %q has %d bytes, at most %d", shorten(t, 20), len(t), maxTag)
		}
	}
	for k, v := range e.Labels {
		if len(k) > maxLabel || len(v) > maxLabel {
			return bad("label %q: name and value take at most %d bytes each", shorten(k, 20), maxLabel)
		}
	}
	return nil
}

// shorten cuts a text to at most n bytes, between letters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
