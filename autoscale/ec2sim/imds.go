package ec2sim

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// metadata serves what each instance would read at 169.254.169.254, under
// /_sim/imds/INSTANCE: agents find it by AWS_EC2_METADATA_SERVICE_ENDPOINT.
// Tokens (IMDSv2) are given and not checked.
func (s *Sim) metadata(mux *http.ServeMux) {
	mux.HandleFunc("PUT /_sim/imds/{id}/latest/api/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		_, _ = io.WriteString(w, newID("token-"))
	})
	mux.HandleFunc("GET /_sim/imds/{id}/latest/{path...}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		text, ok := s.metadatum(r.PathValue("id"), r.PathValue("path"), time.Now())
		s.mu.Unlock()
		if !ok {
			http.Error(w, "404 - Not Found", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, text)
	})
}

// metadatum is one value of one instance that runs. Callers hold s.mu.
func (s *Sim) metadatum(id, path string, now time.Time) (string, bool) {
	i := s.instances[id]
	if i == nil || i.State.over() {
		return "", false
	}
	if path == "user-data" {
		return i.UserData, i.UserData != ""
	}
	path, _ = strings.CutPrefix(path, "meta-data/")
	if key, ok := strings.CutPrefix(path, "tags/instance/"); ok {
		v, has := i.Tags[key]
		return v, has
	}
	noticed := !i.Notice.IsZero() && !now.Before(i.Notice)
	switch path {
	case "instance-id":
		return i.ID, true
	case "ami-id":
		return i.Image, true
	case "instance-type":
		return i.Type, true
	case "local-ipv4":
		return i.PrivateIP, true
	case "local-hostname", "hostname":
		return i.PrivateDNS, true
	case "placement/availability-zone":
		return i.Zone, true
	case "placement/region":
		return s.opt.Region, true
	case "instance-life-cycle":
		if i.Market == Spot {
			return "spot", true
		}
		return "on-demand", true
	case "spot/instance-action":
		return jsonLine(map[string]string{"action": "terminate", "time": instant(i.Doomed)}), noticed
	case "spot/termination-time":
		return instant(i.Doomed), noticed
	case "events/recommendations/rebalance":
		return jsonLine(map[string]string{"noticeTime": instant(i.Notice)}), noticed
	case "autoscaling/target-lifecycle-state":
		_, m, err := s.managed(id)
		if err != nil {
			return "", false
		}
		return m.target(), true
	}
	return "", false
}

// target is the lifecycle state that a member is on its way to.
func (m *member) target() string {
	switch {
	case m.state.ending():
		return "Terminated"
	case m.state == lifeStandby:
		return string(lifeStandby)
	}
	return string(lifeInService)
}

func jsonLine(v map[string]string) string {
	b, _ := json.Marshal(v) // strings only: it cannot fail
	return string(b)
}
