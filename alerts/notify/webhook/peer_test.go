package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/syslogd/peertest"
)

// TestAgainstAlertmanager gives the same alerts to Debian's Alertmanager and to
// us, and compares what both send, byte for byte.
func TestAgainstAlertmanager(t *testing.T) {
	am := peertest.Find(t, "prometheus-alertmanager")
	bodies := make(chan []byte, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("type %q", r.Header.Get("Content-Type"))
		}
		bodies <- b
	}))
	defer srv.Close()
	url := runAlertmanager(t, am, srv.URL)

	start := time.Now().Add(-time.Minute).UTC().Truncate(time.Millisecond)
	n := group(start)
	n.Truncated, n.Alerts = 1, n.Alerts[:2]
	postAlerts(t, url, group(start))
	compare(t, n, next(t, bodies, `"status":"firing","alerts"`))

	over := group(start)
	end := time.Now().UTC().Truncate(time.Millisecond)
	for i := range over.Alerts {
		over.Alerts[i].Ends = end
	}
	over.Reason = "resolved"
	postAlerts(t, url, over)
	over.Truncated, over.Alerts = 1, over.Alerts[:2]
	compare(t, over, next(t, bodies, `"status":"resolved","alerts"`))
}

// next is the first message of a status that has all three alerts: Alertmanager
// may look at the group before it has taken in the last one.
func next(t *testing.T, bodies <-chan []byte, status string) []byte {
	t.Helper()
	for {
		select {
		case b := <-bodies:
			if bytes.Contains(b, []byte(status)) && bytes.Contains(b, []byte(`"truncatedAlerts":1}`)) {
				return b
			}
		case <-time.After(30 * time.Second):
			t.Fatal("no message")
		}
	}
}

func compare(t *testing.T, n notify.Notice, theirs []byte) {
	t.Helper()
	ours, err := Body(n)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ours, theirs) {
		t.Errorf("Alertmanager sends other bytes (-ours +theirs):\n%s", cmp.Diff(string(ours), string(theirs)))
	}
}

// group is three alerts with all that JSON could write in several ways.
func group(start time.Time) notify.Notice {
	n := notify.Notice{
		Key: "k", Receiver: `the "pager" <1>`, Reason: "new", ExternalURL: "http://am.example.com/x&y",
		GroupLabels: alerts.NewLabels(map[string]string{"alertname": "load <é> & \"q\" \\ \u2028"}),
	}
	n.GroupKey = notify.GroupKey(`{}/{team="ops"}`, n.GroupLabels)
	for i := range 3 {
		ls := map[string]string{
			"alertname": n.GroupLabels.Get("alertname"), "host": fmt.Sprint("web-", i), "severity": "critical", "team": "ops", "zone": "a",
		}
		a := notify.Alert{
			Labels: alerts.NewLabels(ls), Severity: alerts.Critical, Starts: start, GeneratorURL: "http://p/graph?g0.expr=up%3D1&x=<>",
			Annotations: map[string]string{"summary": "the same\nfor all", "value": fmt.Sprint(i)},
		}
		a.Fingerprint = fmt.Sprintf("%016x", alerts.Fingerprint(a.Labels))
		n.Alerts = append(n.Alerts, a)
	}
	n.CommonLabels, n.CommonAnnotations = notify.Common(n.Alerts)
	return n
}

func postAlerts(t *testing.T, url string, n notify.Notice) {
	t.Helper()
	type alert struct {
		Labels       map[string]string `json:"labels"`
		Annotations  map[string]string `json:"annotations"`
		StartsAt     time.Time         `json:"startsAt"`
		EndsAt       time.Time         `json:"endsAt,omitzero"`
		GeneratorURL string            `json:"generatorURL"`
	}
	var all []alert
	for _, a := range n.Alerts {
		x := alert{map[string]string{}, a.Annotations, a.Starts, a.Ends, a.GeneratorURL}
		for _, l := range a.Labels {
			x.Labels[l.Name] = l.Value
		}
		all = append(all, x)
	}
	body, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(url+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, text)
	}
}

// runAlertmanager starts one that tells a webhook, and returns its address.
func runAlertmanager(t *testing.T, program peertest.Program, hook string) string {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "am.yml")
	text := `
route:
  receiver: 'the "pager" <1>'
  routes:
    - matchers: ['team="ops"']
      group_by: [alertname]
      group_wait: 200ms
      group_interval: 1s
receivers:
  - name: 'the "pager" <1>'
    webhook_configs: [{url: "` + hook + `", max_alerts: 2}]
`
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// Its web server cannot be given port 0 and asked which it got.
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		line := program.WithShare(t, "--config.file="+conf, "--storage.path="+filepath.Join(dir, "data"),
			"--web.listen-address="+addr, "--cluster.listen-address=", "--web.external-url=http://am.example.com/x&y")
		cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		if up(addr, ended) {
			t.Cleanup(func() { cmd.Process.Kill(); <-ended })
			return "http://" + addr + "/x&y"
		}
		cmd.Process.Kill()
		t.Logf("again: %s", said.String())
	}
	t.Fatal("it does not start")
	return ""
}

// up waits until it answers or has ended.
func up(addr string, ended chan error) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		if resp, err := http.Get("http://" + addr + "/x&y/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case err := <-ended:
			ended <- err
			return false
		default:
		}
	}
	return false
}
