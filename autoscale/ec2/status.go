package ec2

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Impaired implements autoscale.StatusChecker by EC2's status checks: of the
// machine below the instance (system) and of the instance itself.
func (c *Cloud) Impaired(ctx context.Context, _ string, ids []string) (map[string]time.Time, error) {
	out := make(map[string]time.Time)
	for some := range slices.Chunk(ids, batch) {
		page, err := c.client.describeInstanceStatus(ctx, &awsec2.DescribeInstanceStatusInput{InstanceIds: some})
		if err != nil {
			return nil, classify(err)
		}
		for _, s := range page.InstanceStatuses {
			for _, check := range []*types.InstanceStatusSummary{s.SystemStatus, s.InstanceStatus} {
				since, bad := impaired(check)
				if at, ok := out[aws.ToString(s.InstanceId)]; bad && (!ok || since.Before(at)) {
					out[aws.ToString(s.InstanceId)] = since
				}
			}
		}
	}
	return out, nil
}

// impaired says since when a check fails. One that does not say since when is
// left to the next look, for it has just begun to.
func impaired(s *types.InstanceStatusSummary) (since time.Time, bad bool) {
	if s == nil || s.Status != types.SummaryStatusImpaired {
		return since, false
	}
	for _, d := range s.Details {
		if d.ImpairedSince != nil && (since.IsZero() || d.ImpairedSince.Before(since)) {
			since = *d.ImpairedSince
		}
	}
	return since, !since.IsZero()
}
