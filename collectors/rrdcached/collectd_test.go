package rrdcached

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rondo/rrd"
)

// TestCollectd runs the real collectd with its rrdcached plugin. With
// CreateFiles it creates the file itself, and then sends forget and update;
// without, it sends updates only, here over TCP: over a unix socket librrd
// itself wants the file's directory to be there.
func TestCollectd(t *testing.T) {
	program := need(t, "collectd")
	for _, createFiles := range []bool{true, false} {
		t.Run(fmt.Sprintf("CreateFiles=%t", createFiles), func(t *testing.T) {
			t.Parallel()
			s := serveMem(t, func(c *Config) { c.Listen = "127.0.0.1:0" })
			daemon, base := s.TCPAddr().String(), "."
			if createFiles {
				daemon, base = "unix:"+s.socket(), s.base()
			}
			dir := t.TempDir()
			conf := filepath.Join(dir, "collectd.conf")
			if err := os.WriteFile(conf, fmt.Appendf(nil, collectdConf, dir, daemon, base, createFiles), 0o600); err != nil {
				t.Fatal(err)
			}
			var output bytes.Buffer
			cmd := exec.Command(program, "-f", "-C", conf)
			cmd.Stdout, cmd.Stderr = &output, &output
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = cmd.Process.Signal(os.Interrupt)
				_ = cmd.Wait()
				if t.Failed() {
					t.Log(output.String())
				}
			}()
			d := s.awaitUpdates("web-1.example/load/load", 2)
			want := []string{"ds0", "ds1", "ds2"}
			if createFiles {
				want = []string{"shortterm", "midterm", "longterm"}
			}
			var got []string
			for _, src := range d.Sources {
				got = append(got, src.Name)
			}
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("data sources %q, want %q", got, want)
			}
			s.awaitUpdates("web-1.example/uptime/uptime", 1)
			counts := s.stats.Snapshot()
			if taken := counts["sets_taken_over"]; (taken > 0) != createFiles {
				t.Errorf("%d files are taken over", taken)
			}
			for _, refused := range []rrd.Refusal{rrd.RefusedLate, rrd.RefusedValue, rrd.RefusedSet} {
				if n := counts[string(refused)]; n > 0 {
					t.Errorf("%d updates are refused: %s", n, refused)
				}
			}
		})
	}
}

// awaitUpdates waits until a set has had so many updates.
func (s *server) awaitUpdates(set string, n int) rrd.SetDefinition {
	s.t.Helper()
	last := rrd.Time(0)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		d, st, err := s.sets.DescribeSet(set)
		if err == nil && st.Last != last && st.Sources[0].Text != "U" {
			last = st.Last
			if n--; n == 0 {
				return d
			}
		}
	}
	s.t.Fatalf("%s is not updated; there are %q; %v", set, s.sets.ListSets(""), s.stats.Snapshot())
	return rrd.SetDefinition{}
}

// Of several threads of collectd one may overtake another, and send what is
// older last.
const collectdConf = `
Hostname "web-1.example"
FQDNLookup false
BaseDir "%[1]s"
PIDFile "%[1]s/pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
Interval 1
ReadThreads 1
WriteThreads 1
LoadPlugin logfile
<Plugin logfile>
	File stdout
</Plugin>
LoadPlugin load
LoadPlugin uptime
LoadPlugin rrdcached
<Plugin rrdcached>
	DaemonAddress "%[2]s"
	DataDir "%[3]s"
	CreateFiles %[4]t
	CollectStatistics true
</Plugin>
`
