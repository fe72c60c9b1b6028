package alerts

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rondo/syslogd/peertest"
)

var (
	nagiosServices = flag.Int("nagios.services", 400, "services of the run against nagios")
	nagiosSeed     = flag.Uint64("nagios.seed", 0, "seed of the run against nagios; 0: the clock")
)

// TestAgainstNagios gives Debian's nagios4 passive results for many services,
// and Step the same: what nagios writes into its log for every result (state,
// type, attempt, start and end of flapping) and into its status file at the end
// must be what we say.
//
//	go test ./alerts -run TestAgainstNagios -nagios.services 5000
func TestAgainstNagios(t *testing.T) {
	seed := *nagiosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // not for secrets
	var services []service
	for i := range *nagiosServices {
		services = append(services, randomService(random, fmt.Sprint("s", i)))
	}
	services = append(services, lastService)
	ties := 0
	log, status := runNagios(t, services)
	for _, s := range services {
		wantLog, wantStatus, tied := s.expect()
		if got := strings.Join(log[s.name], "\n"); got != strings.Join(wantLog, "\n") {
			t.Errorf("%s\nnagios logs\n%s\nwant\n%s", s, got, strings.Join(wantLog, "\n"))
		}
		if status[s.name] != wantStatus {
			t.Errorf("%s\nnagios has  %s\nwant        %s", s, status[s.name], wantStatus)
		}
		ties += tied
		if t.Failed() {
			return // one is enough to look at
		}
	}
	t.Logf("%d services, %d times a percentage at its threshold", len(services), ties)
}

// lastService's only result is the last of all: when nagios has it, it has all.
var lastService = service{"zzz", Policy{Direct: true, Flap: Flap{5, 20}}, []Status{Critical}}

// A service is one with its history of passive results.
type service struct {
	name    string
	policy  Policy
	history []Status
}

func (s service) String() string {
	return fmt.Sprintf("%s, %d attempts, flap %v: %v", s.name, s.policy.attempts(), s.policy.Flap, s.history)
}

// maxHistory is the most results of a service: more than three turns of the
// ring.
const maxHistory = 70

// randomService has a history that moves seldom or often, and thresholds that
// its percentage meets exactly, if there are such.
func randomService(r *rand.Rand, name string) service {
	s := service{name: name, policy: Policy{Direct: true, MaxAttempts: 1 + r.IntN(4)}}
	moves, now := r.IntN(10), OK
	for range 1 + r.IntN(maxHistory) {
		if r.IntN(10) <= moves {
			now = Status(r.IntN(4))
		}
		s.history = append(s.history, now)
	}
	s.policy.Flap = Flap{Low: 1.25, High: 100}
	var met []float64
	s.each(func(_, after State, _ *Transition) {
		p := after.Flapping.Percent()
		if nearest := math.Round(p/1.25) * 1.25; math.Abs(p-nearest) < 1e-9 && 2 < nearest && nearest < 100 {
			met = append(met, nearest)
		}
	})
	f := Flap{Low: 1.25 * float64(1+r.IntN(20)), High: 1.25 * float64(22+r.IntN(50))}
	if len(met) > 0 {
		f.High = met[r.IntN(len(met))]
		f.Low = met[r.IntN(len(met))]
		if f.Low >= f.High {
			f.Low = f.High - 1.25
		}
	}
	s.policy.Flap = f
	return s
}

// each steps through the history.
func (s service) each(f func(before, after State, tr *Transition)) State {
	var now State
	for i, found := range s.history {
		next, tr := Step(s.policy, now, Reading{Value: math.NaN(), Status: found}, epoch.Add(time.Duration(i)*time.Second))
		f(now, next, tr)
		now = next
	}
	return now
}

// expect is what nagios should log and have at the end, in its words, and how
// often a percentage was just that of a threshold.
func (s service) expect() (log []string, status string, ties int) {
	end := s.each(func(before, after State, tr *Transition) {
		percent := after.Flapping.Percent()
		if math.Abs(percent-s.policy.Flap.High) < 1e-9 || math.Abs(percent-s.policy.Flap.Low) < 1e-9 {
			ties++
		}
		if tr != nil && tr.Flap == FlapStart {
			log = append(log, fmt.Sprintf("STARTED %.1f%%", percent))
		} else if tr != nil && tr.Flap == FlapEnd {
			log = append(log, fmt.Sprintf("STOPPED %.1f%%", percent))
		}
		name, attempts := strings.ToUpper(after.Status.String()), after.Attempts
		switch {
		case after.Soft():
			log = append(log, fmt.Sprintf("%s SOFT %d", name, attempts))
		case before.Soft() && after.Hard == OK:
			log = append(log, fmt.Sprintf("%s SOFT %d", name, before.Attempts+1))
		case before.Hard != after.Hard:
			log = append(log, fmt.Sprintf("%s HARD %d", name, s.policy.attempts()))
		}
	})
	attempts, kind := max(end.Attempts, 1), 1
	if end.Soft() {
		kind = 0
	}
	return log, fmt.Sprintf("current_state=%d current_attempt=%d state_type=%d is_flapping=%d percent_state_change=%.2f",
		end.Status, attempts, kind, flag01(end.Flapping.Active), end.Flapping.Percent()), ties
}

func flag01(b bool) int {
	if b {
		return 1
	}
	return 0
}

