package ec2

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Locked implements autoscale.Vetter by the attribute disableApiTermination,
// which no list shows.
func (c *Cloud) Locked(ctx context.Context, _ string, ids []string) (map[string]string, error) {
	out := make(map[string]string)
	for _, id := range ids {
		a, err := c.client.describeInstanceAttribute(ctx, &awsec2.DescribeInstanceAttributeInput{
			InstanceId: aws.String(id), Attribute: types.InstanceAttributeNameDisableApiTermination,
		})
		if err != nil {
			return out, classify(err)
		}
		if a.DisableApiTermination != nil && aws.ToBool(a.DisableApiTermination.Value) {
			out[id] = "EC2's termination protection"
		}
	}
	return out, nil
}
