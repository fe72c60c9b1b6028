package canary

import (
	"fmt"
	"time"

	"rondo/syslogd"
)

// What a sentinel is known by: its application, and a parameter of structured
// data. 32473 is the number that IANA keeps for examples: nobody's elements are
// named like ours.
const (
	appName  = "rondo-canary"
	markName = "canary"
	element  = markName + "@32473"
)

// sentinel is a line with a mark, in the format of a listener.
func sentinel(f syslogd.Format, mark string, now time.Time) string {
	switch f {
	case syslogd.FormatGELF:
		return fmt.Sprintf(`{"version":"1.1","host":"-","short_message":"%s","timestamp":%.6f,"level":7,"_app":"%s","_%s":"%s"}`,
			mark, float64(now.UnixMicro())/1e6, appName, markName, mark)
	case syslogd.FormatJournal:
		return fmt.Sprintf("__REALTIME_TIMESTAMP=%d\nPRIORITY=7\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s\nCANARY=%s\n\n",
			now.UnixMicro(), appName, mark, mark)
	}
	return fmt.Sprintf(`<47>1 %s - %s - - [%s %s="%s"] %s`,
		now.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), appName, element, markName, mark, mark)
}

// framed marks the end of a sentinel in a stream (RFC 6587; GELF's is NUL).
func framed(e syslogd.Endpoint, line string) string {
	switch {
	case e.Format == syslogd.FormatJournal:
		return line
	case e.Format == syslogd.FormatGELF || e.Framing == syslogd.FramingNUL:
		return line + "\x00"
	case e.Framing == syslogd.FramingOctets:
		return fmt.Sprintf("%d %s", len(line), line)
	}
	return line + "\n"
}
