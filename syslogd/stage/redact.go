package stage

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// RedactConfig replaces secrets in all that is kept of a message: the line as
// received, its text, its header and its structured data.
type RedactConfig struct {
	// Patterns are credit-card, aws-key, password, email and ipv4, as the
	// comment of the package tells. Without any, and without Regexes, the first
	// three.
	Patterns []string `yaml:"patterns"`
	// Regexes are expressions of one's own (RE2): their groups are secrets, or
	// all of a match where there is none.
	Regexes []string `yaml:"regexes"`
	// Replacement stands in the place of a secret: printable ASCII that has no
	// meaning in JSON, URLs and structured data. REDACTED
	Replacement string `yaml:"replacement"`
	// HashKey, of 16 bytes or more, adds 64 bits of HMAC-SHA-256 to the
	// replacement, REDACTED-8c7dd922ad47494f: equal secrets can be told to be
	// equal, and nobody without the key can try out what they are. It belongs
	// into the environment: ${REDACT_KEY}.
	HashKey string `yaml:"hash_key"`
}

const (
	defaultReplacement = "REDACTED"
	minHashKey         = 16
	hashBytes          = 8
	// maxSecrets and maxWork bound the work that one message makes, since each
	// secret is looked for in each field: one with more loses all of its text.
	maxSecrets = 256
	fewSecrets = 16      // may be in a message of any length
	maxWork    = 4 << 20 // secrets, times bytes of the line
	// shortSecret is how long a secret must be to be a secret in the middle of
	// a word, too.
	shortSecret = 4
)

// A finder finds secrets of one kind.
type finder struct {
	// find appends where in a text they are.
	find func(dst []span, s string) []span
	// exact says that the first view in which a secret is seen to begin at a
	// place shows where it ends, too: what is written around it, such as quotes,
	// loses its meaning together with its escapes.
	exact bool
	// far says that it looks farther than to the next blank: it may find
	// something in a part of a text and nothing in the whole.
	far   bool
	least int  // no text that is shorter has such a secret
	aws   bool // it finds nothing that the pattern password does not
}

// A span is a part of a text.
type span struct{ from, to int }

func patterns() []string { return []string{"credit-card", "aws-key", "password", "email", "ipv4"} }

// findersOf are those of a pattern; none if there is no such pattern.
func findersOf(pattern string) []finder {
	switch pattern {
	case "credit-card":
		return []finder{{find: findCards, least: minCard}}
	case "aws-key":
		return []finder{{find: findAccessKeys, least: accessKeyLength}, {find: findAWSValues, exact: true, aws: true}, {find: findSecretKeys, least: secretKeyLength}}
	case "password":
		return []finder{
			{find: findValues, exact: true, least: len("pw=x")}, {find: findOptions, exact: true, least: len("--pw x")},
			{find: findBearers, least: len(bearer) + bearerLength}, {find: findUserinfo, exact: true, least: len("a://:b@")},
		}
	case "email":
		return []finder{{find: findEmails, least: len("a@b.cc")}}
	case "ipv4":
		return []finder{{find: findIPv4, least: len("1.1.1.1")}}
	}
	return nil
}

type redact struct {
	finders     []finder
	far         bool // one of them is
	replacement string
	key         []byte // nil: no hash
}

func (c *RedactConfig) build() (stage, error) {
	s := &redact{replacement: c.Replacement, key: []byte(c.HashKey)}
	names := c.Patterns
	if len(names) == 0 && len(c.Regexes) == 0 {
		names = patterns()[:3]
	}
	var errs []error
	for _, name := range names {
		f := findersOf(name)
		if f == nil {
			errs = append(errs, fmt.Errorf("patterns: %w", unknown(name, patterns())))
		}
		s.finders = append(s.finders, f...)
	}
	if slices.Contains(names, "password") { // it finds those of AWS, too
		s.finders = slices.DeleteFunc(s.finders, func(f finder) bool { return f.aws })
	}
	for i, expr := range c.Regexes {
		f, err := regexFinder(expr)
		errs = append(errs, within(fmt.Sprintf("regexes: %d", i+1), err))
		s.finders = append(s.finders, f)
		s.far = true
	}
	if s.replacement == "" {
		s.replacement = defaultReplacement
	}
	if !isReplacement(s.replacement) {
		errs = append(errs, fmt.Errorf(`replacement: %q: want letters, digits and any of - _ . * # < > ( ), up to 64`, c.Replacement))
	}
	if len(s.key) > 0 && len(s.key) < minHashKey {
		errs = append(errs, fmt.Errorf("hash_key: %d bytes are less than %d", len(s.key), minHashKey))
	}
	return s, errors.Join(errs...)
}

func isReplacement(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && strings.IndexByte("-_.*#<>()", s[i]) < 0 {
			return false
		}
	}
	return len(s) <= 64
}

func isAlnum(c byte) bool { return isLetter(c) || isDigit(c) }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLetter(c byte) bool {
	c |= 'a' - 'A'
	return 'a' <= c && c <= 'z'
}

