package asg

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"rondo/autoscale"
)

// A controller's claim is on the Auto Scaling Group itself, not on its members,
// which AWS launches: each member is listed as if it carried it.

// claimTags are the names of a claim's tags.
func claimTags() []string {
	return []string{autoscale.TagOwner, autoscale.TagEpoch, autoscale.TagClaimed}
}

// claimIn are those of the tags that make a claim.
func claimIn(tags map[string]string) map[string]string {
	out := make(map[string]string)
	for _, name := range claimTags() {
		if v, ok := tags[name]; ok {
			out[name] = v
		}
	}
	return out
}

// claimOf reads it off the Auto Scaling Group.
func claimOf(tags []types.TagDescription) map[string]string {
	all := make(map[string]string, len(tags))
	for _, t := range tags {
		all[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return claimIn(all)
}

// Tag implements autoscale.Tagger: it puts a claim on the Auto Scaling Group.
// The IDs of members do not matter.
func (c *Cloud) Tag(ctx context.Context, group string, _ []string, tags map[string]string) (string, error) {
	g, err := c.read(ctx, group)
	if err != nil {
		return "", err
	}
	return c.claim(ctx, g, tags)
}

// claim puts the claim that is among the tags on the group, where it is another
// one.
func (c *Cloud) claim(ctx context.Context, g *group, tags map[string]string) (string, error) {
	claim := claimIn(tags)
	if len(claim) == 0 || maps.Equal(claim, g.claim) {
		return "", nil
	}
	in := &sdk.CreateOrUpdateTagsInput{}
	for _, name := range slices.Sorted(maps.Keys(claim)) {
		in.Tags = append(in.Tags, types.Tag{
			ResourceId: aws.String(g.name), ResourceType: aws.String("auto-scaling-group"),
			Key: aws.String(name), Value: aws.String(claim[name]), PropagateAtLaunch: aws.Bool(false),
		})
	}
	out, err := c.client.tag(ctx, in, once)
	if err != nil {
		return "", classify(err)
	}
	request, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	return request, nil
}
