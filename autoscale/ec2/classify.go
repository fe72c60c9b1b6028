package ec2

import (
	"errors"
	"net/http"
	"slices"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"rondo/autoscale"
)

// codes returns EC2's error codes of a failure. What is in no list and comes
// with a status of 4xx is Permanent.
func codes(f autoscale.Failure) []string {
	switch f {
	case autoscale.Throttled:
		return []string{"RequestLimitExceeded", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException", "EC2ThrottledException", "TooManyRequestsException", "BandwidthLimitExceeded", "SlowDown"}
	case autoscale.NoRoom:
		return []string{"InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientCapacity", "InsufficientReservedInstanceCapacity", "UnfulfillableCapacity", "InsufficientFreeAddressesInSubnet", "InstanceLimitExceeded", "VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "SpotMaxPriceTooLow", "ResourceCountExceeded", "MaxConfigLimitExceeded"}
	case autoscale.Denied:
		return []string{"UnauthorizedOperation", "AuthFailure", "RequestExpired", "Blocked", "OptInRequired", "PendingVerification", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "MissingAuthenticationToken", "IncompleteSignature", "UnrecognizedClientException", "AccessDenied", "AccessDeniedException"}
	case autoscale.Unclear:
		// IdempotentParameterMismatch: something was launched with the token.
		// UnknownError: the SDK found no code in the answer; a proxy's page.
		return []string{"InternalError", "InternalFailure", "ServerInternal", "Unavailable", "ServiceUnavailable", "IdempotentParameterMismatch", "UnknownError"}
	case autoscale.Permanent:
	}
	return nil
}

// classify says what a failed call left behind.
func classify(err error) error {
	e := &autoscale.CallError{Failure: autoscale.Unclear, Err: err}
	status := 0
	if re, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		e.RequestID, status = re.ServiceRequestID(), re.HTTPStatusCode()
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return e
	}
	e.Code, e.Err = api.ErrorCode(), errors.New(api.ErrorMessage())
	for _, f := range []autoscale.Failure{autoscale.Throttled, autoscale.NoRoom, autoscale.Denied, autoscale.Unclear} {
		if slices.Contains(codes(f), e.Code) {
			e.Failure = f
			return e
		}
	}
	if status >= http.StatusBadRequest && status < http.StatusInternalServerError {
		e.Failure = autoscale.Permanent
	}
	return e
}
