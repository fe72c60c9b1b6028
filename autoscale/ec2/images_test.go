package ec2_test

import (
	"strings"
	"testing"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/ec2sim"
)

func TestImages(t *testing.T) {
	t.Parallel()
	sim, cloud := start(t, ec2sim.Options{})
	day := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	for _, i := range []ec2sim.Image{
		{ID: "ami-1", Name: "web-1", Created: day(1)},
		{ID: "ami-3", Name: "web-3", Created: day(3)},
		{ID: "ami-2", Name: "web-2", Created: day(2), Arch: "arm64"},
		{ID: "ami-4", Name: "web-4", Created: day(4), State: "pending"},
		{ID: "ami-5", Name: "web-5", Created: day(5), Owner: "999999999999"},
		{ID: "ami-6", Name: "db-6", Created: day(6)},
	} {
		if err := sim.AddImage(i); err != nil {
			t.Fatal(err)
		}
	}
	f := func(filter autoscale.ImageFilter, want string) {
		t.Helper()
		found, err := cloud.Images(t.Context(), "web", filter)
		var ids []string
		for _, i := range found {
			ids = append(ids, i.ID)
		}
		if got := strings.Join(ids, " "); err != nil || got != want {
			t.Errorf("%+v: %s, %v; want %s", filter, got, err, want)
		}
	}
	f(autoscale.ImageFilter{Owner: "self", Name: "web-*"}, "ami-3 ami-2 ami-1")
	f(autoscale.ImageFilter{Owner: "self", Name: "web-*", Arch: "arm64"}, "ami-2")
	f(autoscale.ImageFilter{Owner: "999999999999", Name: "web-*"}, "ami-5")
	f(autoscale.ImageFilter{Owner: "self", Name: "nothing-*"}, "")
}
