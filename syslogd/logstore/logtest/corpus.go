package logtest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"

	"rondo/syslogd/syslog"
)

// Hosts is how many hosts a Corpus has.
const Hosts = 200

// What a Corpus says seldom: RareWord, a constant of a line, once in
// RareEvery lines, the first time in the middle of these. RareID is the
// request id that this very line carries.
const (
	RareWord  = "quagmire"
	RareEvery = 2_000_000
	RareID    = "c0ffee5ca1ab1e77"
)

// A Corpus is the log of a fleet of 200 hosts as a log server receives it:
// web servers (Apache, nginx), applications that write JSON, sshd, sudo, cron,
// systemd, kernels with a packet filter, mail servers (Postfix, Dovecot),
// databases, a load balancer, a DHCP and a DNS server. A line has about 228
// bytes on average. Three hosts of five speak RFC 5424, the others RFC 3164.
//
// Like the real thing it has fields of every cardinality: a few status codes,
// some thousand clients of which a few are busy, process ids that change with
// each session, a request id of its own in every second line. What it writes
// depends on the seed only.
type Corpus struct {
	rand  *rand.Rand
	now   time.Time
	mean  float64 // ns between two lines
	n     int     // lines so far
	hosts [Hosts]corpusHost
	which []*program // by weight

	second  int64  // of the texts below
	iso     []byte // 2026-11-19T10:00:00
	bsd     []byte // Nov 19 10:00:00
	clf     []byte // 19/Nov/2026:10:00:00 +0000
	text    []byte
	current int
}

// corpusHost is one sender.
type corpusHost struct {
	name    string
	address netip.Addr
	modern  bool           // speaks RFC 5424
	pids    map[string]int // of its daemons
	uptime  time.Duration  // when the corpus begins
}

// NewCorpus returns a corpus whose first line is written at start, with so
// many lines a second on average.
func NewCorpus(seed uint64, start time.Time, rate float64) *Corpus {
	c := &Corpus{rand: rand.New(rand.NewPCG(seed, 2)), now: start.UTC(), mean: 1e9 / rate, second: -1}
	for i := range c.hosts {
		name := fmt.Sprintf("%s-%03d", roleOf(i), i)
		if i%7 == 0 {
			name += ".eu-central-1.example.com"
		}
		c.hosts[i] = corpusHost{
			name: name, address: netip.AddrFrom4([4]byte{10, 20, byte(i / 100), byte(1 + i%100)}),
			modern: i%5 < 3, pids: map[string]int{}, uptime: time.Duration(c.rand.Int64N(int64(90 * 24 * time.Hour))),
		}
	}
	for i := range programs {
		for range programs[i].weight {
			c.which = append(c.which, &programs[i])
		}
	}
	return c
}

// Next is the next message, parsed, as it was received.
func (c *Corpus) Next() syslog.Message {
	raw := string(c.Append(nil))
	return syslog.Parse(raw, c.Received(), c.Sender())
}

// Append appends the next line, without an end of line.
func (c *Corpus) Append(dst []byte) []byte {
	c.now = c.now.Add(time.Duration(c.rand.ExpFloat64() * c.mean))
	c.stamp()
	p := c.which[c.rand.IntN(len(c.which))]
	c.current = p.first + c.rand.IntN(p.hosts)
	severity := p.severity
	c.text = c.text[:0]
	if c.n++; c.n%RareEvery == RareEvery/2 {
		p, c.current, severity = &programs[0], 0, 3
		c.text = append(c.text, "shard allocation entered the "+RareWord+" state: no quorum for 30 seconds, 2 of 5 replicas answer, request_id="+RareID...)
	} else {
		severity = p.write(c, severity)
	}
	return append(c.header(dst, p, severity), c.text...)
}

// Sender is the address that the last line came from.
func (c *Corpus) Sender() netip.Addr { return c.hosts[c.current].address }

// Received is when the last line arrived: soon after it was written.
func (c *Corpus) Received() time.Time {
	return c.now.Add(time.Duration(300+c.rand.IntN(2000)) * time.Microsecond).Truncate(time.Millisecond)
}

// stamp writes the times of the current second.
func (c *Corpus) stamp() {
	s := c.now.Unix()
	if s == c.second {
		return
	}
	c.second = s
	c.iso = c.now.AppendFormat(c.iso[:0], "2006-01-02T15:04:05")
	c.bsd = c.now.AppendFormat(c.bsd[:0], "Jan _2 15:04:05")
	c.clf = c.now.AppendFormat(c.clf[:0], "02/Jan/2006:15:04:05 -0700")
}

func (c *Corpus) header(dst []byte, p *program, severity int) []byte {
	h := &c.hosts[c.current]
	dst = append(strconv.AppendInt(append(dst, '<'), int64(8*p.facility+severity), 10), '>')
	pid := c.pid(h, p)
	if !h.modern {
		dst = append(append(append(dst, c.bsd...), ' '), h.name...)
		dst = append(append(dst, ' '), p.app...)
		if pid > 0 {
			dst = append(strconv.AppendInt(append(dst, '['), int64(pid), 10), ']')
		}
		return append(dst, ": "...)
	}
	dst = append(append(append(dst, "1 "...), c.iso...), '.')
	dst = appendPadded(dst, c.now.Nanosecond()/1000, 6)
	dst = append(append(append(dst, "Z "...), h.name...), ' ')
	dst = append(append(dst, p.app...), ' ')
	if pid > 0 {
		dst = strconv.AppendInt(dst, int64(pid), 10)
	} else {
		dst = append(dst, '-')
	}
	return append(dst, " - - "...)
}

// pid is the process that writes: daemons keep theirs for long, sessions have
// one each, and the kernel has none.
func (c *Corpus) pid(h *corpusHost, p *program) int {
	switch p.pids {
	case noPID:
		return 0
	case pidPerSession:
		return 1000 + c.rand.IntN(4_000_000)
	}
	pid, ok := h.pids[p.app]
	if !ok || c.rand.IntN(20_000) == 0 {
		pid = 300 + c.rand.IntN(60_000)
		h.pids[p.app] = pid
	}
	return pid
}

// appendPadded writes n with leading zeros.
func appendPadded(dst []byte, n, width int) []byte {
	at := len(dst)
	for range width {
		dst = append(dst, '0')
	}
	for i := at + width - 1; i >= at; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}
