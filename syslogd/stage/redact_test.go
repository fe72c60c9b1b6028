package stage

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func TestRedact(t *testing.T) {
	all := pipe(t, Config{Redact: &RedactConfig{Patterns: patterns()}})
	f := func(text, want string) {
		t.Helper()
		m := apply(all, "<13>Oct 11 22:14:15 h app: "+text)[0]
		if got := strings.ReplaceAll(m.Text, "REDACTED", "#"); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
		if want := "<13>Oct 11 22:14:15 h app: " + m.Text; m.Raw != want {
			t.Errorf("raw\n got %s\nwant %s", m.Raw, want)
		}
	}
	// Cards.
	f("paid with 4111111111111111.", "paid with #.")
	f("card 4111 1111 1111 1111 and 5500-0000-0000-0004", "card # and #")
	f("amex 3782 822463 10005 diners 3056 930902 5904", "amex # diners #")
	f("77 4111 1111 1111 1111 22", "77 # 22")
	f("no card: 4111111111111112, at 1791234567890123456, 12345678901234", "no card: 4111111111111112, at 1791234567890123456, 12345678901234")
	f("id 41111111111111110000000000", "id 41111111111111110000000000")
	f("4111%201111%201111%201111", "#")
	f(`{"n":4111111111111111,"s":"4111111111111111"}`, `{"n":"#","s":"#"}`)
	f(`{"body":"{\"n\":4111111111111111}"}`, `{"body":"{\"n\":\"#\"}"}`)
	// AWS.
	f("key "+accessKey+" used", "key # used")
	f("ASIAIOSFODNN7EXAMPLE/20261011/eu-central-1", "#/20261011/eu-central-1")
	f("AKIAX is no key, nor XAKIAIOSFODNN7EXAMPLE", "AKIAX is no key, nor XAKIAIOSFODNN7EXAMPLE")
	f("aws_secret_access_key = "+secretKey, "aws_secret_access_key = #")
	f("export AWS_SESSION_TOKEN=FwoGZXIvYXdzEB", "export AWS_SESSION_TOKEN=#")
	f("leaked "+secretKey+" here", "leaked # here")
	f("commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12")
	// Passwords.
	f("login user=ann password=hunter2 ok=1", "login user=ann password=# ok=1")
	f("a=1,passwd=hun,ter2,b=2; pwd: x;y", "a=1,passwd=#,b=2; pwd: #")
	f(`DB_PASSWORD="hun \"ter\" 2" next`, `DB_PASSWORD="#" next`)
	f(`dbPass='hunter2' compass=north`, `dbPass='#' compass=north`)
	f(`{"user":"ann","apiKey":"hunter2","x":{"Password": "a b"}}`, `{"user":"ann","apiKey":"#","x":{"Password": "#"}}`)
	f(`{"token":null,"secret":true,"password":["hunter2","hunter3"],"pin":1}`, `{"token":null,"secret":true,"password":"#","pin":1}`)
	f(`{"log":"{\"password\":\"hunter2\"}"}`, `{"log":"{\"password\":\"#\"}"}`)
	f(`{"pass\u0077ord":"hunter2"}`, `{"pass\u0077ord":"#"}`)
	f("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic #")
	f(`curl -H "X-Api-Key: hunter2" -H 'Authorization: Bearer eyJhbGciOi.x-y_z'`, `curl -H "X-Api-Key: #" -H 'Authorization: Bearer #'`)
	f("got bearer eyJhbGciOi.x-y_z, the bearer of news", "got bearer #, the bearer of news")
	f("GET /a?token=hunter2&b=1 HTTP/1.1", "GET /a?token=#&b=1 HTTP/1.1")
	f("postgres://ann:hun%40ter2@db:5432/x and redis://:hunter2@r", "postgres://ann:#@db:5432/x and redis://:#@r")
	f("https://ghp_0123456789abcdefghij@github.com/x https://git@github.com", "https://#/x https://#")
	f("COMMAND=/usr/bin/mysql --user ann --password hunter2 db", "COMMAND=/usr/bin/mysql --user ann --password # db")
	f(":password=>'hunter2', password := hunter3", ":password=>'#', password := #")
	f("password=hunter2 was wrong: hunter2", "password=# was wrong: #")
	f("TTY=pts/0 ; PWD=/home/alice ; COMMAND=/bin/ls; PWD=x pwd=/x1y2", "TTY=pts/0 ; PWD=/home/alice ; COMMAND=/bin/ls; PWD=# pwd=#")
	f("password changed, password: ", "password changed, password: ")
	f("password=***** token=null", "password=***** token=null")
	f("Failed password for ann from port 22", "Failed password for ann from port 22")
	// Addresses.
	f("to=<ann.b+c@mail.example.com>, from bob@localhost", "to=<#>, from bob@localhost")
	f("email=ann%40example.com.", "email=#.")
	f("10.0.0.1:22 to 192.168.255.255. v1.2.3 300.1.1.1 10.0.0.1.443 > x", "#:22 to #. v1.2.3 300.1.1.1 #.443 > x")
}

