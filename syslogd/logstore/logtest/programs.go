package logtest

import "strconv"

// program is one that writes to the log.
type program struct {
	app                string
	facility, severity int
	weight             int // share of the lines, in percent
	first, hosts       int // on which hosts it runs
	pids               int
	write              func(c *Corpus, severity int) int // appends to c.text, returns the severity
}

const (
	pidPerDaemon = iota
	pidPerSession
	noPID
)

// The roles of the hosts, by number: 0-99 web, 100-139 app, 140-159 mail,
// 160-179 db, 180-189 lb, 190-199 net.
func roleOf(host int) string {
	switch {
	case host < 100:
		return "web"
	case host < 140:
		return "app"
	case host < 160:
		return "mail"
	case host < 180:
		return "db"
	case host < 190:
		return "lb"
	}
	return "net"
}

// The table is never written.
var programs = [...]program{
	{"checkout", 16, 6, 12, 100, 40, pidPerDaemon, (*Corpus).json},
	{"inventory", 16, 6, 8, 100, 40, pidPerDaemon, (*Corpus).logfmt},
	{"apache2", 23, 6, 20, 0, 60, pidPerDaemon, (*Corpus).access},
	{"nginx", 23, 6, 14, 60, 40, pidPerDaemon, (*Corpus).proxy},
	{"haproxy", 16, 6, 6, 180, 10, pidPerDaemon, (*Corpus).balancer},
	{"sshd", 10, 6, 12, 0, 200, pidPerSession, (*Corpus).sshd},
	{"kernel", 0, 4, 6, 0, 200, noPID, (*Corpus).kernel},
	{"postfix/smtpd", 2, 6, 4, 140, 20, pidPerSession, (*Corpus).smtpd},
	{"postfix/smtp", 2, 6, 5, 140, 20, pidPerSession, (*Corpus).smtp},
	{"dovecot", 2, 6, 2, 140, 20, pidPerDaemon, (*Corpus).dovecot},
	{"postgres", 16, 6, 3, 160, 20, pidPerSession, (*Corpus).postgres},
	{"CRON", 9, 6, 3, 0, 200, pidPerSession, (*Corpus).cron},
	{"systemd", 3, 6, 3, 0, 200, pidPerDaemon, (*Corpus).systemd},
	{"named", 3, 6, 1, 190, 10, pidPerDaemon, (*Corpus).named},
	{"dhcpd", 3, 6, 1, 190, 10, pidPerDaemon, (*Corpus).dhcpd},
}

// words appends its arguments: strings as they are, numbers in decimal.
func (c *Corpus) words(parts ...any) {
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			c.text = append(c.text, p...)
		case int:
			c.text = strconv.AppendInt(c.text, int64(p), 10)
		case []byte:
			c.text = append(c.text, p...)
		}
	}
}

func (c *Corpus) padded(n, width int) { c.text = appendPadded(c.text, n, width) }

// hex appends random hexadecimal digits, at most 16.
func (c *Corpus) hex(digits int) {
	const all = "0123456789abcdef"
	v := c.rand.Uint64()
	for range digits {
		c.text = append(c.text, all[v&15])
		v >>= 4
	}
}

// skewed is a number below n; the small ones are the busy ones.
func (c *Corpus) skewed(n int) int {
	f := c.rand.Float64()
	return int(f * f * f * float64(n))
}

// client appends the address of one of some 40,000 clients.
func (c *Corpus) client() {
	n := uint32(c.skewed(40_000)) * 2654435761
	c.words(int(1+n>>24%222), ".", int(n>>16&255), ".", int(n>>8&255), ".", int(1+n&253))
}

// oneOf picks one of some strings, the first ones more often.
func (c *Corpus) oneOf(of ...string) string { return of[c.skewed(len(of))] }

// duration is a number of units around a mean.
func (c *Corpus) duration(mean float64) int { return int(c.rand.ExpFloat64() * mean) }

const browser = `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/`

func (c *Corpus) request() {
	c.words(c.oneOf("GET", "GET", "GET", "POST", "HEAD"), " ")
	switch c.rand.IntN(5) {
	case 0:
		c.words("/product/", c.skewed(60_000), "?ref=", c.oneOf("search", "home", "mail"))
	case 1:
		c.words("/static/", c.oneOf("app", "vendor", "logo", "fonts"), ".", c.oneOf("js", "css", "png"))
	case 2:
		c.words("/api/v2/orders/", 4_000_000+c.rand.IntN(900_000))
	case 3:
		c.words("/search?q=", c.oneOf("shoes", "lamp", "red+bicycle", "usb+cable", "tea"), "&page=", 1+c.skewed(40))
	default:
		c.words(c.oneOf("/", "/cart", "/login", "/healthz", "/account/settings", "/robots.txt"))
	}
	c.words(" HTTP/1.1")
}

