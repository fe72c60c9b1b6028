package ec2

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"rondo/autoscale"
)

// Images implements autoscale.ImageFinder.
func (c *Cloud) Images(ctx context.Context, _ string, f autoscale.ImageFilter) (out []autoscale.Image, err error) {
	in := imagesInput(f)
	seen := make(map[string]bool)
	for {
		page, err := c.client.describeImages(ctx, in)
		if err != nil {
			return nil, classify(err)
		}
		for _, i := range page.Images {
			out = append(out, image(i))
		}
		next := aws.ToString(page.NextToken)
		if next == "" {
			break
		}
		if seen[next] {
			return nil, &autoscale.CallError{Failure: autoscale.Unclear, Err: errPage}
		}
		seen[next] = true
		in.NextToken = page.NextToken
	}
	slices.SortFunc(out, func(a, b autoscale.Image) int {
		if d := b.Created.Compare(a.Created); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

func imagesInput(f autoscale.ImageFilter) *awsec2.DescribeImagesInput {
	in := &awsec2.DescribeImagesInput{
		Owners:  []string{f.Owner},
		Filters: []types.Filter{filter("name", f.Name), filter("state", string(types.ImageStateAvailable))},
	}
	if f.Arch != "" {
		in.Filters = append(in.Filters, filter("architecture", f.Arch))
	}
	return in
}

func image(i types.Image) autoscale.Image {
	// An image whose date cannot be read counts as the oldest.
	created, _ := time.Parse(time.RFC3339, aws.ToString(i.CreationDate))
	return autoscale.Image{ID: aws.ToString(i.ImageId), Name: aws.ToString(i.Name), Owner: aws.ToString(i.OwnerId), Created: created}
}