func TestRedactRegexes(t *testing.T) {
	p := pipe(t, Config{Redact: &RedactConfig{Regexes: []string{`order-(\d+)-([A-Z]+)`, `(?i)ticket \w+`, `^start (\w+)`}, Replacement: "***"}})
	m := apply(p, "<13>Oct 11 22:14:15 h app: start four5678 order-1234-ABCD TICKET x7 password=kept")[0]
	if want := "start *** order-***-*** *** password=kept"; m.Text != want || !strings.HasSuffix(m.Raw, want) {
		t.Errorf("%s\n%s", m.Text, m.Raw)
	}
	m = apply(p, "<13>Oct 11 22:14:15 h app: order%2d1234%2DABCD")[0]
	if want := "order%2d***%2D***"; m.Text != want {
		t.Errorf("%s", m.Text)
	}
}

// TestRedactHash: equal secrets are equal however they are written, and
// redacting again changes nothing.
func TestRedactHash(t *testing.T) {
	p := pipe(t, Config{Redact: &RedactConfig{HashKey: "0123456789abcdef", Patterns: []string{"credit-card", "password"}}})
	m := apply(p, `<13>Oct 11 22:14:15 h app: 4111-1111-1111-1111 4111111111111111 password="p\"w12" url=/?password=p%22w12&x=1 5500000000000004`)[0]
	got := regexp.MustCompile(`REDACTED-[0-9a-f]{16}`).FindAllString(m.Text, -1)
	if len(got) != 5 || got[0] != got[1] || got[2] != got[3] || got[0] == got[2] || got[4] == got[0] {
		t.Errorf("%s", m.Text)
	}
	again := p.Apply(start, []syslog.Message{m})
	if again[0] != m || p.Counts()[0].Changed != 1 {
		t.Errorf("%s", again[0].Text)
	}
	other := pipe(t, Config{Redact: &RedactConfig{HashKey: "fedcba9876543210", Patterns: []string{"credit-card"}}})
	if m := apply(other, "<13>4111111111111111")[0]; m.Text == got[0] {
		t.Error("the key does not matter")
	}
}

// TestRedactHeader: a secret is found in the header and in structured data,
// and what shows that it is one may stand in another field.
func TestRedactHeader(t *testing.T) {
	p := pipe(t, Config{Redact: &RedactConfig{}})
	f := func(text string, secrets ...string) {
		t.Helper()
		m := apply(p, text)[0]
		for _, field := range texts(&m) {
			for _, secret := range secrets {
				if strings.Contains(*field, secret) {
					t.Errorf("%s: %s", text, *field)
				}
			}
		}
	}
	f("<13>Oct 11 22:14:15 "+accessKey+" app: x", accessKey)
	f("<13>Oct 11 22:14:15 h password: hunter2", "hunter2")
	f("<13>Oct 11 22:14:15 h password: xyz", "xyz")
	f(`<13>1 - h 4111111111111111 4111111111111111 4111111111111111 [4111111111111111@1 a="4111111111111111"] x`, "4111111111111111")
	f(`<13>1 - h a - - [x@1 password="hun\]ter\"2"] "hun]ter\"2" hun]ter"2`, `hun]ter"2`, `hun\]ter\"2`, `hun]ter\"2`)
	m := apply(pipe(t, Config{Parse: &ParseConfig{Format: "json"}}, Config{Redact: &RedactConfig{}}),
		`<13>Oct 11 22:14:15 h app: {"user":"ann","password":"p\"w\\1]"}`)[0]
	if m.SD != `[json@32473 user="ann" password="REDACTED"]` || m.Text != `{"user":"ann","password":"REDACTED"}` {
		t.Errorf("%s %s", m.SD, m.Text)
	}
}

