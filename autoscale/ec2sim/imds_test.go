package ec2sim

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMetadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		is, _ := s.Launch(1, map[string]string{"rondo:group": "web"})
		get := func(path string) string {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest("GET", "/_sim/imds/"+is[0].ID+"/latest/"+path, nil))
			if w.Code != 200 {
				return "no"
			}
			return w.Body.String()
		}
		f := func(path, want string) {
			t.Helper()
			if got := get(path); got != want {
				t.Errorf("%s: %q, want %q", path, got, want)
			}
		}
		f("meta-data/instance-id", is[0].ID)
		f("meta-data/placement/availability-zone", "us-east-1a")
		f("meta-data/tags/instance/rondo:group", "web")
		f("meta-data/instance-life-cycle", "on-demand")
		f("meta-data/autoscaling/target-lifecycle-state", "no")
		f("user-data", "no")
		f("meta-data/spot/instance-action", "no")
		inject(t, s, Fault{Effect: EffectSpotNotice, Instance: is[0].ID, After: Duration(time.Minute)})
		f("meta-data/spot/instance-action", "no")
		time.Sleep(time.Minute)
		f("meta-data/spot/instance-action", `{"action":"terminate","time":"2000-01-01T00:03:00Z"}`)
		f("meta-data/events/recommendations/rebalance", `{"noticeTime":"2000-01-01T00:01:00Z"}`)

		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("PUT", "/_sim/imds/"+is[0].ID+"/latest/api/token", nil))
		if w.Code != 200 || !strings.HasPrefix(w.Body.String(), "token-") {
			t.Errorf("token: %d %s", w.Code, w.Body)
		}
		s.Terminate("over", is[0].ID)
		f("meta-data/instance-id", "no")
	})
}