// runNagios runs nagios on the histories, and returns for each service what it
// logged and the end of its status.
func runNagios(t *testing.T, services []service) (log map[string][]string, status map[string]string) {
	t.Helper()
	p := peertest.Find(t, "nagios4")
	dir, err := os.MkdirTemp("", "nagios") // t.TempDir's name may be too long for its socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	writeNagios(t, dir, services)
	cmd := exec.CommandContext(t.Context(), p.Path, filepath.Join(dir, "nagios.cfg")) //nolint:gosec // a test's own program
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+p.Folders("usr/lib/x86_64-linux-gnu", "usr/lib"))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for patience := time.After(time.Minute); ; {
		text, _ := os.ReadFile(filepath.Join(dir, "status.dat")) // it may not be there yet
		_, last, _ := strings.Cut(string(text), "service_description="+lastService.name+"\n")
		if last, _, _ = strings.Cut(last, "}"); strings.Contains(last, "\tcurrent_state=2\n") {
			return readLog(t, filepath.Join(dir, "nagios.log")), readStatus(string(text))
		}
		select {
		case <-tick.C:
		case <-patience:
			t.Fatalf("nagios is not done:\n%s", out.String())
		}
	}
}

const nagiosConfig = `log_file={dir}/nagios.log
cfg_file={dir}/objects.cfg
object_cache_file={dir}/objects.cache
precached_object_file={dir}/objects.precache
status_file={dir}/status.dat
status_update_interval=1
check_external_commands=0
command_file={dir}/cmd
query_socket={dir}/qh
lock_file={dir}/lock
temp_file={dir}/tmp
temp_path={dir}
log_rotation_method=n
use_syslog=0
log_service_retries=1
check_result_reaper_frequency=1
check_result_path={dir}/spool
retain_state_information=0
state_retention_file={dir}/retention
check_for_updates=0
accept_passive_service_checks=1
enable_notifications=0
enable_event_handlers=0
enable_flap_detection=1
illegal_macro_output_chars=~
check_workers=1
nagios_user={user}
nagios_group={user}
`

const nagiosObjects = `define command {
command_name c
command_line /bin/true
}
define timeperiod {
timeperiod_name always
alias always
}
define contact {
contact_name nobody
host_notification_period always
service_notification_period always
host_notification_options n
service_notification_options n
host_notification_commands c
service_notification_commands c
}
define host {
host_name h
address 127.0.0.1
max_check_attempts 1
check_period always
notification_period always
active_checks_enabled 0
contacts nobody
check_command c
}
`

// writeNagios writes the configuration and the results: those of all services
// in turn, as they would come.
func writeNagios(t *testing.T, dir string, services []service) {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	objects, results := strings.Builder{}, strings.Builder{}
	objects.WriteString(nagiosObjects)
	for _, s := range services {
		fmt.Fprintf(&objects, "define service {\nhost_name h\nservice_description %s\nmax_check_attempts %d\n"+
			"low_flap_threshold %v\nhigh_flap_threshold %v\ncheck_interval 1\nretry_interval 1\nactive_checks_enabled 0\n"+
			"check_period always\nnotification_period always\ncontacts nobody\ncheck_command c\n}\n",
			s.name, s.policy.attempts(), s.policy.Flap.Low, s.policy.Flap.High)
	}
	now := time.Now().Unix()
	for i := range maxHistory {
		for _, s := range services {
			if i < len(s.history) && s.name != lastService.name {
				writeResult(&results, s.name, now, s.history[i])
			}
		}
	}
	writeResult(&results, lastService.name, now, lastService.history[0])
	replace := strings.NewReplacer("{dir}", dir, "{user}", me.Username).Replace
	for name, text := range map[string]string{
		"nagios.cfg": replace(nagiosConfig), "objects.cfg": objects.String(), "spool/c000001": results.String(), "spool/c000001.ok": "",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func writeResult(w *strings.Builder, name string, now int64, found Status) {
	fmt.Fprintf(w, "### result ###\nhost_name=h\nservice_description=%s\ncheck_type=1\nscheduled_check=0\nlatency=0\n"+
		"start_time=%d.0\nfinish_time=%d.0\nexited_ok=1\nreturn_code=%d\noutput=-\n\n", name, now, now, found)
}

// readStatus reads from nagios' status file what expect has.
func readStatus(text string) map[string]string {
	out := make(map[string]string)
	for _, block := range strings.Split(text, "servicestatus {")[1:] {
		value := make(map[string]string)
		block, _, _ = strings.Cut(block, "}")
		for line := range strings.Lines(block) {
			k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
			value[k] = v
		}
		var all []string
		for _, k := range []string{"current_state", "current_attempt", "state_type", "is_flapping", "percent_state_change"} {
			all = append(all, k+"="+value[k])
		}
		out[value["service_description"]] = strings.Join(all, " ")
	}
	return out
}

// readLog reads the alerts from nagios' log, in the form that expect has:
//
//	[1] SERVICE ALERT: h;s1;WARNING;SOFT;1;text
//	[1] SERVICE FLAPPING ALERT: h;s1;STARTED; ... flapping (24.2% change >= 20.0% threshold)
func readLog(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]string)
	for line := range strings.Lines(string(text)) {
		_, alert, ok := strings.Cut(line, "ALERT: h;")
		f := strings.Split(alert, ";")
		switch {
		case ok && strings.Contains(line, " FLAPPING ALERT: "):
			_, percent, _ := strings.Cut(alert, "(")
			percent, _, _ = strings.Cut(percent, " ")
			out[f[0]] = append(out[f[0]], f[1]+" "+percent)
		case ok:
			out[f[0]] = append(out[f[0]], strings.Join(f[1:4], " "))
		}
	}
	return out
}
