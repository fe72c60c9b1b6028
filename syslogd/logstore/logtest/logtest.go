// Package logtest writes log lines for the tests and benchmarks of the log
// store: the lines of a fleet of web servers as they really look, and lines
// that no sane program would write.
package logtest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"rondo/syslogd/syslog"
)

// A Fleet writes the lines of web servers, their applications and kernels.
type Fleet struct {
	rand  *rand.Rand
	now   time.Time
	pids  map[string]int
	hosts int
}

// NewFleet returns a fleet whose lines depend on the seed only.
func NewFleet(seed uint64, start time.Time) *Fleet {
	return &Fleet{rand: rand.New(rand.NewPCG(seed, 1)), now: start, pids: map[string]int{}, hosts: 50}
}

// Next is the next message, parsed, in order of time. Lines have about 228
// bytes, as those of the published comparisons.
func (f *Fleet) Next() syslog.Message {
	f.now = f.now.Add(time.Duration(f.rand.ExpFloat64() * float64(500*time.Microsecond)))
	n := f.rand.IntN(f.hosts)
	host := fmt.Sprintf("web-%03d", n)
	app, severity, text := f.text()
	pid, ok := f.pids[host+app]
	if !ok || f.rand.IntN(2000) == 0 {
		pid = 300 + f.rand.IntN(60000)
		f.pids[host+app] = pid
	}
	line := fmt.Sprintf("<%d>1 %s %s %s %d - - %s", 16*8+severity, f.now.Format("2006-01-02T15:04:05.000000Z07:00"), host, app, pid, text)
	received := f.now.Add(time.Duration(300+f.rand.IntN(2000)) * time.Microsecond).Truncate(time.Millisecond)
	return syslog.Parse(line, received, netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}))
}

func (f *Fleet) text() (app string, severity int, text string) {
	r := f.rand
	ip := fmt.Sprintf("%d.%d.%d.%d", 1+r.IntN(220), r.IntN(256), r.IntN(256), 1+r.IntN(254))
	switch k := r.IntN(100); {
	case k < 55:
		return "nginx", 6, fmt.Sprintf(`%s - - [%s] "%s /%s/%d?session=%08x HTTP/1.1" %d %d "https://shop.example.com/%s" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" rt=%d.%03d`,
			ip, f.now.Format("02/Jan/2006:15:04:05 -0700"), pick(r, "GET", "GET", "GET", "POST"), pick(r, "cart", "item", "search", "api/v2/orders"), r.IntN(100000),
			r.Uint32(), pick(r, 200, 200, 200, 200, 304, 404, 500), r.IntN(50000), pick(r, "", "cart", "home"), r.IntN(2), r.IntN(1000))
	case k < 85:
		return "shop", pick(r, 6, 6, 6, 4, 3), fmt.Sprintf(`level=%s msg="%s" request_id=%016x%016x user=%d duration_ms=%d.%03d cache=%s items=%d region=eu-central-1 version=2026.11.3 handler=checkout.Process`,
			pick(r, "info", "info", "warn"), pick(r, "order placed", "payment accepted", "stock reserved", "session refreshed", "timed out waiting for upstream"),
			r.Uint64(), r.Uint64(), r.IntN(500000), r.IntN(2000), r.IntN(1000), pick(r, "hit", "miss"), r.IntN(12))
	case k < 93:
		return "sshd", 6, fmt.Sprintf("Failed password for %s from %s port %d ssh2: authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=%s user=%s",
			pick(r, "root", "admin", "invalid user test"), ip, 1024+r.IntN(60000), ip, pick(r, "root", "admin"))
	default:
		return "kernel", 4, fmt.Sprintf("[%d.%06d] iptables denied: IN=eth0 OUT= MAC=%s SRC=%s DST=10.0.0.%d LEN=%d TTL=%d ID=%d DF PROTO=TCP SPT=%d DPT=%d WINDOW=%d RES=0x00 SYN URGP=0",
			r.IntN(900000), r.IntN(1000000), "0a:1b:2c:3d:4e:5f", ip, r.IntN(255), 40+r.IntN(1400), 32+r.IntN(90), r.IntN(65536), 1024+r.IntN(60000), pick(r, 22, 23, 80, 443, 3306), r.IntN(65536))
	}
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// Line returns a random line: pieces of real ones, put together without
// sense, with bytes that do not belong there.
func Line(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString(pick(r, "", "<13>", "<165>1 2026-11-19T10:00:00.123456Z web1 app 77 ID [a@1 k=\"v9\"] ", "<34>Nov  7 22:14:15 mymachine su[12]: ", "<34>Nov 17 22:14:15 h9 su: ",
		"<14>1 - - - - - - ", "<190>45: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: ", "<999>"))
	for range r.IntN(12) {
		b.WriteString(Word(r))
		b.WriteString(pick(r, " ", " ", " ", "", ".", ":", "=", "/", "-", "\t", ", "))
	}
	if r.IntN(40) == 0 {
		b.WriteString(strings.Repeat(Word(r)+" ", r.IntN(3000)))
	}
	return b.String()
}

// Word returns a piece of a line; pieces repeat, so that searches find some.
func Word(r *rand.Rand) string {
	n := r.IntN(12)
	return pick(r, "", "error", "Error", "time", "timeout", "Zürich", "naïve\xff", "\x00", "\n", "\x07", "\u212a", "ſ",
		fmt.Sprint(n), fmt.Sprintf("%02d", n), fmt.Sprintf("0%d", n), fmt.Sprintf("user%d", n), fmt.Sprintf("user%03d", 100*n), fmt.Sprintf("id%07d", n),
		fmt.Sprintf("%x", 0xabc00+n), fmt.Sprintf("%X", 0xabcdef00+n), fmt.Sprintf("%032x", 0xdeadbeefcafe+n), fmt.Sprintf("%d", 123456780+n), "12345678901234567890",
		fmt.Sprintf("10.1.2.%d", n), fmt.Sprintf("1.2.3.%d.%d", n, n), "10.1.2.03", "v1.2.3.4", "HTTP/1.1", "/1.2.3.4.5",
		fmt.Sprintf("aa:bb:cc:dd:ee:0%x", n), "00:11:22:33:44:55:66", fmt.Sprintf("10:2%d:0%d", n%10, n%10), "2026-11-19T10:00:00", "2026-11-19 10:00:01,123", "2026-11-19T10:00:00.1234567Z",
		"2026-02-30T10:00:00Z", "19/Nov/2026:10:00:00 +0100", "Nov 19 10:00:00", "Feb 29 10:00:00", "Nov  9 10:00:00", "2026-11-19T10:00:00.123456789", "0x1f", "3f2a", "a1b", "9z9z9")
}
