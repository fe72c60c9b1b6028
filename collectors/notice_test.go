package collectors

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestNoticeOncePerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		var n Notice
		for range 3 {
			n.Warn(log, "bad line", "line", "x")
		}
		time.Sleep(NoticeEvery)
		n.Warn(log, "bad line", "line", "y")
		got := out.String()
		if strings.Count(got, "bad line") != 2 || !strings.Contains(got, "line=y suppressed=2") {
			t.Errorf("logged\n%s", got)
		}
	})
}
