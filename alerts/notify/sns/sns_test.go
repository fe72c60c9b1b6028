package sns

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/syslogd/peertest"
)

const topic = "arn:aws:sns:eu-central-1:123456789012:ops"

// An emulator stands for SNS's query API: what it takes is shown to be right
// by Debian's awscli, which is none of ours.
type emulator struct {
	*httptest.Server
	mu        sync.Mutex
	fault     string // code of an error that it answers with
	status    int
	published []url.Values
}

func newEmulator(t *testing.T) *emulator {
	e := &emulator{}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml")
	if err := r.ParseForm(); err != nil || r.PostForm.Get("Action") != "Publish" || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>no</Message></Error></ErrorResponse>`)
		return
	}
	if e.fault != "" {
		w.WriteHeader(e.status)
		fmt.Fprintf(w, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>%s</Code><Message>a fault</Message></Error><RequestId>r</RequestId></ErrorResponse>`, e.fault)
		return
	}
	e.published = append(e.published, r.PostForm)
	fmt.Fprint(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m-1</MessageId></PublishResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></PublishResponse>`)
}

func notice(text string) notify.Notice {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return notify.OfTransition(alerts.Transition{
		ID: "load-1", Rule: "load", Labels: alerts.NewLabels(map[string]string{"host": "web-1"}), To: alerts.Critical,
		Since: at, At: at.Add(time.Minute), Value: 137, Text: text,
	}, "sns", "")
}

func sender(t *testing.T, c Config) *Sender {
	t.Helper()
	c.AccessKey, c.SecretKey = "AKIA", "s3cret"
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAsAWSCommandLine: we publish what the aws command publishes.
func TestAsAWSCommandLine(t *testing.T) {
	e := newEmulator(t)
	c := Config{Topic: topic, Endpoint: e.URL, Message: "{{ .CommonLabels.host }} ü"}
	if err := sender(t, c).Send(t.Context(), notice("run_queue is 137")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), peertest.Find(t, "aws").Path, "--endpoint-url", e.URL, "--region", "eu-central-1", "--output", "text",
		"sns", "publish", "--topic-arn", topic, "--subject", "CRITICAL: load web-1: run_queue is 137", "--message", "web-1 ü",
		"--message-attributes", `{"key":{"DataType":"String","StringValue":"load-1"},"severity":{"DataType":"String","StringValue":"critical"},"status":{"DataType":"String","StringValue":"firing"}}`)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1"}
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "m-1" {
		t.Fatalf("aws: %v: %s", err, out)
	}
	ours, theirs := flat(e.published[0]), flat(e.published[1])
	if ours != theirs {
		t.Errorf("ours:\n%s\ntheirs:\n%s", ours, theirs)
	}
}

// flat writes a request with its attributes by name: their order says nothing.
func flat(v url.Values) string {
	var out []string
	for key := range v {
		name := key
		if rest, ok := strings.CutPrefix(key, "MessageAttributes.entry."); ok {
			i, field, _ := strings.Cut(rest, ".")
			if field == "Name" {
				continue
			}
			name = v.Get("MessageAttributes.entry."+i+".Name") + "." + field
		}
		out = append(out, name+"="+v.Get(key))
	}
	return strings.Join(slices.Sorted(slices.Values(out)), "\n")
}

func TestFIFO(t *testing.T) {
	e := newEmulator(t)
	s := sender(t, Config{Topic: topic + ".fifo", Endpoint: e.URL})
	other := notice("x")
	other.Key = "load-2"
	for _, n := range []notify.Notice{notice("x"), notice("x"), other} {
		if err := s.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	id := func(i int, name string) string { return e.published[i].Get(name) }
	if a, b, c := id(0, "MessageDeduplicationId"), id(1, "MessageDeduplicationId"), id(2, "MessageDeduplicationId"); a == "" || len(a) > 128 || a != b || a == c {
		t.Error(a, b, c)
	}
	if a, c := id(0, "MessageGroupId"), id(2, "MessageGroupId"); a == "" || a != c {
		t.Error(a, c)
	}
}

func TestAnswers(t *testing.T) {
	e := newEmulator(t)
	s := sender(t, Config{Topic: topic, Endpoint: e.URL})
	for _, c := range []struct {
		code   string
		status int
		final  bool
	}{
		{"InvalidParameter", 400, true}, {"NotFound", 404, true}, {"AuthorizationError", 403, true}, {"InvalidClientTokenId", 403, true},
		{"Throttled", 429, false}, {"Throttling", 400, false}, {"ExpiredToken", 403, false}, {"InternalError", 500, false}, {"ServiceUnavailable", 503, false},
	} {
		e.fault, e.status = c.code, c.status
		if err := s.Send(t.Context(), notice("x")); err == nil || alerts.IsPermanent(err) != c.final || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: final %v: %v", c.code, c.final, err)
		}
	}
	e.Close()
	if err := s.Send(t.Context(), notice("x")); err == nil || alerts.IsPermanent(err) {
		t.Errorf("no answer: %v", err)
	}
}

func TestBounds(t *testing.T) {
	for in, want := range map[string]string{
		"": "alert", "a": "a", "<>": "alert", "[x] y": "x] y", "é is ü\n": "is ??",
		strings.Repeat("a", 300): strings.Repeat("a", 97) + "...",
	} {
		if got := ascii(in); got != want {
			t.Errorf("%.20q: %q, want %q", in, got, want)
		}
	}
	in, err := sender(t, Config{Topic: topic, Endpoint: "http://127.0.0.1:1", Message: "{{ range 10 }}" + strings.Repeat("ü", 30_000) + "{{ end }}"}).input(notice("x"))
	if err != nil || len(*in.Message) > maxMessage {
		t.Errorf("%v", err)
	}
	if in, err = sender(t, Config{Topic: topic, Message: "{{ range 0 }}{{ end }}"}).input(notice("x")); err != nil || *in.Message == "" {
		t.Errorf("%v", err)
	}
}

func TestValidate(t *testing.T) {
	for want, c := range map[string]Config{
		"topic: want arn":     {Topic: "ops"},
		"go together":         {Topic: topic, AccessKey: "x"},
		"endpoint: want http": {Topic: topic, Endpoint: "sns"},
		"subject":             {Topic: topic, Subject: "{{ .Nope }}"},
		"timeout 1h0m0s":      {Topic: topic, Timeout: time.Hour},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
