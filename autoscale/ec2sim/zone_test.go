package ec2sim

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// rest makes a request of Route 53, and returns its status and answer.
func rest(s *Sim, method, path, body string) (int, string) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(method, "/2013-04-01/"+path, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

// newZone makes a zone and returns its path.
func newZone(t *testing.T, s *Sim, name string) string {
	t.Helper()
	status, body := rest(s, "POST", "hostedzone", "<CreateHostedZoneRequest><Name>"+name+"</Name><CallerReference>"+name+"</CallerReference></CreateHostedZoneRequest>")
	id := regexp.MustCompile(`hostedzone/Z[A-Z0-9]+`).FindString(body)
	if status != 200 || id == "" {
		t.Fatal(body)
	}
	return id
}

// changes writes a batch: "CREATE web A 30 10.0.0.1,10.0.0.2" on each line.
func changes(lines ...string) string {
	var b strings.Builder
	b.WriteString(`<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch><Changes>`)
	for _, l := range lines {
		w := strings.SplitN(l, " ", 5)
		fmt.Fprintf(&b, "<Change><Action>%s</Action><ResourceRecordSet><Name>%s</Name><Type>%s</Type><TTL>%s</TTL><ResourceRecords>", w[0], w[1], w[2], w[3])
		for v := range strings.SplitSeq(w[4], ",") {
			fmt.Fprintf(&b, "<ResourceRecord><Value>%s</Value></ResourceRecord>", v)
		}
		b.WriteString("</ResourceRecords></ResourceRecordSet></Change>")
	}
	return b.String() + "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
}

func TestHostedZone(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	zone := newZone(t, s, "example.com")
	f := func(want string, lines ...string) {
		t.Helper()
		status, body := rest(s, "POST", zone+"/rrset/", changes(lines...))
		if want == "" && status != 200 || want != "" && (status != 400 || !strings.Contains(body, "<Code>InvalidChangeBatch</Code>") || !strings.Contains(body, want)) {
			t.Errorf("%q: %d %s", lines, status, body)
		}
	}
	f("", "CREATE web.example.com A 30 10.0.0.1,10.0.0.2")
	f("but it already exists", "CREATE web.example.com. A 30 10.0.0.1")
	f("but it was not found", "DELETE none.example.com A 30 10.0.0.1")
	f("do not match the current values", "DELETE web.example.com A 60 10.0.0.1,10.0.0.2")
	f("do not match the current values", "DELETE web.example.com A 30 10.0.0.1")
	f("", "DELETE web.example.com A 30 10.0.0.2,10.0.0.1", "CREATE web.example.com A 60 10.0.0.3")
	f("", "UPSERT WEB.example.com A 60 10.0.0.4")
	f("not permitted in zone example.com.", "CREATE web.example.org A 30 10.0.0.1")
	f("ARRDATAIllegalIPv4Address", "CREATE a.example.com A 30 10.0.0")
	f("AAAARRDATAIllegalIPv6Address", "CREATE a.example.com AAAA 30 10.0.0.1")
	f("enclosed in quotation marks", "CREATE a.example.com TXT 30 bare")
	f("conflicts with other records", "CREATE web.example.com CNAME 30 x.example.com")
	f("", "CREATE www.example.com CNAME 30 web.example.com")
	f("a conflicting RRSet of type CNAME", "CREATE www.example.com A 30 10.0.0.1")
	f("must contain at least one SOA", "DELETE example.com SOA 900 ns-1.awsdns-01.org. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400")
	f("Duplicate Resource Record", "CREATE a.example.com A 30 10.0.0.1,10.0.0.1")
	f("records limit of 1000", "UPSERT a.example.com A 30 "+strings.TrimSuffix(strings.Repeat("10.0.0.1,", 501), ","))
	f("characters limit of 32000", `CREATE a.example.com TXT 30 "`+strings.Repeat("x", 32_000)+`"`)
	// All or nothing: the first of these would have been good.
	f("but it was not found", "CREATE b.example.com A 30 10.0.0.1", "DELETE none.example.com A 30 10.0.0.1")
	if _, body := rest(s, "GET", zone+"/rrset?name=b.example.com", ""); strings.Contains(body, ">b.example.com.") {
		t.Errorf("half of a batch was made: %s", body)
	}
	for path, code := range map[string]string{"hostedzone/ZNONE/rrset": "NoSuchHostedZone", "change/CNONE": "NoSuchChange"} {
		if status, body := rest(s, "GET", path, ""); status != 404 || !strings.Contains(body, code) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := rest(s, "DELETE", zone, ""); status != 400 || !strings.Contains(body, "HostedZoneNotEmpty") {
		t.Errorf("delete: %d %s", status, body)
	}
	if status, body := rest(s, "POST", zone+"/rrset", "<broken"); status != 400 || !strings.Contains(body, "InvalidInput") {
		t.Errorf("broken: %d %s", status, body)
	}
	if status, body := rest(s, "PUT", "nothing", ""); status != 400 || !strings.Contains(body, "InvalidAction") {
		t.Errorf("nothing: %d %s", status, body)
	}
}

// TestRecordSetsInPages: names are listed by their labels, the last first, and a
// page says where the next one begins.
func TestRecordSetsInPages(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	zone := newZone(t, s, "example.com")
	var lines []string
	for _, name := range []string{"b.example.com", "a.b.example.com", "a.example.com", "*.example.com"} {
		lines = append(lines, "CREATE "+name+" A 30 10.0.0.1")
	}
	if status, body := rest(s, "POST", zone+"/rrset", changes(lines...)); status != 200 {
		t.Fatal(body)
	}
	var got []string
	next, from := regexp.MustCompile(`<NextRecordName>(.*)</NextRecordName><NextRecordType>(.*)</NextRecordType>`), ""
	for range 10 {
		_, body := rest(s, "GET", zone+"/rrset?maxitems=2"+from, "")
		for _, m := range regexp.MustCompile(`<Name>([^<]*)</Name><Type>([^<]*)<`).FindAllStringSubmatch(body, -1) {
			got = append(got, m[1]+" "+m[2])
		}
		m := next.FindStringSubmatch(body)
		if m == nil {
			break
		}
		from = "&name=" + strings.ReplaceAll(m[1], `\052`, "*") + "&type=" + m[2]
	}
	want := `example.com. NS|example.com. SOA|\052.example.com. A|a.example.com. A|b.example.com. A|a.b.example.com. A`
	if strings.Join(got, "|") != want {
		t.Errorf("got %q\nwant %q", strings.Join(got, "|"), want)
	}
}

func TestChangesSpread(t *testing.T) {
	t.Parallel()
	s := New(Options{ZoneSync: time.Hour})
	zone := newZone(t, s, "example.com")
	_, body := rest(s, "POST", zone+"/rrset", changes("CREATE web.example.com A 30 10.0.0.1"))
	change := regexp.MustCompile(`change/C[A-Z0-9]+`).FindString(body)
	if _, body := rest(s, "GET", change, ""); !strings.Contains(body, "<Status>PENDING</Status>") {
		t.Errorf("at once: %s", body)
	}
	s.opt.ZoneSync = 1
	if _, body := rest(s, "GET", change, ""); !strings.Contains(body, "<Status>INSYNC</Status>") {
		t.Errorf("later: %s", body)
	}
}
