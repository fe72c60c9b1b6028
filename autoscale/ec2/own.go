package ec2

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"rondo/autoscale"
)

// Owned lists all instances that carry the tag of any group.
func (c *Cloud) Owned(ctx context.Context) ([]autoscale.Instance, error) {
	return c.describe(ctx, filter("tag-key", autoscale.TagGroup))
}

// Tag puts tags on instances. It reads right before whether they are the
// group's, and tags none of them if one is not.
func (c *Cloud) Tag(ctx context.Context, group string, ids []string, tags map[string]string) (string, error) {
	put := make([]types.Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		put = append(put, types.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	var there []string
	for some := range slices.Chunk(ids, batch) {
		is, err := c.describe(ctx, filter("instance-id", some...))
		if err != nil {
			return "", err
		}
		for _, i := range is {
			if i.Tags[autoscale.TagGroup] != group {
				return "", refused("%s does not carry the tag %s=%s", i.ID, autoscale.TagGroup, group)
			}
			there = append(there, i.ID)
		}
	}
	request := ""
	for some := range slices.Chunk(there, batch) {
		out, err := c.client.createTags(ctx, &awsec2.CreateTagsInput{Resources: some, Tags: put}, once)
		if err != nil {
			return "", classify(err)
		}
		request, _ = middleware.GetRequestIDMetadata(out.ResultMetadata)
	}
	return request, nil
}

var (
	_ autoscale.Tagger  = (*Cloud)(nil)
	_ autoscale.Sweeper = (*Cloud)(nil)
)
