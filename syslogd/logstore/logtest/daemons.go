package logtest

import "time"

var users = [...]string{"root", "admin", "deploy", "ubuntu", "oracle", "test", "git", "postgres"}

func (c *Corpus) sshd(severity int) int {
	port := 1024 + c.rand.IntN(64_000)
	switch k := c.rand.IntN(10); {
	case k < 5:
		c.words("Failed password for ", c.oneOf("", "invalid user "), c.oneOf(users[:]...), " from ")
		c.client()
		c.words(" port ", port, " ssh2")
	case k < 7:
		c.words("Accepted publickey for deploy from 10.20.1.", 1+c.rand.IntN(90), " port ", port, " ssh2: ED25519 SHA256:", c.oneOf(
			"nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8", "8bVv7rXbqk0t3l2hW5Yx9eJ4uZpQmNcAaSdFgHjKlPo", "Zk3mQ9vT1sRxWcYb5nHd7fGj2LpOiUyEtAq6BzKxMvC"))
	case k < 9:
		c.words("Connection closed by authenticating user ", c.oneOf(users[:]...), " ")
		c.client()
		c.words(" port ", port, " [preauth]")
	default:
		c.words("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=")
		c.client()
		c.words("  user=", c.oneOf(users[:]...))
		return 5
	}
	return severity
}

func (c *Corpus) kernel(severity int) int {
	up := c.hosts[c.current].uptime + c.now.Sub(time.Date(c.now.Year(), 1, 1, 0, 0, 0, 0, time.UTC))
	c.words("[", int(up/time.Second), ".")
	c.padded(int(up/time.Microsecond)%1e6, 6)
	if c.rand.IntN(400) == 0 {
		c.words("] Out of memory: Killed process ", c.rand.IntN(60_000), " (java) total-vm:", c.rand.IntN(9_000_000), "kB, anon-rss:",
			c.rand.IntN(4_000_000), "kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:", c.rand.IntN(9000), "kB oom_score_adj:0")
		return 3
	}
	c.words("] [UFW BLOCK] IN=ens5 OUT= MAC=02:42:ac:11:00:", c.oneOf("02", "03", "1f"), " SRC=")
	c.client()
	c.words(" DST=", c.Sender().String(), " LEN=", 40+4*c.rand.IntN(6), " TOS=0x00 PREC=0x00 TTL=", 40+c.rand.IntN(80), " ID=", c.rand.IntN(65_536),
		" PROTO=TCP SPT=", 1024+c.rand.IntN(64_000), " DPT=", [...]int{22, 23, 3389, 445, 8080, 5900}[c.skewed(6)], " WINDOW=", [...]int{1024, 65535, 14600, 29200}[c.skewed(4)],
		" RES=0x00 SYN URGP=0")
	return severity
}

// queueID is the name of a message in Postfix' queue.
func (c *Corpus) queueID() {
	const all = "0123456789ABCDEF"
	v := c.rand.Uint64()
	for range 10 {
		c.text = append(c.text, all[v&15])
		v >>= 4
	}
}

func (c *Corpus) smtpd(severity int) int {
	if c.rand.IntN(4) == 0 {
		c.words("NOQUEUE: reject: RCPT from unknown[")
		c.client()
		c.words("]: 554 5.7.1 Service unavailable; Client host blocked using zen.spamhaus.org; from=<", c.oneOf(users[:]...), c.rand.IntN(9000),
			"@example.net> to=<info@shop.example.com> proto=ESMTP helo=<mail>")
		return 5
	}
	c.queueID()
	c.words(": client=mail-")
	c.words(c.skewed(300), ".example.net[")
	c.client()
	c.words("], sasl_method=PLAIN, sasl_username=", c.oneOf(users[:]...))
	return severity
}

func (c *Corpus) smtp(severity int) int {
	c.queueID()
	c.words(": to=<user", c.skewed(20_000), "@", c.oneOf("example.com", "example.org", "example.net"), ">, relay=mx", 1+c.skewed(4), ".example.com[192.0.2.", 1+c.skewed(9),
		"]:25, delay=", c.duration(2), ".", c.rand.IntN(100), ", delays=0.0", c.rand.IntN(10), "/0.01/0.", c.rand.IntN(100), "/", c.duration(2), ".", c.rand.IntN(10),
		", dsn=2.0.0, status=sent (250 2.0.0 OK ", int(c.second), " ")
	c.hex(16)
	c.words(" - gsmtp)")
	return severity
}

func (c *Corpus) dovecot(severity int) int {
	c.words("imap-login: Login: user=<user", c.skewed(20_000), ">, method=PLAIN, rip=")
	c.client()
	c.words(", lip=10.20.1.40, mpid=", 1000+c.rand.IntN(4_000_000), ", TLS, session=<")
	c.hex(16)
	c.words(">")
	return severity
}

func (c *Corpus) postgres(severity int) int {
	if c.rand.IntN(20) == 0 {
		c.words("[", c.rand.IntN(900), "-1] shop@orders ERROR:  deadlock detected at character ", c.rand.IntN(200))
		return 3
	}
	c.words("[", c.rand.IntN(900), "-1] shop@orders LOG:  duration: ", 1000+c.duration(900), ".")
	c.padded(c.rand.IntN(1000), 3)
	c.words(" ms  execute <unnamed>: SELECT o.id, o.state, o.total FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.id = ", c.skewed(500_000), " ORDER BY o.created DESC LIMIT 50")
	return severity
}

func (c *Corpus) cron(severity int) int {
	c.words("(", c.oneOf("root", "www-data", "backup"), ") CMD (", c.oneOf("   cd / && run-parts --report /etc/cron.hourly", "/usr/local/bin/rotate-spool --quiet",
		"[ -x /usr/lib/php/sessionclean ] && if [ ! -d /run/systemd/system ]; then /usr/lib/php/sessionclean; fi"), ")")
	return severity
}

func (c *Corpus) systemd(severity int) int {
	unit := c.oneOf("phpsessionclean", "logrotate", "apt-daily", "fstrim", "session-scope")
	switch c.rand.IntN(3) {
	case 0:
		c.words("Starting ", unit, ".service - Clean up what ", unit, " left behind...")
	case 1:
		c.words(unit, ".service: Deactivated successfully.")
	default:
		c.words(unit, ".service: Consumed ", c.rand.IntN(4), ".")
		c.padded(c.rand.IntN(1000), 3)
		c.words("s CPU time, ", 1+c.rand.IntN(200), ".", c.rand.IntN(10), "M memory peak.")
	}
	return severity
}

func (c *Corpus) named(severity int) int {
	c.words("client @0x7f")
	c.hex(10)
	c.words(" 10.20.", c.rand.IntN(2), ".", 1+c.rand.IntN(100), "#", 1024+c.rand.IntN(64_000), " (", c.oneOf("db", "cache", "queue", "api"), ".internal.example.com): query: ",
		c.oneOf("db", "cache", "queue", "api"), ".internal.example.com IN ", c.oneOf("A", "AAAA"), " +E(0)K (10.20.1.53)")
	return severity
}

func (c *Corpus) dhcpd(severity int) int {
	c.words(c.oneOf("DHCPREQUEST for", "DHCPACK on"), " 10.30.", c.rand.IntN(4), ".", 1+c.rand.IntN(250), " to 00:16:3e:")
	c.hex(2)
	c.words(":")
	c.hex(2)
	c.words(":")
	c.hex(2)
	c.words(" via ens5")
	return severity
}