// TestRedactLeavesOrdinaryLines: what is no secret stays. By chance, one line
// in 50,000 has a number that is that of a card.
func TestRedactLeavesOrdinaryLines(t *testing.T) {
	p := pipe(t, Config{Redact: &RedactConfig{}})
	c := logtest.NewCorpus(1, start, 1000)
	const lines = 20000
	for range lines {
		m := c.Next()
		if out := p.Apply(start, []syslog.Message{m})[0]; out != m {
			t.Logf("%s", out.Raw)
		}
	}
	if n := p.Counts()[0].Changed; n > 1 {
		t.Errorf("%d lines of %d are changed", n, lines)
	}
}

func TestRedactIsBounded(t *testing.T) {
	var text strings.Builder
	for i := range maxSecrets + 1 {
		fmt.Fprintf(&text, "password=secret%d ", i)
	}
	m := apply(pipe(t, Config{Redact: &RedactConfig{}}), "<13>Oct 11 22:14:15 h app: "+text.String())[0]
	if m.Raw != "REDACTED" || m.Text != "REDACTED" || m.Severity != syslog.Notice {
		t.Errorf("%.100v", m)
	}
}

func TestRedactErrors(t *testing.T) {
	f := func(c RedactConfig, want string) {
		t.Helper()
		if _, err := New([]Config{{Redact: &c}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f(RedactConfig{Patterns: []string{"credit-cards"}}, `redact: patterns: "credit-cards" is none of credit-card, aws-key, password, email, ipv4; did you mean credit-card?`)
	f(RedactConfig{Regexes: []string{"x", "("}}, "redact: regexes: 2: ")
	f(RedactConfig{Regexes: []string{"x*"}}, "matches the empty text")
	f(RedactConfig{Replacement: "a b"}, "replacement: ")
	f(RedactConfig{HashKey: "short"}, "hash_key: 5 bytes are less than 16")
}

// luhn makes the number of a card of some digits.
func luhn(digits string) string {
	for c := '0'; c <= '9'; c++ {
		if isCard(digits + string(c)) {
			return digits + string(c)
		}
	}
	return ""
}

// drawSecret draws a secret that a pattern finds by itself, or a password.
func drawSecret(t *rapid.T) (secret string, password bool) {
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return luhn(rapid.StringMatching(`4[0-9]{14}`).Draw(t, "visa")), false
	case 1:
		return rapid.StringMatching(`A[KS]IA[A-Z0-9]{16}`).Draw(t, "access key"), false
	case 2:
		return rapid.StringMatching(`[a-z][a-z0-9.+-]{3,10}@[a-z0-9]{2,10}\.(com|org|dev)`).Draw(t, "email"), false
	case 3:
		return rapid.StringMatching(`(1?[0-9]{1,2}\.){3}1?[0-9]{1,2}`).Draw(t, "ipv4"), false
	case 4:
		return rapid.StringMatching(`[!-~]{4,16}`).Draw(t, "password"), true
	}
	return rapid.StringMatching(`[a-zA-Z0-9äöü€😀 "\\\]%/]{6,16}`).Draw(t, "pass phrase"), true
}

// escapes write a text as others do.
func escapes() map[string]func(string) string {
	quote := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			return s
		}
		return string(b[1 : len(b)-1])
	}
	return map[string]func(string) string{
		"json":       quote,
		"json twice": func(s string) string { return quote(quote(s)) },
		"sd":         func(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(s) },
		"url":        url.QueryEscape,
		"path":       url.PathEscape,
		"all hex": func(s string) string {
			var b strings.Builder
			for i := range len(s) {
				fmt.Fprintf(&b, "%%%02x", s[i])
			}
			return b.String()
		},
	}
}

