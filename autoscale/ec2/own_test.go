package ec2_test

import (
	"testing"

	"rondo/autoscale"
	"rondo/autoscale/ec2sim"
)

func TestOwnedAndTag(t *testing.T) {
	t.Parallel()
	sim, cloud := start(t, ec2sim.Options{})
	web, _ := sim.Launch(2, map[string]string{autoscale.TagGroup: "web"})
	db, _ := sim.Launch(1, map[string]string{autoscale.TagGroup: "db"})
	_, _ = sim.Launch(1, map[string]string{"Name": "nobody's"})
	is, err := cloud.Owned(t.Context())
	if err != nil || len(is) != 3 {
		t.Fatalf("%d instances, %v; want the 3 that carry the tag of a group", len(is), err)
	}
	claim := map[string]string{autoscale.TagOwner: "me", autoscale.TagEpoch: "2"}
	if _, err := cloud.Tag(t.Context(), "web", []string{web[0].ID, db[0].ID}, claim); failure(err) != autoscale.Permanent {
		t.Errorf("Tag of another group's: %v; want a refusal", err)
	}
	request, err := cloud.Tag(t.Context(), "web", []string{web[0].ID, web[1].ID}, claim)
	if err != nil || request == "" {
		t.Fatalf("Tag = %q, %v", request, err)
	}
	is, err = cloud.Instances(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range is {
		if i.Tags[autoscale.TagOwner] != "me" || i.Tags[autoscale.TagEpoch] != "2" || i.Tags[autoscale.TagGroup] != "web" {
			t.Errorf("%s carries %v", i.ID, i.Tags)
		}
	}
}