// finds are the secrets of one message.
type finds struct {
	spans   [fieldCount][]span // where
	secrets []string           // what: all forms
	scratch []span
	starts  []int // in one field, of those that are exact
}

func (f *finds) reset() {
	for i := range f.spans {
		f.spans[i] = f.spans[i][:0]
	}
	clear(f.secrets)
	f.secrets = f.secrets[:0]
}

// apply looks at each field by itself first. What it finds in one, it then
// looks for in all: what shows that something is a secret may stand in one
// field, and the secret in another, or the same with other escapes.
func (s *redact) apply(_ time.Time, w *work) verdict {
	f := &w.finds
	fields := texts(&w.m)
	found := false
	for i, field := range fields {
		seen := i > 0 && !found && standsIn(w.m.Raw, *field)
		found = s.search(f, i, *field, seen) || found
	}
	if !found {
		return unchanged
	}
	defer f.reset()
	if n := len(f.secrets); n > maxSecrets || n > fewSecrets && n*len(w.m.Raw) > maxWork {
		for _, field := range fields {
			if *field != "" {
				*field = s.replacement
			}
		}
		w.m.SD = ""
		return changed
	}
	for i, field := range fields {
		f.spread(i, *field)
		*field = s.replace(*field, f.spans[i])
	}
	return changed
}

// standsIn reports whether a field is part of the line with a blank on either
// side, and long enough to make it worth while to know.
func standsIn(raw, field string) bool {
	const short = 16
	if len(field) < short {
		return false
	}
	if at := len(raw) - len(field); at > 0 && raw[at:] == field {
		return raw[at-1] == ' '
	}
	at := strings.Index(raw, field)
	end := at + len(field)
	return at > 0 && raw[at-1] == ' ' && end < len(raw) && raw[end] == ' '
}

// search finds the secrets of a field, in each of its views. Of one that has
// been seen, as part of another, only what looks far needs to be searched.
func (s *redact) search(f *finds, field int, text string, seen bool) (found bool) {
	if text == "" || seen && !s.far {
		return false
	}
	f.starts = f.starts[:0]
	for v := range views(text) {
		if len(f.secrets) > maxSecrets {
			break
		}
		before := f.starts
		for i := range s.finders {
			if len(v.text) < s.finders[i].least || seen && !s.finders[i].far {
				continue
			}
			f.scratch = s.finders[i].find(f.scratch[:0], v.text)
			for _, sp := range f.scratch {
				if len(f.secrets) > maxSecrets {
					break
				}
				found = s.take(f, field, v, sp, s.finders[i].exact, before) || found
			}
		}
		slices.Sort(f.starts)
	}
	return found
}

// take notes one secret. An exact one that begins where one did before is none.
func (s *redact) take(f *finds, field int, v view, sp span, exact bool, before []int) bool {
	secret, origin := v.text[sp.from:sp.to], v.origin(sp)
	if s.harmless(secret) {
		return false
	}
	if exact {
		if _, is := slices.BinarySearch(before, origin.from); is {
			return false
		}
		f.starts = append(f.starts, origin.from)
	}
	f.spans[field] = append(f.spans[field], origin)
	for _, form := range forms(secret) {
		f.add(form)
	}
	return true
}

func (f *finds) add(secret string) {
	if len(f.secrets) > maxSecrets || len(secret) < shortSecret && !strings.ContainsFunc(secret, isAlnumRune) {
		return
	}
	if !slices.Contains(f.secrets, secret) {
		f.secrets = append(f.secrets, secret)
	}
}

func isAlnumRune(r rune) bool { return r >= 0x80 || isAlnum(byte(r)) }

// harmless tells what stands where secrets do and is none: what we have put
// there before, and that there is nothing.
func (s *redact) harmless(secret string) bool {
	rest, ours := strings.CutPrefix(secret, s.replacement)
	if ours && (rest == "" || len(s.key) > 0 && isHash(rest)) {
		return true
	}
	if len(secret) <= len("false") {
		switch strings.ToLower(secret) {
		case "", "null", "nil", "none", "true", "false":
			return true
		}
	}
	return strings.Trim(secret, "*") == ""
}

func isHash(s string) bool {
	if len(s) != 1+2*hashBytes || s[0] != '-' {
		return false
	}
	_, err := hex.DecodeString(s[1:])
	return err == nil
}

// spread finds the secrets of all fields in one of them.
func (f *finds) spread(field int, text string) {
	if text == "" {
		return
	}
	for v := range views(text) {
		for _, secret := range f.secrets {
			for at := 0; ; {
				i := strings.Index(v.text[at:], secret)
				if i < 0 {
					break
				}
				sp := span{at + i, at + i + len(secret)}
				at = sp.to
				if len(secret) >= shortSecret || sp.isWord(v.text) {
					f.spans[field] = append(f.spans[field], v.origin(sp))
				}
			}
		}
	}
}

// isWord reports whether no letter and no digit stands beside a part of s.
func (sp span) isWord(s string) bool {
	return (sp.from == 0 || !isAlnum(s[sp.from-1])) && (sp.to == len(s) || !isAlnum(s[sp.to]))
}