// TestRedactLeavesNothing: after redact, no field has the secret, whatever
// else stands there, in any of the ways in which it may be escaped.
func TestRedactLeavesNothing(t *testing.T) {
	p := pipe(t, Config{Redact: &RedactConfig{Patterns: patterns()}})
	rapid.Check(t, func(t *rapid.T) {
		secret, password := drawSecret(t)
		if (&redact{replacement: defaultReplacement}).harmless(secret) || strings.Contains(defaultReplacement, secret) {
			t.Skip("no secret")
		}
		e := escapes()
		shown := secret
		if password { // in quotes: what ends it is known
			shown = rapid.SampledFrom([]string{
				`"password":"` + e["json"](secret) + `"`, `{"log":"{\"db_password\":\"` + e["json twice"](secret) + `\"}"}`,
				`pwd="` + e["json"](secret) + `"`, "https://ann:" + e["all hex"](secret) + "@host/",
			}).Draw(t, "shown")
		}
		if password && regexp.MustCompile(`^[A-Za-z0-9$!^~_.%-]+$`).MatchString(secret) && secret[0] != '-' { // what ends it is no part of it
			shown = rapid.SampledFrom([]string{
				shown, "token=" + secret, "DB_PASSWD: " + secret, "--api-key " + secret, "/?a=1&client_secret=" + secret + "&b=2", "x=1,pwd=" + secret + ",y=2",
				"Authorization: Token " + secret, "(user=x pass=" + secret + ")", "secret => '" + secret + "'",
			}).Draw(t, "shown plainly")
		}
		copies := []string{shown}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"json", "json twice", "sd", "path", "all hex"}), 0, 3).Draw(t, "copies") {
			copies = append(copies, e[name](secret))
		}
		filler := rapid.SampledFrom([]string{" ", " text ", ", ", "; 77 ", "\n", " (", " é "})
		text := ""
		for _, c := range copies {
			text += filler.Draw(t, "filler") + c
		}
		text += filler.Draw(t, "end")
		in := rapid.SampledFrom([]string{
			"<13>Oct 11 22:14:15 h app: ", "<13>1 - h a - - - ", `<13>1 - h a - - [x@1 s="` + e["sd"](shown) + `"] `, "", "<13>password: ",
		}).Draw(t, "header") + text
		m := p.Apply(start, []syslog.Message{line(in)})[0]
		for i, field := range texts(&m) {
			for name, escape := range e {
				if strings.Contains(*field, escape(secret)) && !strings.Contains(defaultReplacement, escape(secret)) {
					t.Fatalf("%q\nfield %d has %q, escaped as %s:\n%q", in, i, secret, name, *field)
				}
			}
			if strings.Contains(*field, secret) {
				t.Fatalf("%q\nfield %d has %q:\n%q", in, i, secret, *field)
			}
		}
		again := p.Apply(start, []syslog.Message{m})[0]
		if again != m {
			t.Fatalf("%q\nredacted again:\n%q\n%q", in, m.Raw, again.Raw)
		}
	})
}

// TestRedactSeen: what is found in no line is found in none of the fields that
// need not be searched because of that.
func TestRedactSeen(t *testing.T) {
	p := pipe(t, Config{Redact: &RedactConfig{Patterns: patterns()}})
	s := p.steps[0].stage.(*redact)
	part := rapid.SampledFrom([]string{
		" ", " ", "-", "+", "4111", "1111", "411111111111", "password", "token", ":", "=", "Bearer ", "null", "***", "x", "ann", "@", "a.com", ".",
		"10.0", "0.1", "AKIA", "IOSFODNN7EXAMPLE", secretKey, secretKey[:20], "://", "/", `"`, `\"`, "%3d", `\u003d`, "[", "]", "--pw", ",", "&",
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(part, 1, 12).Draw(t, "parts"), "")
		m := line(rapid.SampledFrom([]string{"<13>Oct 11 22:14:15 h app: ", "<13>1 - h a 4111 password ", "<13>1 - h a 1 - ", "<13>"}).Draw(t, "header") + text)
		raw := m.Raw
		fields := texts(&m)
		for i, field := range fields {
			var f finds
			if !s.search(&f, 0, raw, false) && standsIn(raw, *field) && s.search(&f, i, *field, false) {
				t.Fatalf("%q: field %d %q", raw, i, *field)
			}
		}
	})
}

// TestRedactKeepsJSON: what was JSON still is.
func TestRedactKeepsJSON(t *testing.T) {
	p := pipe(t, Config{Redact: &RedactConfig{Patterns: patterns()}})
	rapid.Check(t, func(t *rapid.T) {
		object := map[string]any{ // no secret stands in the name of the user by chance
			"user": rapid.StringMatching(`[A-ZÄÖ"\\/%@.\n]{0,12}`).Draw(t, "user"), "password": "hunter" + rapid.StringN(0, 20, -1).Draw(t, "password"),
			"token": rapid.IntRange(0, 1e9).Draw(t, "token"), "card": 4111111111111111,
			"secret": rapid.SliceOfN(rapid.String(), 0, 2).Draw(t, "list"),
		}
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		m := syslog.Compose(syslog.Message{Received: start, Text: string(text)})
		out := p.Apply(start, []syslog.Message{m})[0]
		if !json.Valid([]byte(out.Text)) {
			t.Fatalf("%s\n%s", text, out.Text)
		}
	})
}