func (c *Corpus) status() int {
	return [...]int{200, 200, 200, 200, 200, 304, 302, 404, 403, 500, 502}[c.skewed(11)]
}

func (c *Corpus) access(severity int) int {
	c.client()
	c.words(" - - [", c.clf, `] "`)
	c.request()
	c.words(`" `, c.status(), " ", c.skewed(90_000), ` "https://shop.example.com/`, c.oneOf("", "cart", "search", "product"), `" "`,
		browser, 100+c.skewed(30), `.0.0.0 Safari/537.36" `, c.duration(40_000))
	return severity
}

func (c *Corpus) proxy(severity int) int {
	if c.rand.IntN(60) == 0 {
		c.words(string(c.clf[7:11]), "/11/", string(c.clf[:2]), " ", string(c.clf[12:20]), " [error] 7#7: *", c.rand.IntN(90_000_000),
			" upstream timed out (110: Connection timed out) while reading response header from upstream, client: ")
		c.client()
		c.words(`, server: shop.example.com, request: "`)
		c.request()
		c.words(`", upstream: "http://10.20.1.`, 1+c.rand.IntN(40), `:8080", host: "shop.example.com"`)
		return 3
	}
	c.client()
	c.words(" - - [", c.clf, `] "`)
	c.request()
	c.words(`" `, c.status(), " ", c.skewed(90_000), " rt=", c.duration(0.4), ".")
	c.padded(c.rand.IntN(1000), 3)
	c.words(" uct=0.001 upstream=10.20.1.", 1+c.rand.IntN(40), ":8080 cache=", c.oneOf("MISS", "HIT", "BYPASS", "EXPIRED"), " rid=")
	c.hex(16)
	return severity
}

func (c *Corpus) json(severity int) int {
	level, text := "info", c.oneOf("order placed", "payment accepted", "stock reserved", "session refreshed", "coupon applied", "address verified")
	switch c.rand.IntN(50) {
	case 0:
		level, text, severity = "error", "payment provider timed out", 3
	case 1, 2:
		level, text, severity = "warn", "retrying after connection reset", 4
	}
	c.words(`{"time":"`, c.iso, ".")
	c.padded(c.now.Nanosecond()/1e6, 3)
	c.words(`Z","level":"`, level, `","msg":"`, text, `","service":"checkout","version":"2026.11.3","trace_id":"`)
	c.hex(16)
	c.words(`","user_id":`, c.skewed(500_000), `,"cart":{"items":`, 1+c.skewed(12), `,"total":`, c.duration(70), ".")
	c.padded(c.rand.IntN(100), 2)
	c.words(`,"currency":"`, c.oneOf("EUR", "USD", "CHF"), `"},"duration_ms":`, c.duration(80), `,"region":"eu-central-1"}`)
	return severity
}

func (c *Corpus) logfmt(severity int) int {
	level := "info"
	if c.rand.IntN(12) == 0 {
		level, severity = "debug", 7
	}
	c.words("level=", level, " component=", c.oneOf("reservation", "replenish", "pricing"), ` msg="`, c.oneOf("stock level changed", "price updated", "supplier answered"), `" sku=`,
		c.oneOf("SH", "LA", "BI", "TE"), "-")
	c.padded(c.skewed(30_000), 6)
	c.words(" warehouse=", c.oneOf("fra1", "muc2", "ber1"), " before=", c.skewed(900), " after=", c.skewed(900), " took=", c.duration(12), ".")
	c.padded(c.rand.IntN(1000), 3)
	c.words("ms request_id=")
	c.hex(16)
	return severity
}

func (c *Corpus) balancer(severity int) int {
	c.client()
	c.words(":", 1024+c.rand.IntN(64_000), " [", string(c.clf[:20]), ".")
	c.padded(c.now.Nanosecond()/1e6, 3)
	c.words("] https~ shop/web-")
	c.padded(c.rand.IntN(100), 3)
	c.words(" ", c.duration(3), "/0/", c.duration(2), "/", c.duration(60), "/", c.duration(70), " ", c.status(), " ", c.skewed(90_000),
		" - - ---- ", 100+c.rand.IntN(300), "/", 90+c.rand.IntN(300), "/", c.rand.IntN(40), "/", c.rand.IntN(4), `/0 0/0 "`)
	c.request()
	c.words(`"`)
	return severity
}
