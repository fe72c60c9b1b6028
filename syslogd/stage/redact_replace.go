package stage

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// replace replaces parts of a text, which may overlap.
func (s *redact) replace(text string, spans []span) string {
	if len(spans) == 0 {
		return text
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var b strings.Builder
	done := 0
	for i := 0; i < len(spans); {
		sp := spans[i]
		for i++; i < len(spans) && spans[i].from < sp.to; i++ {
			sp.to = max(sp.to, spans[i].to)
		}
		quote := bareQuote(text, sp)
		b.WriteString(text[done:sp.from])
		b.WriteString(quote)
		s.write(&b, text[sp.from:sp.to])
		b.WriteString(quote)
		done = sp.to
	}
	b.WriteString(text[done:])
	return b.String()
}

// write writes what stands for a secret.
func (s *redact) write(b *strings.Builder, secret string) {
	b.WriteString(s.replacement)
	if len(s.key) == 0 {
		return
	}
	h := hmac.New(sha256.New, s.key)
	_, _ = h.Write([]byte(plainest(secret))) // a hash takes all that it is given
	b.WriteByte('-')
	b.WriteString(hex.EncodeToString(h.Sum(nil)[:hashBytes]))
}

// plainest is the one form of a secret that has a hash, however it is written.
func plainest(secret string) string {
	all := forms(secret)
	shortest := slices.MinFunc(all, func(a, b string) int { return len(a) - len(b) })
	return withoutSeparators(shortest)
}

// bareQuote is the quote that a replacement needs in order to be JSON where
// the secret was a number or a list: "card":4111111111111111}
func bareQuote(text string, sp span) string {
	before := strings.TrimRight(text[:sp.from], " \t")
	after := strings.TrimLeft(text[sp.to:], " \t")
	if !strings.HasSuffix(before, `":`) || after == "" || strings.IndexByte(",}]", after[0]) < 0 {
		return ""
	}
	if strings.HasSuffix(before, `\":`) {
		return `\"`
	}
	return `"`
}
